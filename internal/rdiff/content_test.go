package rdiff_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/rdiff"
)

// entryOf finds the entry at path.
func entryOf(t *testing.T, v varve.Source, path string) varve.Entry {
	t.Helper()
	for e, err := range v.Entries(t.Context()) {
		must(t, err)
		if e.Path == path {
			return e
		}
	}
	t.Fatalf("there is no %q", path)
	return varve.Entry{}
}

func TestContentThatIsNotWhatTheMetadataTellIsUnreadableByItself(t *testing.T) {
	old := delta("old", [2]int64{3, 5})
	increment := "rdiff-backup-data/increments/a." + stamp(0) + ".diff.gz"
	for what, spoil := range map[string]func(m *made){
		"mirror changed":        func(m *made) { m.put("a", "nEw texT") },
		"mirror empty":          func(m *made) { m.put("a", "") },
		"mirror is a directory": func(m *made) { m.remove("a"); m.put("a/b", "") },
		"mirror lost":           func(m *made) { m.remove("a") },
		"delta is none":         func(m *made) { m.put(increment, "text") },
		"delta is empty":        func(m *made) { m.put(increment, "") },
		"delta is not zipped":   func(m *made) { m.raw(increment, old) },
		"delta without end":     func(m *made) { m.put(increment, old[:len(old)-1]) },
		"delta with more":       func(m *made) { m.put(increment, old+"x") },
		"delta reaches too far": func(m *made) { m.put(increment, delta("old", [2]int64{3, 6})) },
		"delta reaches outside": func(m *made) { m.put(increment, delta("old", [2]int64{1 << 40, 5})) },
		"delta takes nothing":   func(m *made) { m.put(increment, delta([2]int64{3, 0}, "old text")) },
		"delta with an overflow": func(m *made) {
			m.put(increment, delta("old", [2]int64{1<<63 - 1, 1<<63 - 1}))
		},
		"delta of another file": func(m *made) { m.put(increment, delta("odd", [2]int64{3, 5})) },
		"delta zip broken":      func(m *made) { m.raw(increment, zip(old)[:20]) },
		"delta is a directory":  func(m *made) { m.remove(increment); m.put(increment+"/x", "") },
		"two increments": func(m *made) {
			m.put(strings.TrimSuffix(increment, ".gz"), old)
		},
		"it was missing":     func(m *made) { m.remove(increment); m.data("increments/a."+stamp(0)+".missing", "") },
		"it was a directory": func(m *made) { m.remove(increment); m.data("increments/a."+stamp(0)+".dir", "") },
		"metadata name a strange file": func(m *made) {
			m.data("mirror_metadata."+stamp(0)+".diff.gz", file("a", "old text", "  AlternateMirrorName ../../a\n"))
			m.remove(increment)
		},
	} {
		t.Run(what, func(t *testing.T) {
			m := simple(t)
			spoil(m)
			v := version(t, m.open(), when(0))
			_, err := tryContent(t, v, entryOf(t, v, "a"))
			if !errors.Is(err, varve.ErrUnreadable) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v, want an error that matches ErrUnreadable alone", err)
			}
			wantContents(t, v, map[string]string{"b": "same"})
		})
	}
}

func TestNoFlippedByteGivesOtherContent(t *testing.T) {
	paths := []string{"a", "b", "rdiff-backup-data/increments/a." + stamp(0) + ".diff.gz",
		"rdiff-backup-data/mirror_metadata." + stamp(0) + ".diff.gz", "rdiff-backup-data/mirror_metadata." + stamp(1) + ".snapshot.gz"}
	want := map[string]string{"a": "old text", "b": "same"}
	m := simple(t)
	for _, path := range paths {
		text := m.read(path)
		for n := range len(text) {
			m.raw(path, text[:n]+string(text[n]^0x41)+text[n+1:])
			r, err := rdiff.Open(m.disk.Root(), rdiff.Options{})
			must(t, err)
			if v, err := r.At(t.Context(), when(0)); err == nil {
				for path, content := range contents(t, v) {
					if want[path] != content {
						t.Errorf("byte %d of %s: %q has %q", n, path, path, content)
					}
				}
				must(t, v.Close())
			}
			must(t, r.Close())
		}
		m.raw(path, text)
	}
}

