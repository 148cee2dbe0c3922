package rdiff_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/compare"
	"varve/internal/digest"
	"varve/internal/rdiff"
	"varve/internal/storetest"
)

func wantContents(t *testing.T, v varve.Source, want map[string]string) {
	t.Helper()
	if got := contents(t, v); !maps.Equal(got, want) {
		t.Errorf("content %q, want %q", got, want)
	}
}

func TestADirectoryWithoutARepositoryIsNone(t *testing.T) {
	empty := newMade(t)
	empty.put("file", "text")
	file := newMade(t)
	file.put("rdiff-backup-data", "a file")
	unfinished := newMade(t)
	unfinished.data("mirror_metadata."+stamp(0)+".snapshot.gz", dir("."))
	for what, m := range map[string]*made{"no data": empty, "data is a file": file, "no finished session": unfinished} {
		if _, err := rdiff.Open(m.disk.Root(), rdiff.Options{}); !errors.Is(err, rdiff.ErrNoRepository) {
			t.Errorf("%s: %v, want ErrNoRepository", what, err)
		}
	}
}

func TestOnlyTimesOfSessionsCanBeAskedFor(t *testing.T) {
	r := simple(t).open()
	if _, err := r.At(t.Context(), when(1).Add(-time.Second)); !errors.Is(err, rdiff.ErrNoVersion) {
		t.Errorf("between two sessions: %v, want ErrNoVersion", err)
	}
	wantContents(t, version(t, r, when(0)), map[string]string{"a": "old text", "b": "same"})
	wantContents(t, version(t, r, when(1)), map[string]string{"a": "new text", "b": "same"})
}

func TestTimesAreReadInEveryZone(t *testing.T) {
	for text, ahead := range map[string]time.Duration{
		"2001-09-10T01:46:40Z":      0,
		"2001-09-10T03:46:40+02:00": 2 * time.Hour,
		"2001-09-09T22-46-40-03-00": -3 * time.Hour,
		"2001-09-09T22:16:40-04:30": -3*time.Hour - 30*time.Minute, // so it is written
		"2001-09-10T07:16:40+05:30": 5*time.Hour + 30*time.Minute,
	} {
		m := newMade(t)
		m.data("current_mirror."+text+".data", "")
		m.data("mirror_metadata."+text+".snapshot.gz", dir("."))
		if got := m.open().Times(); len(got) != 1 || !got[0].Equal(time.Unix(1_000_086_400, 0)) {
			t.Errorf("%s (%v): %v", text, ahead, got)
		}
	}
}

func TestEntriesComeInListingOrderWhateverTheDepth(t *testing.T) {
	m := newMade(t)
	text, deep := dir("."), ""
	for range 300 {
		deep = strings.TrimPrefix(deep+"/d", "/")
		text += dir(deep)
	}
	m.data("current_mirror."+stamp(0)+".data", "")
	m.data("mirror_metadata."+stamp(0)+".snapshot.gz", text+file("d-", "x")+dir("e")+file("e/f", "y")+file("e.txt", "z"))
	v := version(t, m.open(), when(0))
	var got []string
	for e, err := range v.Entries(t.Context()) {
		must(t, err)
		got = append(got, e.Path)
	}
	if !slices.IsSortedFunc(got, varve.ComparePaths) || len(got) != 305 {
		t.Errorf("%d entries, or not in listing order", len(got))
	}
	for _, path := range []string{"", "e", deep} {
		if _, err := storetest.ReadDir(t.Context(), v, path); err != nil {
			t.Errorf("ReadDir %.20q: %v", path, err)
		}
	}
}

