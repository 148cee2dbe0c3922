package index

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/table"
)

func TestAFileThatCannotBeWrittenCostsMemoryAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	s := openSet(t, dir)
	must(t, os.Remove(dir))
	add(t, s, packOf(1, 1, []int{1}))
	if err := s.Flush(); err == nil || errors.Is(err, varve.ErrDamaged) {
		t.Fatalf("flush into a directory that is not there: %v", err)
	}
	wantPlaces(t, s, 1, 1, 1)
	add(t, s, packOf(2, 1, []int{2}))
	must(t, os.Mkdir(dir, 0o700))
	must(t, s.Flush())
	s = openSet(t, dir)
	wantPlaces(t, s, 1, 1, 1)
	wantPlaces(t, s, 1, 2, 2)
}

func TestTwoSetsShareADirectory(t *testing.T) {
	dir := t.TempDir()
	a, b := openSet(t, dir), openSet(t, dir)
	a.maxFiles, b.maxFiles = 2, 2
	for n := range 10 {
		add(t, a, packOf(n, 1, []int{n}), packOf(100+n, 1, []int{1000}))
		add(t, b, packOf(n, 1, []int{n}), packOf(200+n, 1, []int{1000}))
		must(t, a.Flush())
		must(t, b.Flush())
	}
	must(t, a.Remove(nameOf(5)))
	must(t, a.Flush())
	wantPlaces(t, a, 1, 5)
	wantPlaces(t, b, 1, 5, 5)
	c := openSet(t, dir)
	for n := range 10 {
		if n != 5 { // one set says that it is gone, the other one had it in a file of the same age, perhaps
			wantPlaces(t, c, 1, n, n)
		}
	}
	list, err := c.LookupAll(table.Domain{1}, idOf(1000))
	if err != nil || len(list) != 20 {
		t.Errorf("%d places, %v", len(list), err)
	}
}

func TestWhoOpensWhileOthersJoinMissesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openSet(t, dir)
	s.maxFiles = 2
	var flushed atomic.Int32
	var wait sync.WaitGroup
	wait.Go(func() {
		defer flushed.Store(60)
		for n := range 60 {
			p := packOf(n, 1, []int{n})
			if err := errors.Join(s.Add(&p), s.Flush()); err != nil {
				t.Error(err)
				return
			}
			flushed.Store(int32(n + 1))
		}
	})
	for done := 0; done < 60 && !t.Failed(); {
		done = int(flushed.Load())
		other := openSet(t, dir)
		for n := range done {
			wantPlaces(t, other, 1, n, n)
		}
	}
	wait.Wait()
}

func TestASetServesManyAtOnce(t *testing.T) {
	s := openSet(t, t.TempDir())
	s.budget, s.maxFiles = 20000, 2
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for n := range 25 {
				number := 100*worker + n
				p := packOf(number, 1, []int{number, 5000})
				failed := s.Add(&p)
				place, found, err := s.Lookup(table.Domain{1}, idOf(number))
				if failed != nil || err != nil || !found || place.Pack != nameOf(number) {
					t.Errorf("%v, %v, %v, %v", failed, place, found, err)
				}
			}
		})
	}
	wait.Go(func() {
		for range 10 {
			count := 0
			for _, err := range s.Entries() {
				if err != nil {
					t.Error(err)
				}
				count++
			}
			if err := errors.Join(s.Remove(nameOf(10000+count)), s.Flush()); err != nil {
				t.Error(err)
			}
		}
	})
	wait.Wait()
	list, err := s.LookupAll(table.Domain{1}, idOf(5000))
	if err != nil || len(list) != 100 {
		t.Errorf("%d places, %v", len(list), err)
	}
}

func TestOneOfManyMarksAChunkFirst(t *testing.T) {
	s := openSet(t, t.TempDir())
	add(t, s, packOf(1, 1, []int{1, 2, 3}))
	must(t, s.Flush())
	add(t, s, packOf(2, 1, []int{1}))
	marks := s.NewMarks()
	defer marks.Close()
	var fresh atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			_, first, err := marks.Mark(table.Domain{1}, idOf(2))
			if err != nil {
				t.Error(err)
			}
			if first {
				fresh.Add(1)
			}
		})
	}
	wait.Wait()
	if fresh.Load() != 1 {
		t.Errorf("%d marked it first", fresh.Load())
	}
}

func TestFilesAreLetGoOf(t *testing.T) {
	dir := t.TempDir()
	s := openSet(t, dir)
	add(t, s, packOf(1, 1, []int{1, 2}), packOf(2, 1, []int{3}))
	must(t, s.Flush())
	f := s.layers[0].file
	for range s.Packs() {
		break
	}
	for range s.Entries() {
		break
	}
	marks := s.NewMarks()
	for range marks.Usage() {
		break
	}
	marks.Close()
	if n := f.refs.Load(); n != 1 {
		t.Errorf("%d use it", n)
	}
	s.maxFiles = 1
	add(t, s, packOf(3, 1, []int{1, 2}))
	must(t, s.Flush())
	if n := f.refs.Load(); n != 0 {
		t.Errorf("%d use a file that was joined", n)
	}
	if _, err := os.Stat(f.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that was joined is still there: %v", err)
	}
}

func TestUnfinishedFilesAreRemovedAndOthersLeftAlone(t *testing.T) {
	dir := t.TempDir()
	keep := []string{"v2-0123.index", "other", "v1-x.index.bak"}
	for _, name := range append(keep, tempest+"abandoned", prefix+"garbage"+suffix) {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("something"), 0o600))
	}
	must(t, os.Mkdir(filepath.Join(dir, prefix+"directory"+suffix), 0o700))
	writing, _, err := temporary(dir)
	must(t, err)
	defer func() { _ = writing.Close() }()
	openSet(t, dir)
	want := append(keep, prefix+"directory"+suffix, filepath.Base(writing.Name()))
	if !locks {
		want = append(want, tempest+"abandoned")
	}
	var got []string
	for _, path := range filesIn(t, dir, "*") {
		got = append(got, filepath.Base(path))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
