package units

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// varieties are units of all sorts.
func varieties() []Unit {
	words := []string{"/bin/true", "run", "--config", "/etc/my varve/100%$x\".toml", "--quiet", "job"}
	list := []Unit{
		{Job: "vault", Sources: []string{"/home", "/etc"}, Writable: []string{"/mnt/usb/varve", "/srv/a b%"}, Far: true, Delay: time.Minute},
		{Job: "tree", Sources: []string{"/"}, Writable: []string{"/mnt/usb/varve"}, Tree: true},
		{Job: "hooks", Sources: []string{"/home"}, Commands: true, Network: true},
		{Job: "btrfs", Sources: []string{"/home"}, Writable: []string{"/mnt/x"}, Freeze: true},
		{Job: "everything", Sources: []string{"/"}, Writable: []string{"/mnt/x"}, Freeze: true, Devices: true, Commands: true, Tree: true, Far: true},
		{Job: "mine", User: true, Sources: []string{"/home/me"}, Far: true},
		{Job: "mount", Sources: []string{"/home"}, Writable: []string{"/mnt/x", "/mnt/y"}, Mounted: []string{"/mnt/x", "/boot"}, Freeze: true},
		{Job: "kept", Sources: []string{"/tmp/x"}, State: "/root/.local/state/varve", Cache: "/big/cache 100%"},
	}
	for i := range list {
		list[i].Words, list[i].Calendar = words, []string{"Mon..Fri *-*-* 20:00:00", "*-*-01 02:30:00"}
	}
	return list
}

func analyze(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func TestSystemdIsContentWithUnits(t *testing.T) {
	analyze(t)
	dir := t.TempDir()
	written, _, err := Install(dir, "", slices.DeleteFunc(varieties(), func(u Unit) bool { return u.User }))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"verify", "--man=no"}
	u := varieties()[0]
	u.Config = ConfigName("/etc/varve/other one.toml", "0123456789abcdef")
	others, _, err := Install(dir, u.Config, []Unit{u})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(written, others...) {
		args = append(args, filepath.Join(dir, name))
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestServicesAreExposedNoMoreThanOK(t *testing.T) {
	analyze(t)
	for _, u := range varieties() {
		if u.User {
			continue
		}
		text, err := u.RenderService()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), u.Service())
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		most := "50" // of 100: what systemd calls OK
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+most, path).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Log(u.Job, lines[len(lines)-1])
		if err != nil {
			t.Errorf("%s: %v: %s", u.Job, err, lines[len(lines)-1])
		}
	}
}

func TestNothingThatIsSavedIsHiddenFromAService(t *testing.T) {
	for _, sources := range [][]string{{"/"}, {"/tmp/x"}, {"/var"}, {"/home", "/var/tmp"}} {
		u := Unit{Job: "x", Words: []string{"/bin/true"}, Sources: sources}
		text, err := u.RenderService()
		if err != nil || strings.Contains(text, "PrivateTmp") {
			t.Errorf("%q: %v\n%s", sources, err, text)
		}
	}
	for _, u := range varieties() {
		text, err := u.RenderService()
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"ProtectHome", "PrivateDevices", "PrivateUsers", "InaccessiblePaths", "TemporaryFileSystem"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: has %s", u.Job, bad)
			}
		}
	}
	u := Unit{Job: "x", Words: []string{"/bin/true"}, Sources: []string{"/home", "/temporary"}}
	if text, _ := u.RenderService(); !strings.Contains(text, "PrivateTmp=yes") || !strings.Contains(text, "ProtectSystem=strict") {
		t.Errorf("a harmless job is restricted too little:\n%s", text)
	}
}