func TestReadDirYieldsWhatEntriesDo(t *testing.T) {
	m := simple(t)
	m.data("mirror_metadata."+stamp(1)+".snapshot.gz", dir(".")+dir("d")+dir("d/e")+file("d/f", "f")+file("d0", "x"))
	v := version(t, m.open(), when(1))
	below := map[string][]string{}
	for e, err := range v.Entries(t.Context()) {
		must(t, err)
		if e.Path != "" {
			below[e.Parent()] = append(below[e.Parent()], e.Path)
		}
	}
	for _, path := range []string{"", "d", "d/e"} {
		list, err := storetest.ReadDir(t.Context(), v, path)
		must(t, err)
		var got []string
		for _, e := range list {
			got = append(got, e.Path)
		}
		if !slices.Equal(got, below[path]) {
			t.Errorf("ReadDir %q: %q, want %q", path, got, below[path])
		}
	}
	for _, path := range []string{"d/f", "none", "d/none/x"} {
		if _, err := storetest.ReadDir(t.Context(), v, path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ReadDir %q: %v, want fs.ErrNotExist", path, err)
		}
	}
}

func TestDiffsOfMetadataLeadBackThroughManySessions(t *testing.T) {
	const sessions = 15
	m := newMade(t)
	m.data("current_mirror."+stamp(sessions)+".data", "")
	m.data("mirror_metadata."+stamp(sessions)+".snapshot.gz", dir(".")+file("x", "15")+file("z", "z"))
	m.put("x", "15")
	m.put("z", "z")
	for n := range sessions {
		// In every session a file appears that the next one does not find any more.
		name := fmt.Sprintf("only%02d", n)
		text := file(name, name) + none(fmt.Sprintf("only%02d", n+1)) + file("x", fmt.Sprint(n)) + none("zz")
		m.data("mirror_metadata."+stamp(n)+".diff.gz", text)
		m.data("increments/"+name+"."+stamp(n)+".snapshot.gz", name)
		m.data("increments/x."+stamp(n)+".diff.gz", delta(fmt.Sprint(n)))
	}
	r := m.open()
	for n := range sessions {
		v := version(t, r, when(n))
		got := contents(t, v)
		name := fmt.Sprintf("only%02d", n)
		if len(got) != 3 || got["x"] != fmt.Sprint(n) || got["z"] != "z" || got[name] != name {
			t.Fatalf("session %d: %q", n, got)
		}
	}
}

func TestDamagedMetadataAreToldAndCostThatVersionAlone(t *testing.T) {
	whole := dir(".") + file("a", "x") + file("b", "y")
	for what, text := range map[string]string{
		"out of order":           dir(".") + file("b", "x") + file("a", "y"),
		"a path twice":           dir(".") + file("a", "x") + file("a", "y"),
		"a path that climbs":     dir(".") + file("../a", "x"),
		"an absolute path":       dir(".") + file("/a", "x"),
		"an empty element":       dir(".") + file("a//b", "x"),
		"a NUL":                  dir(".") + file("a\x00", "x"),
		"a file with files":      dir(".") + file("a", "x") + file("a/b", "y"),
		"a root that is a file":  file(".", "x"),
		"nothing":                "",
		"another beginning":      "something else\n" + whole,
		"an end without newline": whole[:len(whole)-1],
		"an endless line":        dir(".") + "File " + strings.Repeat("x", 5<<20),
		"an endless record":      dir(".") + "File a\n" + strings.Repeat("  Type reg\n", 1<<19),
	} {
		m := simple(t)
		m.data("mirror_metadata."+stamp(0)+".snapshot.gz", text)
		r := m.open()
		if v, err := r.At(t.Context(), when(0)); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", what, err)
			if err == nil {
				must(t, v.Close())
			}
		}
		wantContents(t, version(t, r, when(1)), map[string]string{"a": "new text", "b": "same"})
	}
}

func TestTruncatedMetadataAreAnError(t *testing.T) {
	m := simple(t)
	whole := zip(dir(".") + file("a", "new text") + file("b", "same"))
	for n := range len(whole) {
		m.raw("rdiff-backup-data/mirror_metadata."+stamp(1)+".snapshot.gz", whole[:n])
		if v, err := m.open().At(t.Context(), when(1)); err == nil {
			must(t, v.Close())
			t.Errorf("%d bytes of %d are taken for the whole", n, len(whole))
		}
	}
}

