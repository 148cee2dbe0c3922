package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// fakeRoots returns lists of candidates: 300 of 100 bytes, and 100 of which every tenth is large.
func fakeRoots() [][]candidate {
	roots := make([][]candidate, 2)
	for i := range 300 {
		roots[0] = append(roots[0], candidate{name: "a/" + string(rune('a'+i%26)), mode: 0o644, size: 100})
	}
	for i := range 100 {
		size := int64(100)
		if i%10 == 0 {
			size = 1 << 20
		}
		roots[1] = append(roots[1], candidate{name: "b/" + string(rune('a'+i%26)), mode: 0o644, size: size})
	}
	return roots
}

func TestEveryRootGivesItsShareOfTheFiles(t *testing.T) {
	chosen := choose(fakeRoots(), 200, 1<<40)
	count := map[byte]int{}
	for _, c := range chosen {
		count[c.name[0]]++
	}
	if count['a'] != 150 || count['b'] != 50 {
		t.Errorf("of two roots with 300 and 100 files, 200 were chosen as %v", count)
	}
}

func TestTheChosenFilesKeepToTheirBytes(t *testing.T) {
	const bytes = 40_000
	var total int64
	chosen := choose(fakeRoots(), 360, bytes)
	for _, c := range chosen {
		total += c.size
	}
	if len(chosen) < 340 || total > bytes {
		t.Errorf("%d files with %d bytes", len(chosen), total)
	}
}

func TestTheChoiceIsTheSameEachTime(t *testing.T) {
	if !reflect.DeepEqual(choose(fakeRoots(), 123, 50_000), choose(fakeRoots(), 123, 50_000)) {
		t.Error("two choices differ")
	}
}

func TestNothingIsChosenFromNothing(t *testing.T) {
	if got := choose(nil, 10, 10); got != nil {
		t.Error(got)
	}
	if got := choose(fakeRoots(), 0, 10); got != nil {
		t.Error(got)
	}
	if got := choose(fakeRoots(), 10_000, 1<<40); len(got) != 400 {
		t.Errorf("%d of 400 files chosen where more were asked for", len(got))
	}
}

func TestCandidatesAreFilesAndSymlinksInOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b/2", "b/1", "a", "skipped/x"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	lists, err := candidates(t.Context(), []root{{"top", dir}}, filepath.Join(dir, "skipped"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range lists[0] {
		got = append(got, c.name)
	}
	if want := "top/a top/b/1 top/b/2 top/c"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestPlacedFilesHaveContentModeAndTimeButNoSetID(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "program"), t.TempDir()
	if err := os.WriteFile(from, []byte("text"), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(from, 0o555|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	chosen := []candidate{{path: from, name: "d/program"}, {path: from + ".gone", name: "d/gone"}}
	if err := place(t.Context(), chosen, to); err != nil {
		t.Fatal(err)
	}
	was, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	is, err := os.Stat(filepath.Join(to, "d/program"))
	if err != nil {
		t.Fatal(err)
	}
	if is.Mode() != 0o755 || !is.ModTime().Equal(was.ModTime()) || is.Size() != 4 {
		t.Errorf("mode %v, time %v, size %d", is.Mode(), is.ModTime(), is.Size())
	}
	if got := names(t, filepath.Join(to, "d")); len(got) != 1 {
		t.Errorf("placed %v", got)
	}
}

// changed makes the tree of build, applies rounds of a change and returns its fingerprint after each.
func changed(t *testing.T, s set, rounds int) []string {
	t.Helper()
	dir := t.TempDir()
	if err := s.build(t.Context(), dir, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	prints := []string{fingerprint(t, dir)}
	for round := 1; round <= rounds; round++ {
		if _, err := s.change(t.Context(), dir, round); err != nil {
			t.Fatal(err)
		}
		prints = append(prints, fingerprint(t, dir))
	}
	return prints
}

func TestChangesOfSetAAreTheSameEachTimeAndDifferByRound(t *testing.T) {
	one, two := changed(t, smallSet(), 3), changed(t, smallSet(), 3)
	if !reflect.DeepEqual(one, two) {
		t.Error("the same changes of the same tree gave different trees")
	}
	for i := range one[1:] {
		if one[i] == one[i+1] {
			t.Errorf("round %d changed nothing", i+1)
		}
	}
}

func TestAChangeOfSetAHasTheSizeItClaims(t *testing.T) {
	prints := changed(t, smallSet(), 1)
	before, after := lines(prints[0], "moving-"), lines(prints[1], "moving-")
	modified, added, removed := 0, 0, 0
	for name, print := range before {
		switch now, there := after[name]; {
		case !there:
			removed++
		case now != print:
			modified++
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			added++
		}
	}
	// 390 files may change.
	if modified != 2 || added != 1 || removed != 1 {
		t.Errorf("%d modified, %d added, %d removed", modified, added, removed)
	}
	if !strings.Contains(prints[1], "\nmoving-1/9 ") || strings.Contains(prints[1], "moving-0") {
		t.Error("the directory was not renamed")
	}
}

// lines maps the path in every line of a fingerprint to the rest, without the paths that begin with a prefix.
func lines(print, without string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(print) {
		if name, rest, ok := strings.Cut(line, " "); ok && !strings.HasPrefix(name, without) {
			m[name] = rest
		}
	}
	return m
}

func TestChangesOfSetBAreTheSameEachTimeAndInsertOneMebibyte(t *testing.T) {
	const size = 300_000
	build := func(dir string) {
		for i, name := range []string{imageB, tarB, dumpB} {
			text := bytes.Repeat([]byte{byte('a' + i)}, size)
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		build(dir)
		if _, err := changeB(t.Context(), dir, 1); err != nil {
			t.Fatal(err)
		}
	}
	if fingerprint(t, one) != fingerprint(t, two) {
		t.Error("the same change of the same files gave different files")
	}
	after, err := os.ReadFile(filepath.Join(one, dumpB))
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != size+insertB || len(names(t, one)) != 3 {
		t.Errorf("%d bytes after an insertion into %d; files: %v", len(after), size, names(t, one))
	}
}

func TestTheDumpIsTheSameEachTimeAndAsLongAsAsked(t *testing.T) {
	var one, two bytes.Buffer
	for _, b := range []*bytes.Buffer{&one, &two} {
		if err := dump(t.Context(), b, 100_001); err != nil {
			t.Fatal(err)
		}
	}
	if one.Len() != 100_001 || !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Errorf("%d and %d bytes", one.Len(), two.Len())
	}
}

func TestNoiseDependsOnItsSeedAlone(t *testing.T) {
	text := map[uint64]string{}
	for _, seed := range []uint64{1, 2, 1} {
		var b bytes.Buffer
		if err := noise(&b, seed, 1000); err != nil {
			t.Fatal(err)
		}
		if was, there := text[seed]; there && was != b.String() {
			t.Error("one seed gave two streams")
		}
		text[seed] = b.String()
	}
	if text[1] == text[2] {
		t.Error("two seeds gave one stream")
	}
}

func TestSetDHasItsDirectories(t *testing.T) {
	dir := t.TempDir()
	s := newD(0.001)
	if err := s.build(t.Context(), dir, ""); err != nil {
		t.Fatal(err)
	}
	got, err := warm(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.files != s.size.files || got.dirs != 4 || len(names(t, filepath.Join(dir, "large"))) != 300 {
		t.Errorf("got %v, estimated %v", got, s.size)
	}
	full := newD(1).size
	if full.files != 1_300_000 || full.dirs != 1002 {
		t.Errorf("at full size: %v", full)
	}
}