func service(t *testing.T, u Unit) string {
	t.Helper()
	u.Job, u.Words = "x", []string{"/bin/true"}
	text, err := u.RenderService()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRestrictingAServiceMakesNoMountPointThatAJobWants(t *testing.T) {
	text := service(t, Unit{Writable: []string{"/mnt/usb", "/mnt/box/varve"}, Mounted: []string{"/mnt/usb", "/mnt/box"}})
	if !strings.Contains(text, "ReadWritePaths=-/mnt -/mnt/box/varve\n") {
		t.Errorf("%s", text)
	}
	if text := service(t, Unit{Writable: []string{"/backup/"}, Mounted: []string{"/backup"}}); strings.Contains(text, "ReadWritePaths") ||
		!strings.Contains(text, "ProtectSystem=full\n") {
		t.Errorf("%s", text)
	}
	if text := service(t, Unit{Commands: true, Mounted: []string{"/boot"}}); strings.Contains(text, "ProtectSystem") {
		t.Errorf("%s", text)
	}
	if text := service(t, Unit{Mounted: []string{"/tmp"}}); strings.Contains(text, "PrivateTmp") {
		t.Errorf("%s", text)
	}
}

func TestAServiceRemembersWhereItIsToldTo(t *testing.T) {
	text := service(t, Unit{})
	for _, want := range []string{"Environment=VARVE_STATE_DIR=/var/lib/varve\n", "StateDirectory=varve\n", "Environment=VARVE_CACHE_DIR=/var/cache/varve\n", "CacheDirectory=varve\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	text = service(t, Unit{State: "/root/.local/state/varve", Cache: "/my cache"})
	for _, want := range []string{"Environment=VARVE_STATE_DIR=/root/.local/state/varve\n", "Environment=\"VARVE_CACHE_DIR=/my cache\"\n",
		"ReadWritePaths=\"-/my cache\" -/root/.local/state/varve\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := service(t, Unit{User: true}); strings.Contains(text, "Environment") || strings.Contains(text, "Directory") {
		t.Errorf("a user's:\n%s", text)
	}
}

func TestACommandOfAJobMayDoWhatCommandsDo(t *testing.T) {
	if text := service(t, Unit{User: true, Commands: true}); strings.Contains(text, "NoNewPrivileges") || strings.Contains(text, "SystemCall") {
		t.Errorf("set-ID programs are forbidden:\n%s", text)
	}
	for _, u := range []Unit{{Commands: true}, {Devices: true}} { // the clock's device alone would be allowed
		if text := service(t, u); strings.Contains(text, "ProtectClock") || strings.Contains(text, "Device") {
			t.Errorf("devices are forbidden:\n%s", text)
		}
	}
	if text := service(t, Unit{Sources: []string{"/tmp/x"}}); !strings.Contains(text, "ReadWritePaths=-/tmp -/var/tmp\n") {
		t.Errorf("there is no room for a drill:\n%s", text)
	}
}

func TestATimerMakesUpForWhatWasMissed(t *testing.T) {
	u := varieties()[0]
	text, err := u.RenderTimer()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"OnCalendar=Mon..Fri *-*-* 20:00:00\nOnCalendar=*-*-01 02:30:00\n", "Persistent=true\n", "RandomizedDelaySec=60\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	u.Calendar = nil
	if _, err := u.RenderTimer(); err == nil {
		t.Error("a timer without times")
	}
}

func TestWordsReachSystemdAsTheyAre(t *testing.T) {
	if got, want := command([]string{"/a$b", "/a b", `c"d\e`, "50%", "$HOME", ""}), `"/a$b" "/a b" "c\"d\\e" "50%%" "$$HOME" ""`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestUnitsThatMakeNoSenseAreRefused(t *testing.T) {
	good := varieties()[0]
	for name, spoil := range map[string]func(*Unit){
		"no name":       func(u *Unit) { u.Job = "" },
		"path":          func(u *Unit) { u.Job = "../x" },
		"instance":      func(u *Unit) { u.Job = "x@y" },
		"no command":    func(u *Unit) { u.Words = nil },
		"relative":      func(u *Unit) { u.Words = []string{"varve"} },
		"quote":         func(u *Unit) { u.Words = []string{`/opt/a"b/varve`} },
		"backslash":     func(u *Unit) { u.Words = []string{`/opt/a\b/varve`} },
		"not UTF-8":     func(u *Unit) { u.Words = []string{"/opt/\xff/varve"} },
		"newline":       func(u *Unit) { u.Words = []string{"/bin/true", "a\nExecStartPost=/bin/false"} },
		"calendar":      func(u *Unit) { u.Calendar = []string{"daily\n[Service]"} },
		"writable":      func(u *Unit) { u.Writable = []string{"x"} },
		"writable line": func(u *Unit) { u.Writable = []string{"/x\ny"} },
		"configuration": func(u *Unit) { u.Config = "a.b-0123abcd" },
	} {
		u := good
		spoil(&u)
		if _, _, err := Install(t.TempDir(), u.Config, []Unit{u}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, _, err := Install(t.TempDir(), "", []Unit{good, good}); err == nil {
		t.Error("two of one name were taken")
	}
}

func TestInstallTouchesOurUnitsOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when", "needed")
	all := varieties()
	if _, _, err := Install(dir, "", all[:2]); err != nil {
		t.Fatal(err)
	}
	foreign := map[string]string{"varve-own.service": "[Service]\n", "varve-x.conf": firstLine + "\n", "other.service": firstLine + "\n"}
	for name, text := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, removed, err := Install(dir, "", all[1:3])
	if err != nil || fmt.Sprint(written) != "[varve-hooks.service varve-hooks.timer]" || fmt.Sprint(removed) != "[varve-vault.service varve-vault.timer]" {
		t.Errorf("written %q, removed %q: %v", written, removed, err)
	}
	u := all[0]
	u.Job = "own"
	if _, _, err := Install(dir, "", []Unit{u}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a foreign unit: %v", err)
	}
	_, names, err := Install(dir, "", nil)
	if err != nil || len(names) != 4 {
		t.Errorf("removed %q: %v", names, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(foreign) {
		t.Errorf("%v, %v", entries, err)
	}
	if _, names, err := Install(filepath.Join(dir, "none"), "", nil); err != nil || names != nil {
		t.Errorf("no directory: %q, %v", names, err)
	}
}

func TestUnitsOfTwoConfigurationFilesLeaveEachOtherAlone(t *testing.T) {
	dir := t.TempDir()
	other := ConfigName("/etc/varve/other.toml", "0123456789abcdef")
	usual, second := varieties()[:2], varieties()[:2]
	for i := range second {
		second[i].Config = other
	}
	for config, all := range map[string][]Unit{"": usual, other: second} {
		if written, _, err := Install(dir, config, all); err != nil || len(written) != 4 {
			t.Fatalf("%q: written %q: %v", config, written, err)
		}
	}
	if _, _, err := Install(dir, "", second); err == nil {
		t.Error("units were installed for another file than theirs")
	}
	if configs, err := (Systemd{Dir: dir}).Configs(); err != nil || !slices.Equal(configs, []string{"", other}) {
		t.Errorf("there are %q: %v", configs, err)
	}
	_, removed, err := Install(dir, other, second[1:])
	if want := []string{"varve-other-01234567.vault.service", "varve-other-01234567.vault.timer"}; err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %q: %v", removed, err)
	}
	if _, removed, err := Install(dir, "", nil); err != nil || !slices.Equal(removed, []string{"varve-tree.service", "varve-tree.timer", "varve-vault.service", "varve-vault.timer"}) {
		t.Errorf("removed %q: %v", removed, err)
	}
}

func TestTheNameOfAConfigurationFileIsFitForUnitsAndCrontabs(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/varve/other.toml": "other-01234567",
		"/x/a b\n%é.d.conf":     "a_b____d_conf-01234567",
		"/x/.toml":              "-01234567",
		"/x/" + strings.Repeat("long", 50) + ".toml": strings.Repeat("long", 8) + "-01234567",
	} {
		if got := ConfigName(path, "0123456789abcdef"); got != want || !isConfig(got) {
			t.Errorf("%q is called %q, want %q", path, got, want)
		}
	}
	for _, bad := range []string{"", "backup", "a.b-01234567", "a b-01234567", "a-0123456", "a-0123456X", strings.Repeat("x", 33) + "-01234567"} {
		if isConfig(bad) {
			t.Errorf("%q is taken for a name", bad)
		}
	}
}