func TestLostMetadataAreToldAsAVersionThatCannotBeRead(t *testing.T) {
	m := simple(t)
	m.data("increments."+stamp(-1)+".dir", "")
	r := m.open()
	if n := len(r.Times()); n != 3 {
		t.Errorf("%d times, want 3", n)
	}
	if _, err := r.At(t.Context(), when(-1)); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("%v, want ErrDamaged", err)
	}
}

func TestABadRecordCostsThatObjectAlone(t *testing.T) {
	m := simple(t)
	m.data("mirror_metadata."+stamp(1)+".snapshot.gz", dir(".")+
		file("a", "new text", "  Uid minus one\n")+file("b", "same")+
		strings.Replace(dir("c"), "420", "99999", 1)+file("c/x", "x")+
		"File d\n  Type dev\n"+rest+"File e\n  Type whatever\n"+rest+"File f\n  Type sym\n"+rest+"File g\n  Size 1\n")
	v := version(t, m.open(), when(1))
	bad := map[string]bool{}
	for e, err := range v.Entries(t.Context()) {
		must(t, err)
		if e.Err != nil {
			bad[e.Path] = errors.Is(e.Err, varve.ErrUnreadable)
		}
		if e.Path == "c" && (e.Kind != varve.Dir || e.Mode != 0o700) {
			t.Errorf("directory c: %v %o", e.Kind, e.Mode)
		}
	}
	if want := (map[string]bool{"a": true, "d": true, "e": true, "f": true, "g": true}); !maps.Equal(bad, want) {
		t.Errorf("unreadable: %v, want %v", bad, want)
	}
	if notes := strings.Join(v.Notes(), "\n"); !strings.Contains(notes, `"c"`) {
		t.Errorf("nothing is noted about c: %s", notes)
	}
}