func TestChainsOfDeltasGiveWhatEachOfThemWouldGive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sessions := rapid.IntRange(1, 6).Draw(rt, "sessions")
		m := newMade(t)
		texts := make([]string, sessions+1)
		texts[sessions] = rapid.StringN(0, 200, 200).Draw(rt, "newest")
		m.put("f", texts[sessions])
		m.data("current_mirror."+stamp(sessions)+".data", "")
		m.data("mirror_metadata."+stamp(sessions)+".snapshot", dir(".")+file("f", texts[sessions]))
		for n := sessions - 1; n >= 0; n-- {
			d, text := drawDelta(rt, texts[n+1])
			texts[n] = text
			name := "increments/f." + stamp(n)
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				m.data(name+".diff", d)
			case 1:
				m.data(name+".snapshot.gz", text)
			default:
				m.data(name+".diff.gz", d)
			}
			m.data("mirror_metadata."+stamp(n)+".diff", file("f", text))
		}
		r, err := rdiff.Open(m.disk.Root(), rdiff.Options{})
		must(t, err)
		for n, want := range texts {
			v, err := r.At(t.Context(), when(n))
			must(t, err)
			if got := content(t, v, entryOf(t, v, "f")); got != want {
				rt.Errorf("session %d: %q, want %q", n, got, want)
			}
			must(t, v.Close())
		}
		must(t, r.Close())
	})
}

// drawDelta makes a delta against base, and what it gives.
func drawDelta(rt *rapid.T, base string) (string, string) {
	var parts []any
	var text strings.Builder
	for range rapid.IntRange(0, 6).Draw(rt, "commands") {
		if base == "" || rapid.Bool().Draw(rt, "literal") {
			s := rapid.StringN(1, 30, 30).Draw(rt, "text")
			parts = append(parts, s)
			text.WriteString(s)
			continue
		}
		off := rapid.IntRange(0, len(base)-1).Draw(rt, "off")
		n := rapid.IntRange(1, len(base)-off).Draw(rt, "len")
		parts = append(parts, [2]int64{int64(off), int64(n)})
		text.WriteString(base[off : off+n])
	}
	return delta(parts...), text.String()
}

// shuffled is a repository on a real disk whose old version takes the parts of a compressed copy in another order.
func shuffled(t *testing.T) (repo, want string) {
	t.Helper()
	base := string(noise(3 << 19))
	m := newMade(t)
	m.data("increments/f."+stamp(1)+".snapshot.gz", base)
	literal := string(noise(60_000))
	half := int64(len(base) / 2)
	m.data("increments/f."+stamp(0)+".diff.gz", delta([2]int64{half, half}, literal, [2]int64{10, half}))
	want = base[half:] + literal + base[10:half+10]
	m.data("current_mirror."+stamp(2)+".data", "")
	m.data("mirror_metadata."+stamp(2)+".snapshot.gz", dir("."))
	m.data("mirror_metadata."+stamp(1)+".diff.gz", file("f", base))
	m.data("mirror_metadata."+stamp(0)+".diff.gz", file("f", want))
	repo = t.TempDir()
	must(t, m.copyTo(repo))
	return repo, want
}

func TestLargeContentGoesThroughTemporaryFilesThatDoNotStay(t *testing.T) {
	repo, want := shuffled(t)
	scratch := t.TempDir()
	dir, err := osfs.Open(repo)
	must(t, err)
	r, err := rdiff.Open(dir, rdiff.Options{Scratch: scratch})
	must(t, err)
	v, err := r.At(t.Context(), when(0))
	must(t, err)
	f, err := v.Open(t.Context(), entryOf(t, v, "f"))
	must(t, err)
	must(t, f.Close())
	if got := content(t, v, entryOf(t, v, "f")); got != want {
		t.Errorf("%d bytes that are not those wanted: %.80s", len(got), got)
	}
	must(t, v.Close())
	must(t, r.Close())
	left, err := os.ReadDir(scratch)
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWithoutRoomForTemporaryFilesTheSourceHasFailed(t *testing.T) {
	repo, _ := shuffled(t)
	dir, err := osfs.Open(repo)
	must(t, err)
	r, err := rdiff.Open(dir, rdiff.Options{Scratch: "/nowhere/at all"})
	must(t, err)
	defer r.Close()
	v, err := r.At(t.Context(), when(0))
	must(t, err)
	defer v.Close()
	_, err = v.Open(t.Context(), entryOf(t, v, "f"))
	if err == nil || errors.Is(err, varve.ErrUnreadable) || errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want an error that concerns everything", err)
	}
}

