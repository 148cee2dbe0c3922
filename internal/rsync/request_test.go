package rsync

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestWordsAreSplitAsAShellWould(t *testing.T) {
	for line, want := range map[string][]string{
		"":                          nil,
		"  a\t b ":                  {"a", "b"},
		`a\ b c\\d \'`:              {"a b", `c\d`, "'"},
		`'a b'"c d" '' ""`:          {"a bc d", "", ""},
		`"a\"b\\c\d\$"`:             {`a"b\c\d$`},
		`a#b ~/x *? {x}`:            {"a#b", "~/x", "*?", "{x}"},
		"'$(id)`;|&<>()\n'":         {"$(id)`;|&<>()\n"},
		"--usermap=\\*:0 . /x\\ y/": {"--usermap=*:0", ".", "/x y/"},
		"a\\\nb":                    {"a\nb"},
	} {
		got, err := splitWords(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}

func TestWordsThatMeanMoreToAShellAreErrors(t *testing.T) {
	for _, line := range []string{
		"a;b", "a|b", "a&", "a<b", "a>b", "$x", "`id`", "$(id)", "(a)", "a\nb", "#a", "a #b", `"$x"`, "\"`id`\"", "'a", `"a`, `a\`, "a\x00b",
	} {
		if got, err := splitWords(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func TestTheCommandLineIsWrittenAnew(t *testing.T) {
	r, err := parseCommand(`/usr/bin/rsync --server -vslHogDtpAXrSze.iLsfxCIvu`)
	if err != nil || !r.secluded {
		t.Fatalf("%+v, %v", r, err)
	}
	err = r.read([]string{"--delete", "--partial", "-B8192", "-@-1", "--timeout=30", "--log-format=%i", "--max-delete=5", ".", "/etc/", "more"})
	if err = errors.Join(err, r.check()); err != nil {
		t.Fatal(err)
	}
	want := []string{"-vlHogDtpAXrSze.iLsfxCIvu", "--delete", "-B8192", "--log-format=%i"}
	if !slices.Equal(r.args(), want) || r.timeout != 30*time.Second || r.dry {
		t.Errorf("%q, %+v", r.args(), r)
	}
}

func TestCommandLinesOfNoStockClientAreRefused(t *testing.T) {
	for _, line := range []string{
		"", " ", "sh", "rsync", "rsync -a x y", "rsync --server", "rsync --server .", "rsync --server -re. . x", "rsync --server -re.f",
		"rsync -e.f --server . x", "rsync --server -re.f x .", "rsync --server --sender -re.f . x", "rsync --server --daemon .",
		"rsync --server -re.f --config=/x . y", "rsync --server -re.f . y --log-file=/z", "rsync --server -re.f . y -M",
		"rsync --server -re.f --delete=now . y", "rsync --server -re.f --bwlimit . y", "rsync --server -re.f --bwlimit=-- . y",
		"rsync --server -re.f -Bx . y", "rsync --server -re.f -@ . y", "rsync --server -re . y", "rsync --server -r -e sh . y",
		"rsync --server -resh . y", "rsync --server -re.f/x . y", "rsync --server -re.f -e.f . y", "rsync --server -rre.f . y",
		"rsync --server -r\xff . y", "rsync --server -re.f --max-size=1e9 . y", "rsync --server -re.f --info=/x . y",
		"rsync --server -re.f --log-format=%n . y", "rsync --server --server -re.f . y", "rsync --server -re.f --usermap=a;b . y",
		"rsync --server -re.f --usermap=a/b . y", "ersync --server -re.f . y", "rsync --server -re.f . " + strings.Repeat("x ", maxWords),
		"rsync --server -re.f . " + strings.Repeat("x", maxCommand),
	} {
		if r, err := parseCommand(line); !errors.Is(err, ErrRefused) {
			t.Errorf("%.80q: %+v, %v", line, r, err)
		}
	}
}

func TestRefusalsAreFitForATerminal(t *testing.T) {
	_, err := parseCommand("rsync --server -re.f '--x\x1b[2J" + strings.Repeat("y", 1000) + "' . z")
	if err == nil || strings.ContainsFunc(err.Error(), isControl) || len(err.Error()) > 300 {
		t.Errorf("%q", err)
	}
}

func TestSecludedArgumentsAreReadAndNothingBeyond(t *testing.T) {
	for text, want := range map[string][]string{
		"rsync\x00--delete\x00.\x00/x y/\x00\x00rest": {"--delete", ".", "/x y/"},
		"rsync\x00\x00rest":                           {},
	} {
		in := strings.NewReader(text)
		got, err := secludedWords(iotest.OneByteReader(in))
		rest, _ := io.ReadAll(in)
		if err != nil || !slices.Equal(got, want) || string(rest) != "rest" {
			t.Errorf("%q: %q, %v; left %q", text, got, err, rest)
		}
	}
	for _, text := range []string{"", "rsync\x00--delete\x00", "\x00", "sh\x00\x00", "rsync\x00" + strings.Repeat("x", maxCommand+1)} {
		if got, err := secludedWords(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q: %q", text, got)
		}
	}
}

func TestSizesAreThoseThatRsyncReads(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "1.5m": true, "2GiB-1": true, "3000000000": true, "1kb+1": true, "10b": true,
		"": false, "-1": false, "1.": false, ".5": false, "1x": false, "1 k": false, "1e3": false, "k": false, "1kk": false,
		"9999999999999999999999": false, "1.5.5": false, "+1": false, "1\n": false,
	} {
		if isSize(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// FuzzCommand holds that whatever is handed on to rsync is an option that the tables allow.
func FuzzCommand(f *testing.F) {
	f.Add("rsync --server -logDtpre.iLsfxCIvu --delete . /any/path", []byte("rsync\x00--delete\x00.\x00/x\x00\x00"))
	f.Add("rsync --server -slogDtpre.iLsfxCIvu", []byte("rsync\x00--inplace\x00.\x00\x00"))
	f.Add(`rsync --server -ne.f --usermap=\*:0 -B1 "." '/x y'`, []byte{})
	f.Fuzz(func(t *testing.T, line string, secluded []byte) {
		r, err := parseCommand(line)
		if err == nil && r.secluded {
			var words []string
			if words, err = secludedWords(bytes.NewReader(secluded)); err == nil {
				err = errors.Join(r.read(words), r.check())
			}
		}
		if err != nil {
			return
		}
		for i, arg := range r.args() {
			if strings.IndexByte(arg, 0) >= 0 || arg == "" || arg[0] != '-' {
				t.Errorf("%q hands on %q", line, arg)
			}
			name, _, _ := strings.Cut(arg, "=")
			isBlock := strings.HasPrefix(arg, "-B") && isNumber(arg[2:])
			if i > 0 && !isBlock && longs[name].ruling != pass {
				t.Errorf("%q hands on %q", line, arg)
			}
		}
		shorts, caps, _ := strings.Cut(r.args()[0][1:], "e")
		for _, c := range []byte(shorts) {
			if letters[c].ruling != pass {
				t.Errorf("%q hands on -%c", line, c)
			}
		}
		if !all(caps, ".", 50) || !strings.Contains(caps, ".") {
			t.Errorf("%q hands on -e%s", line, caps)
		}
	})
}

func TestVersionsAreReadAndCompared(t *testing.T) {
	for text, want := range map[string]Version{
		"rsync  version 3.5.0  protocol version 32\nmore":   {3, 5, 0, false},
		"rsync  version v3.2.7  protocol version 31":        {3, 2, 7, false},
		"rsync version 3.4.0pre1  protocol version 31":      {3, 4, 0, true},
		"rsync  version 3.1.2  protocol version 31\r\n":     {3, 1, 2, false},
		"rsync  version 3.4.1+ds1-5  protocol version 31":   {3, 4, 1, false},
		"rsync  version 4.0  protocol version 33":           {4, 0, 0, false},
		"rsync  version 3.5.1dev  protocol version 32.PR0 ": {3, 5, 1, true},
	} {
		got, err := ParseVersion(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "openrsync: protocol version 29, rsync version 2.6.9 compatible", "rsync  version x", "rsync  version 3", "rsync version 3.5.0.1",
		"bash: rsync  version 3.5.0", "rsync  version 33333.5.0 ", "x\nrsync  version 3.5.0  protocol version 32",
	} {
		if got, err := ParseVersion(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	ascending := []Version{{2, 6, 9, false}, {3, 1, 2, false}, {3, 1, 3, false}, {3, 4, 9, false}, {3, 5, 0, true}, {3, 5, 0, false}, {3, 10, 0, false}, {4, 0, 0, false}}
	for i, v := range ascending {
		for j, w := range ascending {
			if v.Before(w) != (i < j) {
				t.Errorf("%v before %v: %v", v, w, v.Before(w))
			}
		}
		if warned := v.warning() != ""; warned != (i < 5) {
			t.Errorf("%v: warned %v", v, warned)
		}
	}
}
