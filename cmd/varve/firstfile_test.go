package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/internal/config"
	"varve/internal/location"
)

// firstAt makes a store and a first configuration with an app, and returns what is in that and what was printed.
func firstAt(t *testing.T, a *app, errs *buffer, code int, args ...string) (text, told string) {
	t.Helper()
	dir, store := source(t)
	path := filepath.Join(t.TempDir(), "sub", "varve.toml")
	if got := run(t.Context(), a, append([]string{"init", store, dir, "--config", path}, args...)); got != code {
		t.Fatalf("exit code %d, want %d: %s", got, code, errs)
	}
	data, err := os.ReadFile(path)
	if err != nil && code == exitGood {
		t.Fatal(err)
	}
	return string(data), errs.String()
}

func TestWhoHearsOfTroubleDependsOnTheMachine(t *testing.T) {
	for name, c := range map[string]struct {
		o    config.FirstOptions
		told bool
	}{
		"mail": {config.FirstOptions{Mail: "root"}, false}, "log": {config.FirstOptions{Syslog: true}, false}, "nobody": {config.FirstOptions{}, true},
	} {
		a, _, errs := testApp()
		f := &firstFile{app: a, path: "/etc/varve/varve.toml", options: c.o}
		if err := f.advise(t.Context()); err != nil || strings.Contains(errs.String(), "nobody will hear of trouble") != c.told {
			t.Errorf("%s: %v, %q", name, err, errs)
		}
	}
	for root, want := range map[bool]string{true: `to = ["root"]`, false: `to = ["u"]`} {
		a, _, errs := testApp()
		a.root, a.sendmail = root, "/bin/true"
		a.env = func(name string) string { return map[string]string{"USER": "u"}[name] }
		if text, _ := firstAt(t, a, errs, exitGood); !strings.Contains(text, want) {
			t.Errorf("root %v: %s", root, text)
		}
	}
	a, _, errs := testApp()
	a.syslog = "/dev/log"
	a.sendmail = "/bin/true" // but nobody knows who the user is
	if text, _ := firstAt(t, a, errs, exitGood); !strings.Contains(text, "[notice.log]") || strings.Contains(text, "\n[notice.mail]") {
		t.Errorf("%s", text)
	}
}

func TestHowOtherMachinesAreReachedGoesIntoTheConfiguration(t *testing.T) {
	options := func(store string, sources ...string) config.FirstOptions {
		a, _, _ := testApp()
		a.store, a.reach.words, a.reach.connections = store, []string{"ssh", "-p", "22"}, 2
		o, err := (&newStore{app: a, kind: location.Tree, vault: &newVault{app: a}}).firstOptions(sources)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	dir, store := source(t)
	if o := options("u@box:backup", dir); len(o.StoreSSH) != 3 || o.Connections != 2 || o.JobSSH != nil || o.Store != "u@box:backup" || o.Sources[0] != dir {
		t.Errorf("%+v", o)
	}
	if o := options(store, "root@web:/etc/", "root@web:/srv"); o.StoreSSH != nil || o.Connections != 0 || len(o.JobSSH) != 3 || o.Sources[0] != "root@web:/etc" {
		t.Errorf("%+v", o)
	}
}

func TestATypedPassphraseIsNotWrittenDownAndThatIsSaid(t *testing.T) {
	a, _, errs := testApp()
	a.sendmail, a.root = "/bin/true", true
	a.tty = newPerson(t, "correct horse\r", "correct horse\r").open
	text, told := firstAt(t, a, errs, exitGood, "--kind", "vault")
	if strings.Contains(text, "horse") || !strings.Contains(text, "# passphrase-file = ") || !strings.Contains(told, "warning: nothing opens the vault when nobody") {
		t.Errorf("%s\n%s", text, told)
	}
}

func TestAStoreThatCouldNotBeMadeLeavesNoConfiguration(t *testing.T) {
	a, _, errs := testApp()
	a.tty = newPerson(t, "one\r", "two\r").open
	if text, _ := firstAt(t, a, errs, exitWrongKey, "--kind", "vault"); text != "" {
		t.Error(text)
	}
}

func TestAConfigurationThatAppearsMeanwhileIsNotReplaced(t *testing.T) {
	a, out, errs := testApp()
	a.sendmail, a.root = "/bin/true", true
	dir, store := source(t)
	path := filepath.Join(t.TempDir(), "varve.toml")
	a.store = store
	n := &newStore{app: a, kind: location.Tree, vault: &newVault{app: a}}
	o, err := n.firstOptions([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	f := &firstFile{app: a, path: path, options: o, text: []byte("ours")}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("# theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = f.publish(t.Context())
	if text, _ := os.ReadFile(path); err == nil || !strings.Contains(err.Error(), "the store was made") || string(text) != "# theirs" {
		t.Errorf("%v, %q, %s", err, text, errs)
	}
	if err := a.out.Flush(); err != nil || !strings.Contains(out.String(), "[store.main]") {
		t.Errorf("%v, it printed %q", err, out)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