func TestNamesThatWereTooLongAreFoundElsewhere(t *testing.T) {
	m := newMade(t)
	m.data("current_mirror."+stamp(1)+".data", "")
	m.data("mirror_metadata."+stamp(1)+".snapshot.gz", dir(".")+
		file("long", "long, new", "  AlternateMirrorName 7\n")+file("short", "short, new", "  AlternateIncrementName 8\n"))
	m.data("mirror_metadata."+stamp(0)+".diff.gz",
		file("long", "long, old", "  AlternateMirrorName 7\n")+file("short", "short, old", "  AlternateIncrementName 8\n"))
	m.data("long_filename_data/7", "long, new")
	m.data("long_filename_data/7."+stamp(0)+".diff.gz", delta("long, old"))
	m.data("long_filename_data/8."+stamp(0)+".diff", delta("short, old"))
	m.put("short", "short, new")
	r := m.open()
	wantContents(t, version(t, r, when(0)), map[string]string{"long": "long, old", "short": "short, old"})
	wantContents(t, version(t, r, when(1)), map[string]string{"long": "long, new", "short": "short, new"})
}

func TestASessionThatWasBrokenOffIsToldAndHarmsNothing(t *testing.T) {
	whole := zip(delta("new", [2]int64{3, 5}))
	for what, spoil := range map[string]func(m *made){
		"nothing was done yet": func(m *made) {},
		"an increment is half written": func(m *made) {
			m.raw("rdiff-backup-data/increments/a."+stamp(1)+".diff.gz", whole[:len(whole)/2])
		},
		"an increment is written, the mirror not yet": func(m *made) {
			m.data("increments/a."+stamp(1)+".diff.gz", delta("new", [2]int64{3, 5}))
		},
		"the mirror is written": func(m *made) {
			m.data("increments/a."+stamp(1)+".diff.gz", delta("new", [2]int64{3, 5}))
			m.put("a", "odd text")
		},
		"half of the metadata are written": func(m *made) {
			m.raw("rdiff-backup-data/mirror_metadata."+stamp(2)+".snapshot.gz", zip(dir("."))[:9])
		},
		"the metadata are written": func(m *made) {
			m.data("mirror_metadata."+stamp(2)+".snapshot.gz", dir(".")+file("a", "odd text")+file("b", "same"))
			m.raw("rdiff-backup-data/mirror_metadata."+stamp(1)+".diff.gz", zip(file("a", "new text"))[:12])
		},
		"all but the end": func(m *made) {
			m.data("increments/a."+stamp(1)+".diff.gz", delta("new", [2]int64{3, 5}))
			m.put("a", "odd text")
			m.data("mirror_metadata."+stamp(2)+".snapshot.gz", dir(".")+file("a", "odd text")+file("b", "same"))
			m.data("mirror_metadata."+stamp(1)+".diff.gz", file("a", "new text"))
			m.remove("rdiff-backup-data/mirror_metadata." + stamp(1) + ".snapshot.gz")
		},
	} {
		t.Run(what, func(t *testing.T) {
			m := simple(t)
			m.data("current_mirror."+stamp(2)+".data", "PID 2\n")
			spoil(m)
			r := m.open()
			if at, aborted := r.Aborted(); !aborted || !at.Equal(when(2)) {
				t.Errorf("aborted: %v, %v", aborted, at)
			}
			if got := r.Times(); !slices.Equal(got, []time.Time{when(0), when(1)}) {
				t.Errorf("times %v", got)
			}
			wantContents(t, version(t, r, when(0)), map[string]string{"a": "old text", "b": "same"})
			wantContents(t, version(t, r, when(1)), map[string]string{"a": "new text", "b": "same"})
		})
	}
}

func TestManyReadersMayReadAtOnce(t *testing.T) {
	m := newMade(t)
	m.data("current_mirror."+stamp(1)+".data", "")
	text, want := dir("."), map[string]string{}
	for d := range 30 {
		text += dir(fmt.Sprintf("%02d", d))
		for n := range 10 {
			path := fmt.Sprintf("%02d/%d", d, n)
			want[path] = "content of " + path
			text += file(path, want[path])
			m.put(path, "newer")
			m.data("increments/"+path+"."+stamp(0)+".diff", delta(want[path]))
		}
	}
	m.data("mirror_metadata."+stamp(0)+".snapshot.gz", text)
	v := version(t, m.open(), when(0))
	done := make(chan map[string]string)
	for range 4 {
		go func() { done <- contents(t, v) }()
	}
	for range 4 {
		if got := <-done; len(got) != len(want) || got["29/9"] != want["29/9"] {
			t.Errorf("%d files are right", len(got))
		}
	}
}
