package config

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// write makes a file with these permission bits.
func write(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "varve.toml")
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileIsLoadedUnlessOthersMayWriteToIt(t *testing.T) {
	c, err := Load(write(t, sound, 0o644), Options{})
	if err != nil || len(c.Stores) != 1 || len(c.Jobs) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, mode := range []fs.FileMode{0o646, 0o664} {
		if c, err := Load(write(t, sound, mode), Options{}); err == nil || !strings.Contains(err.Error(), "chmod go-w /") {
			t.Errorf("%o: %+v, %v", mode, c, err)
		}
	}
}

func TestAFileThatIsMissingOrNoFileOrTooLongIsRefused(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Load(t.TempDir(), Options{}); err == nil {
		t.Error("a directory was read")
	}
	if _, err := Load(write(t, sound+strings.Repeat("#\n", maxFile/2), 0o600), Options{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too long: %v", err)
	}
}

func TestFaultsNameTheFileThatWasLoaded(t *testing.T) {
	path := write(t, "x = 1\n", 0o600)
	_, err := Load(path, Options{})
	var faults Faults
	if !errors.As(err, &faults) || !strings.HasPrefix(err.Error(), path+":1:1: ") {
		t.Errorf("%v", err)
	}
}

func TestTheFileOfRootAndThoseOfUsersAreElsewhere(t *testing.T) {
	for _, c := range []struct {
		root      bool
		xdg, home string
		want      string
	}{
		{true, "/x", "/root", "/etc/varve/varve.toml"},
		{false, "/x", "/home/u", "/x/varve/varve.toml"},
		{false, "", "/home/u", "/home/u/.config/varve/varve.toml"},
		{false, "relative", "/home/u", "/home/u/.config/varve/varve.toml"},
		{false, "", "", ""},
	} {
		env := map[string]string{"XDG_CONFIG_HOME": c.xdg, "HOME": c.home}
		got, err := Path(c.root, func(name string) string { return env[name] })
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
}

func TestTheFirstFileIsUnderstood(t *testing.T) {
	for _, o := range []FirstOptions{
		{Store: "/mnt/backup", Sources: []string{"/home", "/etc"}},
		{Store: "/mnt/backup", Sources: []string{"/home"}, Kind: Vault},
		{Store: "box:varve", Sources: []string{"/ho\"me\\x\n\x7f\u0001ä"}, Kind: Vault, PassphraseFile: "/etc/varve/SOURCES \"KIND\""},
		{Store: "/mnt/PLACE", Sources: []string{"/"}, DayNames: true, Mail: "root", Syslog: true},
		{Store: "box:varve", Sources: []string{"web:/etc"}, Kind: Vault, PassphraseCommand: "pass show \"REACH\" | head -1", StoreSSH: []string{"ssh", "-p", "2 2"},
			JobSSH: []string{"ssh", "-i", "/k"}, Connections: 7, Syslog: true},
		{Store: "/v", Sources: []string{"/home"}, Kind: Vault, Open: true, Mail: "not, an address"},
	} {
		text, err := First(o)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse("first", text, Options{})
		if err != nil {
			t.Fatalf("%s\n%s", err, text)
		}
		store, job := c.Store("main"), c.Job("files")
		kind := o.Kind
		if kind == "" {
			kind = Tree
		}
		if !slices.Equal(store.SSH, o.StoreSSH) || !slices.Equal(job.SSH, o.JobSSH) || store.DayNames != o.DayNames ||
			job.OneFileSystem != slices.Contains(o.Sources, "/") || o.Connections > 0 && store.Connections != o.Connections {
			t.Errorf("%+v became %+v, %+v", o, store, job)
		}
		if store.Place != o.Store || store.Kind != kind || store.PassphraseFile != o.PassphraseFile || !cmp.Equal(job.Sources, o.Sources) ||
			store.PassphraseCommand.Shell != o.PassphraseCommand {
			t.Errorf("%+v became %+v, %+v", o, store, job)
		}
		if job.Schedule.Never() || c.Policy(job, store).Empty() || store.Drill.Every == 0 {
			t.Errorf("the job never runs, nothing goes, or nothing is rehearsed:\n%s", text)
		}
		told := map[string]int{"root": 1, "": 0, "not, an address": 0}[o.Mail]
		if o.Mail != "root" && o.Syslog {
			told++
		}
		if len(c.Notices) != told {
			t.Errorf("%d notices:\n%s", len(c.Notices), text)
		}
		// What is commented out is right, too.
		if _, err := Parse("first", uncommented(text), Options{}); err != nil {
			t.Errorf("%s\n%s", err, uncommented(text))
		}
		if fault := breachOf(t, string(text)); fault != "" {
			t.Error(fault)
		}
	}
}

// uncommented makes keys and tables of the lines that are commented out.
func uncommented(text []byte) []byte {
	var lines []string
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "# ")
		if ok && (strings.HasPrefix(rest, "[") || strings.Contains(rest, " = ")) && !strings.HasPrefix(rest, "passphrase-file") {
			line = rest
		}
		lines = append(lines, line)
	}
	return []byte(strings.Join(lines, ""))
}

