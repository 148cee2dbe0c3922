package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// sound is the beginning of files in which something else is wrong: line 1 is a store, line 2 a job.
const sound = `store.s = { place = "/s" }
job.j = { sources = ["/x"], stores = ["s"] }
`

// faultsIn returns what is wrong with a file.
func faultsIn(t testing.TB, text string) []Fault {
	t.Helper()
	return everyFaultIn(t, text).Found
}

// everyFaultIn returns also how many there are besides.
func everyFaultIn(t testing.TB, text string) Faults {
	t.Helper()
	c, err := Parse("f", []byte(text), Options{})
	var faults Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatal(err)
	}
	if (c == nil) == (err == nil) || err != nil && len(faults.Found) == 0 {
		t.Fatalf("%v and the error %v", c, err)
	}
	return faults
}

func TestEveryMistakeIsFoundWhereItIs(t *testing.T) {
	for _, c := range []struct{ text, at, message string }{
		{"x = 1\n", "3:1", `unknown key "x"`},
		{"jobs = {}\n", "3:1", `unknown key "jobs": did you mean job?`},
		{"[store.a]\nplace = \"/a\"\nkepp = {}\n", "5:1", "did you mean keep?"},
		{"[store.a]\nplace = 5\n", "4:9", "want a text, got a number"},
		{"[store.a]\n", "3:8", "place is missing"},
		{"[store.a]\nplace = \"a/b\"\n", "4:9", `"a/b" is not an absolute path`},
		{"[store.a]\nplace = \"~/b\"\n", "4:9", "home directory is not known"},
		{"[store.a]\nplace = \"\"\n", "4:9", "not an absolute path"},
		{"[store.a]\nplace = \"/a\\u0000\"\n", "4:9", "NUL"},
		{"[store.a]\nplace = \"/./s\"\n", "4:9", "is the place of the store s, too"},
		{"[store.\"a b\"]\nplace = \"/a\"\n", "3:8", `name "a b": want letters`},
		{"[store.-a]\nplace = \"/a\"\n", "3:8", "want letters"},
		{"store.a = 1\n", "3:11", "want a table, got a number"},
		{"[[store.a]]\nplace = \"/a\"\n", "3:9", "want a table, got a list"},
		{"[store.a]\nplace = \"/a\"\nkind = \"heap\"\n", "5:8", `"heap" is not one of tree, vault`},
		{"[store.a]\nplace = \"/a\"\nkind = \"tree\"\nkey-file = \"/k\"\n", "6:1", "a tree is not encrypted"},
		{"[store.a]\nplace = \"/a\"\nkey-file = \"/k\"\npassphrase-file = \"/p\"\n", "5:1", "only one of"},
		{"[store.a]\nplace = \"/a\"\npassphrase-command = \"\"\n", "5:22", "the command is empty"},
		{"[store.a]\nplace = \"/a\"\npassphrase-file = \"p\"\n", "5:19", "not an absolute path"},
		{"[store.a]\nplace = \"/a\"\nmax-size = \"500X\"\n", "5:12", `size "500X"`},
		{"[store.a]\nplace = \"/a\"\nmax-size = \"9999999999T\"\n", "5:12", "size"},
		{"[store.a]\nplace = \"/a\"\nmax-size = 5\n", "5:12", "want a text, got a number"},
		{"[store.a]\nplace = \"/a\"\nkeep-free = \"101%\"\n", "5:13", "0% to 100%"},
		{"[store.a]\nplace = \"/a\"\nkeep-free = \"5X\"\n", "5:13", "such as 5G"},
		{"[store.a]\nplace = \"/a\"\ndeletions = 0\n", "5:13", "from 1 to"},
		{"[store.a]\nplace = \"/a\"\ndeletions = 99999999999999999\n", "5:13", "from 1 to"},
		{"[store.a]\nplace = \"/a\"\ndeletions = 1.5\n", "5:13", "want a number, got a fraction"},
		{"[store.a]\nplace = \"/a\"\nundo = \"7M\"\n", "5:8", "no months"},
		{"[store.a]\nplace = \"/a\"\nkeep = {}\n", "5:8", "keeps nothing"},
		{"[store.a]\nplace = \"/a\"\nkeep = { last = 0 }\n", "5:8", "keeps nothing"},
		{"[store.a]\nplace = \"/a\"\nkeep = { last = -1 }\n", "5:17", "want a number from 0"},
		{"[store.a]\nplace = \"/a\"\nkeep = { last = \"all\" }\n", "5:17", "unlimited"},
		{"[store.a]\nplace = \"/a\"\nkeep = { within = \"30x\" }\n", "5:19", "the units are"},
		{"[store.a]\nplace = \"/a\"\nkeep = { tags = [\"a,,b\"] }\n", "5:18", "is empty"},
		{"[store.a]\nplace = \"/a\"\nverify = { every = \"3m\" }\n", "5:20", "at least an hour"},
		{"[store.a]\nplace = \"/a\"\nverify = { subset = \"0%\" }\n", "5:21", "reads nothing"},
		{"[store.a]\nplace = \"/a\"\nverify = { subset = \"NaN%\" }\n", "5:21", "share"},
		{"[store.a]\nplace = \"/a\"\ndrill.files = 0\n", "5:15", "from 1 to"},
		{"[store.a]\nplace = \"/a\"\nssh = \"ssh 'x\"\n", "5:7", ""},
		{"[store.a]\nplace = \"/a\"\nssh = []\n", "5:7", "program is empty"},
		{"[store.a]\nplace = \"/a\"\nday-names = \"yes\"\n", "5:13", "want true or false, got a text"},
		{"[job.k]\nstores = [\"s\"]\n", "3:6", "has nothing to back up"},
		{"[job.k]\nsources = []\nstores = [\"s\"]\n", "4:11", "has nothing to back up"},
		{"[job.k]\nsources = [\"/x\"]\n", "3:6", "stores is missing"},
		{"[job.k]\nsources = [\"/x\"]\nstores = []\n", "5:10", "names no store"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\", \"t\"]\n", "5:16", `there is no store "t"`},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\",\n  \"s\"]\n", "6:3", "twice"},
		{"[job.k]\nsources = [\"/x\", \"y\"]\nstores = [\"s\"]\n", "4:18", "not an absolute path"},
		{"[job.k]\nsources = [\"/x\", \"/x/\"]\nstores = [\"s\"]\n", "4:18", "twice"},
		{"[job.k]\nsources = [5]\nstores = [\"s\"]\n", "4:12", "want a text"},
		{"[job.k]\nsources = [[\"/x\"]]\nstores = [\"s\"]\n", "4:11", "want a text, got a list"},
		{"[job.k]\nsources = \"/x\"\nstores = [\"s\"]\n", "4:11", "want a list, got a text"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nschedule = \"dayly 02:00\"\n", "6:12", `"dayly" is not a day`},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nschedule = 02:00:00\n", "6:12", "want a text, got a date"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\noverdue = \"1d\"\n", "6:1", "no meaning without a schedule"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nexclude = [\"a\", \"[a-\"]\n", "6:17", "exclude"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nexclude-from = [\"x\"]\n", "6:17", "not an absolute path"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nexclude-if-present = [\"a/b\"]\n", "6:23", "name"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nexclude-if-present = [\"a:\"]\n", "6:23", "after the colon"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\ntags = [\"a,b\"]\n", "6:9", "comma"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nseries = \"\"\n", "6:10", "is empty"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nhost = \"a\\nb\"\n", "6:8", "printable"},
		{"[job.k]\nsources = [\"h:/x\"]\nstores = [\"s\"]\nsnapshot = \"zfs\"\n", "6:12", "no source is on this machine"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nretries = 101\n", "6:11", "from 0 to 100"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nkeep-in.t = { last = 1 }\n", "6:9", `the job has no store "t"`},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nkeep-in.s = { last = 0 }\n", "6:13", "keeps nothing"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nhook = { before = 5 }\n", "6:19", "want a line for the shell"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nhook = { before = [\"\"] }\n", "6:19", "program is empty"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nhook = { before = { on = \"h\" } }\n", "6:19", "run is missing"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nhook = { before = { run = \"x\", on = \"-oX\" } }\n", "6:37", "is not host or user@host"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nhook = { before = { run = \"x\", on = \"h\", user = \"u\" } }\n", "6:49", "who logs in there"},
		{"[job.k]\nsources = [\"/x\"]\nstores = [\"s\"]\nhook = { before = { run = \"x\", timeout = \"0s\" } }\n", "6:42", "longer than none"},
		{"[[job.k.command]]\nrun = \"x\"\n[job.k]\nstores = [\"s\"]\n", "3:9", "path is missing"},
		{"job.k.stores = [\"s\"]\n[[job.k.command]]\npath = \"x\"\nrun = \"x\"\n", "5:8", "not the absolute path of a file"},
		{"job.k.stores = [\"s\"]\n[[job.k.command]]\npath = \"/a/../x\"\nrun = \"x\"\n", "5:8", "in its shortest form"},
		{"job.k.stores = [\"s\"]\n[[job.k.command]]\npath = \"/x\"\nrun = \"\"\n", "6:7", "the command is empty"},
		{"job.k.stores = [\"s\"]\njob.k.command = [{ path = \"/x\", run = \"x\" }, { path = \"/x/y\", run = \"x\" }]\n", "4:46", "cannot both be files"},
		{"job.k.stores = [\"s\"]\njob.k.sources = [\"/x/y\"]\njob.k.command = [{ path = \"/x\", run = \"x\" }]\n", "5:18", "a directory that one lies in"},
		{"job.k.stores = [\"s\"]\njob.k.sources = [\"/x/\"]\njob.k.command = [{ path = \"/x\", run = \"x\" }]\n", "5:18", "is a source"},
		{"job.k.stores = [\"s\"]\njob.k.command = [1]\n", "4:18", "want a table with path and run"},
		{"[notice.n]\n", "3:9", "kind is missing"},
		{"[notice.n]\nkind = \"mail\"\n", "3:9", "to is missing"},
		{"[notice.n]\nkind = \"mail\"\nto = []\n", "5:6", "names nobody"},
		{"[notice.n]\nkind = \"mail\"\nto = [\"a\\r\\nBcc: x\"]\n", "5:7", "is not an address"},
		{"[notice.n]\nkind = \"mail\"\nto = [\"a\"]\nurl = \"https://x\"\n", "6:1", "url has no meaning for a notice of the kind mail"},
		{"[notice.n]\nkind = \"mail\"\nto = [\"a\"]\nsmtp-user = \"x\"\n", "6:1", "go together"},
		{"[notice.n]\nkind = \"mail\"\nto = [\"a\"]\nsmtp = \"x\"\n", "6:8", "host:port"},
		{"[notice.n]\nkind = \"ping\"\n", "3:9", "url or url-file is missing"},
		{"[notice.n]\nkind = \"ping\"\nurl = \"https://x\"\nurl-file = \"/x\"\n", "6:1", "only one of url and url-file"},
		{"[notice.n]\nkind = \"ping\"\nurl = \"file:///x\"\n", "5:7", "not a URL"},
		{"[notice.n]\nkind = \"syslog\"\non = [\"trouble\"]\n", "5:7", "is not one of start"},
		{"[notice.n]\nkind = \"syslog\"\njobs = [\"x\"]\n", "5:9", `there is no job "x"`},
		{"[notice.n]\nkind = \"command\"\nrun = \"\"\n", "5:7", "the command is empty"},
		{"[notice.n]\nkind = \"prometheus\"\n", "3:9", "path is missing"},
		{"[defaults.store]\nplace = \"/x\"\n", "4:1", "cannot be a default"},
		{"[defaults.job]\nretries = \"x\"\n", "4:11", "want a number, got a text"},
		{"[defaults.jobb]\n", "3:11", "did you mean job?"},
		{"defaults = 1\n", "3:12", "want a table"},
		{"[store.s]\n", "3:1", ""},
		{"a = \n", "3:5", ""},
		{"a = 1\na = 2\n", "4:1", ""},
		{"[store.a\n", "3:9", ""},
		{"a = \"\xff\"\n", "3:6", ""},
	} {
		faults := faultsIn(t, sound+c.text)
		if len(faults) != 1 {
			t.Errorf("%q: want one fault, got\n%v", c.text, faults)
			continue
		}
		if at := fmt.Sprintf("%d:%d", faults[0].Line, faults[0].Column); at != c.at && c.message != "" || !strings.Contains(faults[0].Message, c.message) {
			t.Errorf("%q: want %s %s, got\n%v", c.text, c.at, c.message, faults)
		}
	}
	if faults := faultsIn(t, sound); faults != nil {
		t.Errorf("nothing is wrong, but\n%v", faults)
	}
}

func TestTwoJobsWithOneSeriesInOneStoreAreRefused(t *testing.T) {
	faults := faultsIn(t, sound+"[job.a]\nsources=[\"/a\"]\nstores=[\"s\"]\nseries=\"x\"\n[job.b]\nsources=[\"/b\"]\nstores=[\"s\"]\nseries=\"x\"\n")
	if len(faults) != 1 || faults[0].Line != 10 || !strings.Contains(faults[0].Message, "series of the job a") {
		t.Errorf("%v", faults)
	}
}

func TestAllMistakesAreToldAtOnceAndInOrder(t *testing.T) {
	text := "[store.usb]\nplace = \"usb\"\nkepp = {}\n\n[job.home]\nsources = [\"/home\"]\nstores = [\"usb\", \"box\"]\nschedule = \"daily 25:00\"\n"
	want := `f:2:9: "usb" is not an absolute path
 2 | place = "usb"
   |         ^~~~~
f:3:1: unknown key "kepp": did you mean keep?
 3 | kepp ...
   | ^~~~
f:7:18: there is no store "box"
 7 | stores = ["usb", "box"]
   |                  ^~~~~
f:8:12: schedule "daily 25:00": time of day "25:00": want hours and minutes from 00:00 to 23:59
 8 | schedule = "daily 25:00"
   |            ^~~~~~~~~~~~~`
	if got := everyFaultIn(t, text).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAMistakeInTheDefaultsIsToldOnce(t *testing.T) {
	faults := faultsIn(t, sound+"[job.k]\nsources=[\"/y\"]\nstores=[\"s\"]\n[defaults.job]\nexclude = [\"[a-\"]\nretries = \"x\"\n")
	if len(faults) != 2 || faults[0].Line != 7 || faults[1].Line != 8 {
		t.Errorf("%v", faults)
	}
}

func TestManyMistakesAreCut(t *testing.T) {
	faults := everyFaultIn(t, manyKeys(maxFaults+5))
	if len(faults.Found) != maxFaults || faults.More != 5 || !strings.HasSuffix(faults.Error(), "and 5 more") {
		t.Errorf("got\n%v", faults)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "zzzz%d = 1\n", i)
	}
	return b.String()
}

func TestSecretsAreRefusedAndNotShown(t *testing.T) {
	for text, hint := range map[string]string{
		"[store.a]\nplace = \"/a\"\npassphrase = \"hunter2\"\n":                     "passphrase-file or passphrase-command",
		"[store]\na = { place = \"/a\", password = \"hunter2\", kind = 5 }\n":       "passphrase-file",
		"[store.a]\nplace = \"/a\"\n\"passphrase\" = \"hunter2\"\n":                 "passphrase-file",
		"[store.a]\nplace = \"/a\"\npassphrase = hunter2\n":                         "",
		"[store.a]\nplace = \"/a\"\npassphrase = \"\"\"\nhunter2\"\"\"\n":           "passphrase-file",
		"[store.a]\nplace = \"/a\"\nkey = \"hunter2\"\n":                            "key-file",
		"[notice.n]\nkind = \"ntfy\"\nurl = \"https://x\"\ntoken = \"hunter2\"\n":   "token-file",
		"[notice.n]\nkind = \"ping\"\nurl = \"https://u:hunter2@example.org/\"\n":   "url-file",
		"[notice.n]\nkind = \"ping\"\nurl = \"hunter2\"\n":                          "not a URL",
		"[notice.n]\nkind = \"mail\"\nto = [\"a\"]\nsmtp-password = \"hunter2\"\n":  "smtp-password-file",
		"[notice.n]\nkind = \"mail\"\nto = [\"a\"]\nsmtp-pasword = \"hunter2\"\n":   "",
		"[notice.n]\nkind = \"webhook\"\nurl = { secret = \"hunter2\" }\n":          "",
		"[store.a]\nplace = \"/a\"\nmaster_password = { phrase = \"hunter2\" }\n":   "",
		"[store.a]\nplace = \"/a\"\nkeep.password = \"hunter2\"\nkeep.last = 1\n":   "",
		"[store.a]\nplace = \"/a\"\npassphrase = \"x\"\npassphrase = \"hunter2\"\n": "",
	} {
		got := everyFaultIn(t, text).Error()
		if got == "" || !strings.Contains(got, hint) {
			t.Errorf("%q: got\n%s", text, got)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%q: shows the secret:\n%s", text, got)
		}
	}
}

func TestWhatIsShownIsHarmless(t *testing.T) {
	for _, text := range []string{
		"x\t=\t\"\x1b[31m\"\n", "\"a\\u001b]0;x\\u0007\" = 1\n", "x = \"\xff\xfe\"\n", "x = \"\u202egnp\"\n", "[store.\"\\u001b\"]\n",
		"store.a = { place = \"\\u001bx\" }\n", "store.a = { place = \"\\u009b1m\" }\r\n",
	} {
		for _, line := range strings.Split(everyFaultIn(t, text).Error(), "\n") {
			if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u202e' }) {
				t.Errorf("%q: shows %q", text, line)
			}
		}
	}
}

func TestTheMarkStandsBelowTheMistakeOfALongLine(t *testing.T) {
	for _, before := range []int{0, 10, 59, 60, 61, 500} {
		for _, after := range []int{0, 10, 100} {
			text := "store.a = { place = \"/a\", marker = \"/" + strings.Repeat("ä", before) + "\", zzz = \"" + strings.Repeat("b", after) + "\" }\n"
			lines := strings.Split(everyFaultIn(t, text).Error(), "\n")
			mark := strings.IndexByte(lines[2], '^')
			if got := string([]rune(lines[1])[mark : mark+3]); got != "zzz" || !strings.HasSuffix(lines[2], "^~~") {
				t.Errorf("%s", strings.Join(lines, "\n"))
			}
			if n := len([]rune(lines[1])); n > 140 {
				t.Errorf("%d characters are shown", n)
			}
		}
	}
}

func TestAByteOrderMarkAndOtherLineEndsDoNotMatter(t *testing.T) {
	text := "\ufeff" + strings.ReplaceAll(sound+"[job.k]\nsources = [\"y\"]\nstores = [\"s\"]\n", "\n", "\r\n")
	faults := faultsIn(t, text)
	if len(faults) != 1 || faults[0].Line != 4 || faults[0].Column != 12 || strings.Contains(faults[0].Text, "?") {
		t.Errorf("%v", faults)
	}
}

// TestAFileFullOfMistakesIsReadToItsEnd would not end in time if anything but the check for doubled keys took the square of the length.
func TestAFileFullOfMistakesIsReadToItsEnd(t *testing.T) {
	for _, c := range []struct {
		text string
		more int
	}{
		{manyKeys(1000), 1000 - maxFaults},
		{sound + "[job.k]\nstores=[\"s\"]\nsources = [" + strings.Repeat("\"x\", ", 10_000) + "]\n", 2*10_000 - 1 - maxFaults},
		{sound + "job.k.stores = [\"s\"]\njob.k.command = [" + strings.Repeat("{ path = \"/a\", run = \"x\" }, ", 500) + "]\n", 499 - maxFaults},
		{"x = " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "\n", 0},
	} {
		if faults := everyFaultIn(t, c.text); faults.More != c.more {
			t.Errorf("%.80q: %d more, want %d:\n%v", c.text, faults.More, c.more, faults)
		}
	}
}