func TestDirectoriesWithoutMetadataAreMade(t *testing.T) {
	m := simple(t)
	m.data("mirror_metadata."+stamp(1)+".snapshot.gz", file("x/y/z", "z")+file("x/y0", "y"))
	v := version(t, m.open(), when(1))
	var got []string
	for e, err := range v.Entries(t.Context()) {
		must(t, err)
		got = append(got, fmt.Sprintf("%s %v", e.Path, e.Kind))
	}
	if want := []string{" dir", "x dir", "x/y dir", "x/y0 file", "x/y/z file"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(v.Notes()) != 3 {
		t.Errorf("notes %q", v.Notes())
	}
}

func TestHardLinksNeedMoreInCommonThanNumbers(t *testing.T) {
	number := "  NumHardLinks 2\n  Inode 7\n  DeviceLoc 1\n"
	unsummed := func(path string) string {
		return strings.Replace(file(path, "text", number), "  SHA1Digest "+sha("text")+"\n", "", 1)
	}
	m := simple(t)
	m.data("mirror_metadata."+stamp(1)+".snapshot.gz", dir(".")+
		dir("a")+file("a/1", "text", number)+unsummed("b")+ // one inode: b comes first in listing order
		file("c", "longer", number)+file("c2", "longer", number)+ // another one that has its number
		file("d", "one", "  NumHardLinks 2\n  Inode 8\n  DeviceLoc 1\n")+file("e", "two", "  NumHardLinks 2\n  Inode 8\n  DeviceLoc 1\n")+
		file("f", "f", "  NumHardLinks 2\n  Inode 9\n  DeviceLoc 1\n")) // its other name lies elsewhere
	v := version(t, m.open(), when(1))
	links, sums := map[string]string{}, 0
	for e, err := range v.Entries(t.Context()) {
		must(t, err)
		if e.SameAs != "" {
			links[e.Path] = e.SameAs
		}
		if e.Marks&varve.Linked != 0 {
			links[e.Path] = "first"
		}
		if e.Stamp != (varve.Stamp{}) {
			sums++
		}
	}
	if want := (map[string]string{"b": "first", "a/1": "b", "c": "first", "c2": "c"}); !maps.Equal(links, want) {
		t.Errorf("links %v, want %v", links, want)
	}
	if sums != 7 {
		t.Errorf("%d files have a stamp, want 7", sums)
	}
}

func TestUnchangedFilesAreRecognisedFromVersionToVersion(t *testing.T) {
	r := simple(t).open()
	first, second := all(t, version(t, r, when(0))), all(t, version(t, r, when(1)))
	for i, want := range []bool{false, false, true} { // the root, a, b
		if got := compare.Unchanged(&first[i].Entry, &second[i].Entry); got != want {
			t.Errorf("%q unchanged: %v, want %v", first[i].Entry.Path, got, want)
		}
	}
}

func TestAVersionIsAViewOfItsEntries(t *testing.T) {
	v := version(t, simple(t).open(), when(0))
	var want []varve.Entry
	for _, f := range all(t, v) {
		if f.Content != "" {
			f.Entry.Digest = digest.Sum([]byte(f.Content))
		}
		want = append(want, f.Entry)
	}
	if d := storetest.Differences(v, want, varve.Entry{}); len(d) > 0 {
		t.Errorf("%q", d)
	}
}

func TestWhatRdiffBackupReportedIsNoted(t *testing.T) {
	m := simple(t)
	m.data("error_log."+stamp(0)+".data.gz", "ListError: 'secret' Permission denied\n"+strings.Repeat("UpdateError: 'x' changed\n", 500))
	m.data("access_control_lists."+stamp(0)+".snapshot.gz", "# file: a\nuser::rw-\nuser:stranger:r--\ngroup::r--\nmask::r--\nother::r--\n"+
		"# file: gone\nuser::rw-\n")
	m.data("extended_attributes."+stamp(0)+".snapshot", "# file: b\nuser.x=0s???\n# file: zz\nuser.y\n")
	m.data("win_access_control_lists."+stamp(0)+".snapshot.gz", "")
	notes := version(t, m.open(), when(0)).Notes()
	text := strings.Join(notes, "\n")
	if !strings.Contains(text, "'secret' Permission denied") || !strings.Contains(text, "notes more") || len(notes) > 250 {
		t.Errorf("%d notes:\n%.2000s", len(notes), text)
	}
	m.data("error_log."+stamp(0)+".data.gz", "")
	text = strings.Join(version(t, m.open(), when(0)).Notes(), "\n")
	for _, want := range []string{`user "stranger"`, "not there: 2", `"b": extended attributes`, "Windows"} {
		if !strings.Contains(text, want) {
			t.Errorf("no note says %q:\n%s", want, text)
		}
	}
}

func TestACancelledReadingEnds(t *testing.T) {
	m := simple(t)
	text := []string{dir(".")}
	for n := range 5000 {
		text = append(text, file(fmt.Sprintf("%05d", n), "x"))
	}
	m.data("mirror_metadata."+stamp(1)+".snapshot", strings.Join(text, ""))
	m.remove("rdiff-backup-data/mirror_metadata." + stamp(1) + ".snapshot.gz")
	r := m.open()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v, err := r.At(ctx, when(1))
	must(t, err)
	defer v.Close()
	count := 0
	for _, err := range v.Entries(ctx) {
		if count++; count == 100 {
			cancel()
		}
		if count > 100 && !errors.Is(err, context.Canceled) {
			t.Fatalf("goes on with %v", err)
		}
	}
	if _, err := r.At(ctx, when(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("At: %v, want context.Canceled", err)
	}
}

func TestDisksThatDoNotTellKindsInListingsWillDo(t *testing.T) {
	m := simple(t)
	m.data("increments/a."+stamp(0)+".dir/x", "a directory named like an increment")
	r, err := rdiff.Open(kindless{m.disk.Root()}, rdiff.Options{})
	must(t, err)
	defer r.Close()
	wantContents(t, version(t, r, when(0)), map[string]string{"a": "old text", "b": "same"})
}
