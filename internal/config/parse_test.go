package config

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"varve/internal/retention"
	"varve/internal/schedule"
)

// everything is a file with every key but those that exclude others.
const everything = `
[defaults.store]
passphrase-file = "/etc/varve/all.pass"
deletions = 5
verify = { every = "2w", subset = "2.5%" }
connections = 2

[defaults.job]
exclude = ["*.bak"]
stores = ["usb"]
tags = ["all"]
guard = { max-lost = "30%", min-free = "5G" }
hook = { failed = "echo default" }

[store.usb]
place = "/mnt/usb/../usb/varve/"
kind = "tree"
mounted = "/mnt/usb"
marker = "~/here"
keep = { last = 3, hourly = 0, daily = 7, weekly = 4, monthly = 0xC, yearly = "unlimited", within = "30d", within-hourly = "48h",
  within-daily = "1m", within-weekly = "2m", within-monthly = "1y", within-yearly = "10y", days = 30, tags = ["keep", "a,b"] }
max-size = "500G"
keep-free = "10%"
deletions = 1_000
undo = "0s"
verify = { every = "never" }
prune = { every = "12h", max-unused = "0%", max-repack = "10g" }
drill = { every = "30d", files = 50 }
day-names = true

[store."box"]
place = "u@box:varve"
key-file = "~/key"
ssh = "ssh -i '/root/.ssh/back up' -o UserKnownHostsFile=/x"

[store.third]
place = "ssh://third/srv/varve"
passphrase-command = ["pass", "show", "varve"]
keep.daily = 2

[job.home]
sources = ["/home/", "~", "admin@web:/etc"]
stores = ["usb", "box", "third"]
series = "home"
host = "laptop"
tags = ["x", "y"]
exclude = ["*.tmp", "!keep.tmp"]
exclude-from = ["/etc/varve/exclude"]
exclude-if-present = [".nobackup", "TAG:Signature"]
exclude-caches = false
exclude-larger-than = "4G"
one-file-system = true
snapshot = "btrfs"
ssh = ["ssh", "-4"]
schedule = "daily 02:00; Sat 12:00"
overdue = "36h"
retries = 0
wait-network = "0s"

[[job.home.command]]
path = "/dumps/pg.sql"
run = "pg_dump all | cat"
user = "postgres"
timeout = "1h"

[[job.home.command]]
path = "/dumps/web.sql"
run = ["mysqldump", "--all-databases"]
on = "root@web"

[job.home.guard]
mounted = ["/home"]
marker = ["/home/.here"]
min-files = 100
max-changed = "60%"

[job.home.hook]
before = "sync"
after = ["true"]
finally = { run = "notify", on = "me@desk", timeout = "5s" }

[job.home.keep]
last = 1

[job.home.keep-in.box]
yearly = "unlimited"

[job.etc]
sources = ["/etc"]

[notice.mail]
kind = "mail"
to = ["root", "a@example.org"]
from = "varve@example.org"
smtp = "mail.example.org:587"
smtp-user = "varve"
smtp-password-file = "/etc/varve/smtp.pass"
on = ["failure"]
jobs = ["home"]

[notice.hook]
kind = "webhook"
url = "https://example.org/hook"
token-file = "/etc/varve/token"

[notice.ntfy]
kind = "ntfy"
url-file = "/etc/varve/ntfy.url"

[notice.ping]
kind = "ping"
url = "https://hc.example.org/uuid"

[notice.run]
kind = "command"
run = { run = "wall", user = "nobody" }

[notice.prom]
kind = "prometheus"
path = "/var/lib/varve.prom"

[notice.log]
kind = "syslog"
`

