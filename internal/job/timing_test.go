package job

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/config"
	"varve/internal/schedule"
	"varve/internal/units"
)

var starter = Starter{Program: "/usr/bin/varve", Config: "/etc/varve/varve.toml", State: "/var/lib/varve", Host: "here"}

// timed returns a configuration with one job that has a schedule, one store, and more of both.
func timed(t *testing.T, schedule, job, store, more string) *config.Config {
	t.Helper()
	text := fmt.Sprintf("[store.s]\nplace = \"/srv/s\"\nkind = \"vault\"\nkey-file = \"/etc/key\"\n%s\n[job.a]\nstores = [\"s\"]\nschedule = %q\n%s\n%s",
		store, schedule, job, more)
	if !strings.Contains(job, "sources") && !strings.Contains(job, "[[") {
		text = strings.Replace(text, "[job.a]\n", "[job.a]\nsources = [\"/home\"]\n", 1)
	}
	c, err := config.Parse("test.toml", []byte(text), config.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func TestSystemdAndCronAskAtTheTimesOfAScheduleAndInBetween(t *testing.T) {
	for _, c := range []struct {
		schedule string
		systemd  string
		cron     string
	}{
		{"daily 02:00", "*-*-* *:00:00; *-*-* 02:00:00", "0 2 * * *; 26 * * * *"},
		{"monthly last 04:30", "*-*-* *:00:00; *-*~01 04:30:00", "26 * * * *"},
		{"hourly", "*-*-* *:00:00", "0 * * * *; 26 * * * *"},
		{"Mon..Fri 20:00; Sat 10:00", "*-*-* *:00:00; Mon..Fri *-*-* 20:00:00; Sat *-*-* 10:00:00", "0 10 * * 6; 0 20 * * 1,2,3,4,5; 26 * * * *"},
		{"every 3d", "*-*-* *:00:00", "26 * * * *"},
		{"every 6h", "*-*-* *:0/30:00", "26,56 * * * *"},
		{"every 6h; daily 02:00", "*-*-* *:0/30:00", "26,56 * * * *"},
		{"every 2h", "*-*-* *:0/15:00", "11,26,41,56 * * * *"},
		{"every 45m", "*-*-* *:0/5:00", "1,6,11,16,21,26,31,36,41,46,51,56 * * * *"},
		{"every 1m", "*-*-* *:0/1:00", "* * * * *"},
		{"never", "", ""},
	} {
		conf := timed(t, c.schedule, "", "", "")
		all, err := starter.Units(conf)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, u := range all {
			lines = append(lines, u.Calendar...)
			if got := strings.Join(u.Words, " "); got != "/usr/bin/varve run --due --config /etc/varve/varve.toml a" {
				t.Errorf("%s: runs %s", c.schedule, got)
			}
			if u.Delay*10 > time.Hour {
				t.Errorf("%s: delayed by up to %s", c.schedule, u.Delay)
			}
		}
		if got := strings.Join(lines, "; "); got != c.systemd {
			t.Errorf("%s: systemd: %s, want %s", c.schedule, got, c.systemd)
		}
		lines = nil
		for _, j := range starter.Cron(conf) {
			lines = append(lines, j.Fields...)
		}
		if got := strings.Join(lines, "; "); got != c.cron {
			t.Errorf("%s: cron: %s, want %s", c.schedule, got, c.cron)
		}
	}
}

func TestASpanIsAskedForOftenEnough(t *testing.T) {
	for _, span := range []string{"1m", "5m", "39m", "40m", "1h", "2h", "3h59m", "4h", "8h", "1d", "30d"} {
		s, err := schedule.Parse("every " + span)
		if err != nil {
			t.Fatal(err)
		}
		if often := askEvery(s); often > time.Minute && often > s.Every()/8 || time.Hour%often != 0 {
			t.Errorf("every %s: asks every %s", span, often)
		}
	}
}

func TestAUnitMayDoWhatItsJobNeedsAndNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		job, store, more string
		want             func(u *units.Unit)
	}{
		"plain": {want: func(*units.Unit) {}},
		"far source": {job: `sources = ["u@h:/x"]`, want: func(u *units.Unit) {
			u.Sources, u.Far = slices.DeleteFunc(u.Sources, func(p string) bool { return p == "/home" }), true
		}},
		"hook":       {job: `hook = { finally = "x" }`, want: func(u *units.Unit) { u.Commands = true }},
		"snapshot":   {job: `snapshot = "btrfs"`, want: func(u *units.Unit) { u.Freeze = true }},
		"LVM":        {job: `snapshot = "lvm"`, want: func(u *units.Unit) { u.Freeze, u.Devices = true, true }},
		"guard":      {job: `guard = { mounted = ["/home"], marker = ["/home/here"] }`, want: func(u *units.Unit) { u.Mounted = []string{"/home"}; u.Sources = append(u.Sources, "/home/here") }},
		"its mount":  {store: `mounted = "/srv"`, want: func(u *units.Unit) { u.Mounted = []string{"/srv"} }},
		"other jobs": {more: "[store.t]\nplace = \"x@y:z\"\n[job.b]\nsources = [\"/x\"]\nstores = [\"t\"]\nhook = { before = \"x\" }", want: func(*units.Unit) {}},
		"sendmail":   {more: "[notice.n]\nkind = \"mail\"\nto = [\"root\"]\njobs = [\"a\"]", want: func(u *units.Unit) { u.Commands = true }},
		"SMTP":       {more: "[notice.n]\nkind = \"mail\"\nto = [\"root@x\"]\nsmtp = \"h:25\"\n", want: func(u *units.Unit) { u.Network = true }},
		"a web page": {more: "[notice.n]\nkind = \"ping\"\nurl-file = \"/etc/url\"\n", want: func(u *units.Unit) { u.Network = true; u.Sources = append(u.Sources, "/etc/url") }},
		"figures":    {more: "[notice.n]\nkind = \"prometheus\"\npath = \"/var/lib/x/varve.prom\"\n", want: func(u *units.Unit) { u.Writable = append(u.Writable, "/var/lib/x") }},
	} {
		all, err := starter.Units(timed(t, "daily", c.job, c.store, c.more))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v, %v", name, all, err)
		}
		want := units.Unit{Sources: []string{"/etc/varve/varve.toml", "/home", "/etc/key"}, Writable: []string{"/srv/s"}}
		c.want(&want)
		got := &all[0]
		slices.Sort(got.Sources)
		slices.Sort(want.Sources)
		if fmt.Sprint(got.Sources, got.Writable, got.Mounted, got.Tree, got.Far, got.Network, got.Commands, got.Freeze, got.Devices) !=
			fmt.Sprint(want.Sources, want.Writable, want.Mounted, want.Tree, want.Far, want.Network, want.Commands, want.Freeze, want.Devices) {
			t.Errorf("%s: %+v, want %+v", name, *got, want)
		}
	}
}

func TestCronRunsOneCommandForAllJobs(t *testing.T) {
	s := starter
	s.As, s.Cache = "root", "/big/cache"
	c := timed(t, "daily 02:00", "", "", "[job.b]\nsources = [\"/x\"]\nstores = [\"s\"]\nschedule = \"daily 02:00\"\n")
	all := s.Cron(c)
	if len(all) != 1 || len(all[0].Fields) != 2 || strings.Join(all[0].Words, " ") != "/usr/bin/varve run --due --config /etc/varve/varve.toml --cron" ||
		strings.Join(all[0].Env, " ") != "VARVE_STATE_DIR=/var/lib/varve VARVE_CACHE_DIR=/big/cache" || all[0].As != "root" {
		t.Errorf("%+v", all)
	}
	other := s
	other.Host = "elsewhere"
	if fmt.Sprint(other.Cron(c)) == fmt.Sprint(all) {
		t.Error("all machines ask in the same minute")
	}
}
