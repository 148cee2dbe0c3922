package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"varve"
)

func TestQuotedNamesHoldNothingThatATerminalActsOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := string(rapid.SliceOf(rapid.Byte()).Draw(t, "name"))
		for _, text := range []string{quote(name), plain(name), describe(errors.New(name)), slashed(name)} {
			for _, r := range strings.ReplaceAll(text, "\n", "") {
				if r == unicode.ReplacementChar && !strings.ContainsRune(name, r) || !unicode.IsPrint(r) {
					t.Fatalf("%q became %q", name, text)
				}
			}
		}
	})
}

func TestDifferentNamesAreQuotedDifferently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.SampledFrom([]byte("a\"\\n\n\x1b\xff%,0x")), 0, 6)
		a, b := string(bytes.Draw(t, "a")), string(bytes.Draw(t, "b"))
		if a != b && (quote(a) == quote(b) || escape(a) == escape(b)) {
			t.Fatalf("%q and %q look the same", a, b)
		}
	})
}

func TestQuote(t *testing.T) {
	for name, want := range map[string]string{
		"/etc/hosts": "/etc/hosts", "/a b": "/a b", "/é": "/é", "": `""`, `"x"`: `"\"x\""`, "/a\nb": `"/a\nb"`, "/\x1b[31m": `"/\x1b[31m"`,
		"/\xff": `"/\xff"`, "/\u202etxt": `"/\u202etxt"`, "/\u00a0": `"/\u00a0"`,
	} {
		if got := quote(name); got != want {
			t.Errorf("quote(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "10K": 10 << 10, "3m": 3 << 20, "2G": 2 << 30, "1T": 1 << 40, "8388607T": 8388607 << 40,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "K", "-1", "1.5G", "1KB", "8388608T", "99999999999999999999", "1 K", "+1"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d", text, got)
		}
	}
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 5 << 30: "5.0 GiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := sizeText(n); got != want {
			t.Errorf("sizeText(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.FixedZone("", 3600))
	a := &app{now: func() time.Time { return now }}
	for text, want := range map[string]time.Time{
		"now": now, "10D": now.AddDate(0, 0, -10), "1h78m": now.Add(-138 * time.Minute), "@100": time.Unix(100, 0),
		"2026-11-19":           time.Date(2026, 11, 19, 0, 0, 0, 0, now.Location()),
		"2026-11-19 10:20:30":  time.Date(2026, 11, 19, 10, 20, 30, 0, now.Location()),
		"2026-11-19T10:20":     time.Date(2026, 11, 19, 10, 20, 0, 0, now.Location()),
		"2026-11-19T10:20:30Z": time.Date(2026, 11, 19, 10, 20, 30, 0, time.UTC),
	} {
		if got, err := a.parseTime(text); err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "D", "10d", "yesterday", "@", "@x", "2026-13-01", "9999999999Y", "99999Y99999Y", "-1D"} {
		if got, err := a.parseTime(text); err == nil {
			t.Errorf("parseTime(%q) = %v", text, got)
		}
	}
}

func TestModesLookLikeThoseOfLs(t *testing.T) {
	for want, e := range map[string]varve.Entry{
		"-rw-r--r--": {Kind: varve.Regular, Mode: 0o644}, "drwxrwxrwt": {Kind: varve.Dir, Mode: 0o1777},
		"-rwsr-x--x": {Kind: varve.Regular, Mode: 0o4751}, "-rwSr-----": {Kind: varve.Regular, Mode: 0o4640},
		"drwxr-s---": {Kind: varve.Dir, Mode: 0o2750}, "-rw-r-S---": {Kind: varve.Regular, Mode: 0o2640},
		"-rw-r----T": {Kind: varve.Regular, Mode: 0o1640}, "lrwxrwxrwx": {Kind: varve.Symlink, Mode: 0o777},
		"prw-------": {Kind: varve.FIFO, Mode: 0o600}, "s---------": {Kind: varve.Socket}, "cr--------": {Kind: varve.CharDevice, Mode: 0o400},
		"b---------": {Kind: varve.BlockDevice},
	} {
		if got := modeText(e.Kind, e.Mode); got != want {
			t.Errorf("%s %o: %s, want %s", e.Kind, e.Mode, got, want)
		}
	}
}

func TestPatternsOfFind(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.txt", "a/b.txt", true}, {"*.txt", "a.txt/b", false}, {"b.txt", "a/b.txt", true}, {"a/*.txt", "x/a/b.txt", true},
		{"a/*.txt", "a/b.txt", true}, {"a/*.txt", "xa/b.txt", false}, {"/a/*", "a/b", true}, {"/a/*", "x/a/b", false}, {"/a/*", "a/b/c", false},
		{"a/b/c/d", "b/c/d", false}, {"*", "", true}, {"/", "", true}, {"[ab]", "x/b", true}, {"?", "x/é", true},
	} {
		if got := matches(c.pattern, c.path); got != c.want {
			t.Errorf("matches(%q, %q) = %t", c.pattern, c.path, got)
		}
	}
}

func TestTheTimeLeftIsGuessedFromFilesAndBytes(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	m := &meter{start: now, now: func() time.Time { return now }}
	m.add(50, 500)
	if text := m.text(); strings.Contains(text, "left") {
		t.Errorf("guessed from nothing: %s", text)
	}
	m.expect(100, 1000)
	now = now.Add(10 * time.Second)
	if text := m.text(); text != "50 files, 500 B, 50 B/s, 0:10, 0:10 left" {
		t.Error(text)
	}
}

func TestWithinComparesWholeElements(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{{"/a/b", "/a", true}, {"/a", "/a", true}, {"/ab", "/a", false}, {"/a", "/", true}, {"/", "/a", false}} {
		if got := within(c.path, c.dir); got != c.want {
			t.Errorf("within(%s, %s) = %t", c.path, c.dir, got)
		}
	}
}

func TestADefaultSeriesIsNeverTooLong(t *testing.T) {
	var f jobFlags
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("/very/long/ünïcode/%d", i))
	}
	a, err := f.defaultSeries("host", names)
	b, errB := f.defaultSeries("host", append(names, "/x"))
	if err != nil || errB != nil || a == b || checkLabel("series", a) != nil {
		t.Errorf("%d bytes, equal %t, %v, %v", len(a), a == b, err, errB)
	}
}