func TestTablesForAFileThatIsThereHaveFreeNames(t *testing.T) {
	o := FirstOptions{Store: "/a", Sources: []string{"/x"}}
	first, err := First(o)
	for n := 2; n < 5 && err == nil; n++ {
		if o.Other, err = Parse("first", first, Options{}); err != nil {
			break
		}
		o.Store += "a"
		var more []byte
		if more, err = FirstTables(o); err == nil && bytes.Contains(more, []byte("notice")) {
			t.Errorf("more than a store and a job:\n%s", more)
		}
		first = append(first, more...)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("first", first, Options{})
	if err != nil || len(c.Stores) != 4 || c.Job("files4") == nil || c.Job("files4").Stores[0] != "main4" {
		t.Errorf("%v\n%s", err, first)
	}
}

func TestAFirstFileNeedsAStoreAndSourcesThatCanBeWritten(t *testing.T) {
	for _, o := range []FirstOptions{{}, {Store: "/a"}, {Sources: []string{"/a"}}, {Store: "/a", Sources: []string{"/\xff"}}} {
		if text, err := First(o); err == nil {
			t.Errorf("%+v: got\n%s", o, text)
		}
	}
}

func TestValuesAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, again := Size(rapid.Int64Range(1, 1<<62).Draw(t, "size")>>rapid.IntRange(0, 61).Draw(t, "smaller")+1), Size(0)
		if text, _ := size.MarshalText(); again.UnmarshalText(text) != nil || again != size {
			t.Errorf("%d was written %s and read as %d", size, text, again)
		}
		share, back := Percent(rapid.IntRange(0, 1000).Draw(t, "per mille"))/1000, Percent(0)
		if text, _ := share.MarshalText(); back.UnmarshalText(text) != nil || math.Abs(float64(back-share)) > 1e-9 || len(text) > 5 {
			t.Errorf("%v was written %s and read as %v", share, text, back)
		}
	})
	for text, want := range map[string]Room{"10%": {Share: 0.1}, "5G": {Bytes: 5 << 30}, "0%": {}} {
		var room Room
		if err := room.UnmarshalText([]byte(text)); err != nil || room != want {
			t.Errorf("%s: got %+v, %v", text, room, err)
		}
		if again, err := room.MarshalText(); err != nil || string(again) != text {
			t.Errorf("%s became %s, %v", text, again, err)
		}
	}
	if (Room{Share: 0.1}).Of(1000) != 100 || (Room{Bytes: 7}).Of(1000) != 7 || (Room{}).Of(1000) != 0 {
		t.Error("room on a disk of 1000 bytes is wrong")
	}
	for _, text := range []string{"", "%", "1e1%", "+5%", "0x1p3%", "Inf%", "-1%", "100.1%", "5", "5 %", "1.1.1%", "."} {
		var share Percent
		if err := share.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, share)
		}
	}
	for _, text := range []string{"", "0", "K", "1.5G", "-1", "+1", "1GB", "1 G", "8388608T", "1_000", "9223372036854775808"} {
		var size Size
		if err := size.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, size)
		}
	}
}

// FuzzParse holds what the parser takes against the schema, and looks that faults can be shown.
func FuzzParse(f *testing.F) {
	for _, text := range examples(f) {
		f.Add([]byte(text))
	}
	for _, text := range []string{sound, "[[job.a.command]]\n[[job.a.command]]\n", "a.b.c = [1, {x = 2}]\n", "[a]\n[[a.b]]\n[a.b.c]\n", "x = 0x_1\n",
		"store = [{}]\n", "job.j.sources = [[[]]]\n", "store.s.keep = { tags = [1], last = inf }\n", "\ufeff", "job.\"\" = {}\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data, Options{Home: "/home/u"})
		var faults Faults
		switch {
		case err == nil:
			if fault := breachOf(t, strings.TrimPrefix(string(data), "\ufeff")); fault != "" {
				t.Errorf("it is right, but the schema refuses it: %s", fault)
			}
			for _, j := range c.Jobs {
				if len(j.Stores) == 0 || len(j.Sources)+len(j.Commands) == 0 {
					t.Errorf("nothing to do: %+v", j)
				}
			}
		case errors.As(err, &faults):
			for _, fault := range faults.Found {
				if fault.Line < 1 || fault.Column < 1 || fault.Length < 1 || fault.Mark < 0 || len([]rune(fault.Text)) > 200 {
					t.Errorf("%+v", fault)
				}
			}
			_ = faults.Error()
		}
	})
}