// parse reads a file that must be right.
func parse(t testing.TB, text string) *Config {
	t.Helper()
	c, err := Parse("test.toml", []byte(text), Options{Home: "/home/u"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryKeyArrives(t *testing.T) {
	c := parse(t, everything)
	usb := &Store{
		Name: "usb", Place: "/mnt/usb/varve", Kind: Tree, PassphraseFile: "/etc/varve/all.pass", Mounted: "/mnt/usb", Marker: "/home/u/here",
		Keep: Keep{Last: 3, Daily: 7, Weekly: 4, Monthly: 12, Yearly: retention.Unlimited, Within: age(retention.Duration{Days: 30}),
			WithinHourly: age(retention.Duration{Hours: 48}), WithinDaily: age(retention.Duration{Months: 1}),
			WithinWeekly: age(retention.Duration{Months: 2}), WithinMonthly: age(retention.Duration{Years: 1}),
			WithinYearly: age(retention.Duration{Years: 10}), Days: 30, Tags: []string{"keep", "a,b"}},
		MaxSize: 500 << 30, KeepFree: Room{Share: 0.1}, Deletions: 1000, Verify: Verify{Subset: 0.025},
		Prune: Prune{Every: Every(12 * time.Hour), MaxRepack: 10 << 30}, Drill: Drill{Every: Every(30 * 24 * time.Hour), Files: 50},
		DayNames: true, Connections: 2,
	}
	if diff := cmp.Diff(usb, c.Store("usb")); diff != "" {
		t.Errorf("store usb:\n%s", diff)
	}
	home := &Job{
		Name: "home", Sources: []string{"/home", "/home/u", "admin@web:/etc"}, Stores: []string{"usb", "box", "third"}, Series: "home", Host: "laptop",
		Commands: []Command{
			{"/dumps/pg.sql", Call{Run: Words{Shell: "pg_dump all | cat"}, User: "postgres", Timeout: Span(time.Hour)}},
			{"/dumps/web.sql", Call{Run: Words{Argv: []string{"mysqldump", "--all-databases"}}, On: "root@web", Timeout: Span(24 * time.Hour)}},
		},
		Tags: []string{"x", "y"}, Exclude: []string{"*.tmp", "!keep.tmp"}, ExcludeFrom: []string{"/etc/varve/exclude"},
		ExcludeIfPresent: []string{".nobackup", "TAG:Signature"}, ExcludeLargerThan: 4 << 30, OneFileSystem: true, Snapshot: Btrfs,
		SSH: Line{"ssh", "-4"}, Overdue: Span(36 * time.Hour),
		Guard: Guard{Mounted: []string{"/home"}, Marker: []string{"/home/.here"}, MinFiles: 100, MaxLost: 0.3, MaxChanged: 0.6, MinFree: Room{Bytes: 5 << 30}},
		Hook: Hook{Before: Call{Run: Words{Shell: "sync"}, Timeout: hookTimeout}, After: Call{Run: Words{Argv: []string{"true"}}, Timeout: hookTimeout},
			Failed:  Call{Run: Words{Shell: "echo default"}, Timeout: hookTimeout},
			Finally: Call{Run: Words{Shell: "notify"}, On: "me@desk", Timeout: Span(5 * time.Second)}},
		Keep: Keep{Last: 1}, KeepIn: map[string]Keep{"box": {Yearly: retention.Unlimited}},
	}
	got := *c.Job("home")
	var err error
	if home.Schedule, err = schedule.Parse("daily 02:00; sat 12:00"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*home, got, cmp.Comparer(func(a, b schedule.Schedule) bool { return a.String() == b.String() })); diff != "" {
		t.Errorf("job home:\n%s", diff)
	}
}

func age(d retention.Duration) Age { return Age{d} }

func TestDefaultsHoldUnlessAStoreOrJobSaysOtherwise(t *testing.T) {
	c := parse(t, everything)
	box, etc := c.Store("box"), c.Job("etc")
	if box.Deletions != 5 || box.Connections != 2 || box.Verify.Every != Every(14*24*time.Hour) || box.Prune.Every != Every(7*24*time.Hour) {
		t.Errorf("box: %+v", box)
	}
	if box.PassphraseFile != "" || box.KeyFile != "/home/u/key" || box.Kind != Vault {
		t.Errorf("box is opened with %q and %q, kind %s", box.PassphraseFile, box.KeyFile, box.Kind)
	}
	if want := (Line{"ssh", "-i", "/root/.ssh/back up", "-o", "UserKnownHostsFile=/x"}); !slices.Equal(box.SSH, want) {
		t.Errorf("ssh %q", box.SSH)
	}
	if !slices.Equal(etc.Exclude, []string{"*.bak"}) || !slices.Equal(etc.Stores, []string{"usb"}) || etc.Guard.MaxLost != 0.3 || etc.Guard.MaxChanged != 0.8 {
		t.Errorf("etc: %+v", etc)
	}
	if !etc.ExcludeCaches || etc.Snapshot != None || etc.Retries != 3 || etc.WaitNetwork != Span(5*time.Minute) || !etc.Schedule.Never() {
		t.Errorf("etc: %+v", etc)
	}
	if home := c.Job("home"); home.Guard.MaxLost != 0.3 || !slices.Equal(home.Exclude, []string{"*.tmp", "!keep.tmp"}) {
		t.Errorf("home: %+v", home)
	}
}

func TestTheNearestPolicyCounts(t *testing.T) {
	c := parse(t, everything)
	home, etc := c.Job("home"), c.Job("etc")
	for _, one := range []struct {
		job   *Job
		store string
		want  retention.Policy
	}{
		{home, "box", retention.Policy{Yearly: retention.Unlimited}},
		{home, "usb", retention.Policy{Last: 1}},
		{etc, "third", retention.Policy{Daily: 2}},
		{etc, "box", retention.Policy{}},
	} {
		if got := c.Policy(one.job, c.Store(one.store)); !cmp.Equal(got, one.want) {
			t.Errorf("%s in %s: %+v", one.job.Name, one.store, got)
		}
	}
	if got := c.Policy(etc, c.Store("usb")).Tags; !cmp.Equal(got, [][]string{{"keep"}, {"a", "b"}}) {
		t.Errorf("tags %q", got)
	}
}

func TestStoresAndJobsKeepTheOrderOfTheFile(t *testing.T) {
	c := parse(t, "[job.z]\nsources=[\"/z\"]\nstores=[\"b\"]\n[store.b]\nplace=\"/b\"\n[job.a]\nsources=[\"/a\"]\nstores=[\"b\"]\n[store.a]\nplace=\"/a\"\n")
	if c.Jobs[0].Name != "z" || c.Jobs[1].Name != "a" || c.Stores[0].Name != "b" || c.Stores[1].Name != "a" {
		t.Errorf("%v %v", c.Jobs, c.Stores)
	}
	if c.Job("b") != nil || c.Store("z") != nil {
		t.Error("what is not there was found")
	}
}

func TestNoticesAreForTroubleUnlessTheySayOtherwise(t *testing.T) {
	c := parse(t, everything)
	for _, n := range c.Notices {
		count := map[string]int{"mail": 1, "hook": 5, "ntfy": 5, "ping": 7, "run": 5, "prom": 7, "log": 7}[n.Name]
		if len(n.On) != count {
			t.Errorf("%s is sent for %q", n.Name, n.On)
		}
	}
	if run := c.Notices[4].Run; run.User != "nobody" || run.Timeout != programTimeout || !slices.Equal(run.Run.Args(), []string{"/bin/sh", "-c", "wall"}) {
		t.Errorf("%+v", run)
	}
}

func TestAnEmptyTextTurnsOffADefaultHook(t *testing.T) {
	c := parse(t, "[defaults.job.hook]\nfailed = \"mail\"\n[store.a]\nplace=\"/a\"\n[job.a]\nsources=[\"/s\"]\nstores=[\"a\"]\nhook.failed = []\n")
	if !c.Job("a").Hook.Failed.IsZero() {
		t.Errorf("%+v", c.Job("a").Hook)
	}
}

func TestPlacesAreAskedAbout(t *testing.T) {
	text := "[store.a]\nplace = \"host:x\"\n[job.a]\nsources = [\"/s\", \"other:/y\"]\nstores = [\"a\"]\n"
	var asked []string
	o := Options{
		Place:   func(text string) error { asked = append(asked, text); return nil },
		Sources: func(texts []string) error { return errors.New("on two machines") },
	}
	_, err := Parse("f", []byte(text), o)
	var faults Faults
	if !errors.As(err, &faults) || len(faults.Found) != 1 || faults.Found[0].Line != 4 || faults.Found[0].Message != "on two machines" {
		t.Errorf("%v", err)
	}
	if !slices.Equal(asked, []string{"host:x", "other:/y"}) {
		t.Errorf("asked about %q", asked)
	}
}
