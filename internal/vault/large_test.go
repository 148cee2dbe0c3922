package vault

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/storetest"
)

// stream is a source of one file that takes no memory: a head, and then size random bytes, always the same.
type stream struct {
	head string
	size int64
	time int64 // when it was changed
}

func (s *stream) entries() []varve.Entry {
	at := varve.Time{Sec: 1_700_000_000 + s.time}
	root := varve.Entry{Kind: varve.Dir, Mode: 0o755, MTime: at}
	return []varve.Entry{root, {Path: "file", Kind: varve.Regular, Mode: 0o600, Size: int64(len(s.head)) + s.size, MTime: at,
		Stamp: varve.Stamp{Dev: 1, Ino: 2, CTime: at}}}
}

func (s *stream) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range s.entries() {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (s *stream) read() io.Reader {
	return io.MultiReader(strings.NewReader(s.head), io.LimitReader(rand.NewChaCha8([32]byte{1, 2, 3}), s.size))
}

func (s *stream) Open(context.Context, varve.Entry) (varve.File, error) {
	return &streamed{io.NopCloser(s.read()), s.entries()[1]}, nil
}

// streamed is the file of a stream, opened.
type streamed struct {
	io.ReadCloser
	entry varve.Entry
}

func (s *streamed) Entry() (varve.Entry, error) { return s.entry, nil }

func TestAMebibyteInFrontOfALargeFileAddsLittle(t *testing.T) {
	size := int64(64 << 20)
	switch {
	case testing.Short() || racing():
		size = 24 << 20
	case strict():
		size = 1 << 30
	}
	e := newEstate(t)
	s := e.open(e.machine(e.root))
	defer s.Close()
	before := &stream{size: size}
	_, err := s.Save(context.Background(), before, e.saving("large"))
	fatal(t, err)
	stored := e.stored("")
	after := &stream{size: size, head: noise(5, 1<<20), time: 1}
	snap, err := s.Save(context.Background(), after, e.saving("large"))
	fatal(t, err)
	added := e.stored("") - stored
	if added > 8<<20 {
		t.Errorf("a mebibyte more adds %d bytes to %d", added, stored)
	}
	t.Logf("%d bytes were added to %d", added, stored)

	v, err := s.View(context.Background(), snap.ID)
	fatal(t, err)
	list, err := storetest.ReadDir(context.Background(), v, "")
	fatal(t, err)
	f, err := v.Open(context.Background(), list[0])
	fatal(t, err)
	defer f.Close()
	got, want := digest.New(), digest.New()
	_, err = io.Copy(got, f)
	fatal(t, err)
	_, err = io.Copy(want, after.read())
	fatal(t, err)
	if got.Digest() != want.Digest() || list[0].Digest != want.Digest() {
		t.Errorf("%d bytes were read that differ", got.Len())
	}
}

// tiny are chunks so small that files of some MiB need lists.
var tiny = chunk.Params{Min: 64, Avg: 256, Max: 1024}

func TestFilesOfManyChunksComeBackAndSmallChangesShowInAListOrTwo(t *testing.T) {
	for _, by := range []string{"restore key", "put-only key"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			key := e.root
			if by == "put-only key" {
				key = e.addClient("box")
			}
			m := e.machine(key)
			content := []byte(noise(11, 1<<20))
			src := storetest.NewTree()
			src.File("large", string(content))
			src.File("small", "of one chunk")
			e.saveTiny(m, src)
			lists := e.listsOf("large")
			if len(lists) < 4 {
				t.Fatalf("%d lists", len(lists))
			}

			content[len(content)/2] ^= 1
			src.Write("large", string(content))
			e.saveTiny(m, src)
			changed := 0
			for _, d := range e.listsOf("large") {
				if !slices.Contains(lists, d) {
					changed++
				}
			}
			if changed == 0 || changed > 2 {
				t.Errorf("%d of %d lists changed with one byte", changed, len(lists))
			}

			for range 2 { // what the run before knew is known to the one after it
				if opened := e.saveTiny(m, src); opened != 0 {
					t.Errorf("%d files were opened although nothing changed", opened)
				}
			}
			e.sound()
		})
	}
}

// saveTiny saves src in tiny chunks, and returns how many files were opened.
func (e *estate) saveTiny(m *machine, src *storetest.Tree) int64 {
	e.Helper()
	count := &counting{Tree: src}
	e.with(m, func(s *Store) {
		s.cuts = tiny
		snap, err := s.Save(context.Background(), count, e.saving("large"))
		e.need(err)
		e.held = append(e.held, holding{snap, src.Want()})
	})
	return count.opened.Load()
}

// listsOf returns the lists of chunks that the newest snapshot has of a file.
func (e *estate) listsOf(path string) (lists []varve.Digest) {
	e.Helper()
	e.with(e.machine(e.root), func(s *Store) {
		v, err := s.View(context.Background(), e.held[len(e.held)-1].snap.ID)
		e.need(err)
		list, err := storetest.ReadDir(context.Background(), v, "")
		e.need(err)
		for _, entry := range list {
			if entry.Path == path {
				if entry.Depth == 0 {
					e.Fatalf("%s has %d chunks and no lists", path, len(entry.Chunks))
				}
				lists = entry.Chunks
			}
		}
	})
	return lists
}

func TestListsOfListsUnfoldToWhatWasPutIntoThem(t *testing.T) {
	e := newEstate(t)
	s := e.open(e.machine(e.root))
	defer s.Close()
	in, err := s.newIntake(context.Background(), false)
	fatal(t, err)
	random := rand.NewChaCha8([32]byte{4})
	want := make([]varve.Digest, 400_000)
	for i := range want {
		random.Read(want[i][:])
	}
	entry := varve.Entry{Kind: varve.Regular, Digest: varve.Digest{1}, Chunks: slices.Clone(want)}
	fatal(t, in.enlist(&entry))
	fatal(t, in.finish())
	if entry.Depth != 2 || len(entry.Chunks) > maxList {
		t.Fatalf("%d digests at depth %d", len(entry.Chunks), entry.Depth)
	}
	n, lists := 0, 0
	for ref, err := range chunksOf(context.Background(), &entry, in.list) {
		fatal(t, err)
		if ref.class == digest.ClassList {
			lists++
			continue
		}
		if n == len(want) || ref.digest != want[n] {
			t.Fatalf("chunk %d is another one", n)
		}
		n++
	}
	if n != len(want) || lists < len(want)/maxList {
		t.Errorf("%d of %d chunks, in %d lists", n, len(want), lists)
	}
}

// TestLedgersKeepWhatTheyAreToldAndNothingThatWasChanged also tries values that are as long as those of large files.
func TestLedgersKeepWhatTheyAreToldAndNothingThatWasChanged(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	s := e.open(m)
	defer s.Close()
	l, err := s.openLedger("box", nil)
	fatal(t, err)
	var list []varve.Entry
	for i := range 50 {
		entry := varve.Entry{Path: fmt.Sprint(i), Kind: varve.Regular, Size: int64(1000 + i), Flags: uint32(i % 3),
			Digest: varve.Digest{byte(i), 1}, Stamp: varve.Stamp{Dev: 1, Ino: uint64(100 + i), CTime: varve.Time{Sec: 5, Nsec: int32(i)}}}
		if i%2 == 0 {
			entry.Holes = []varve.Extent{{Off: 10, Len: 20}, {Off: 100, Len: int64(i + 1)}}
		}
		for c := range 200 * i {
			entry.Chunks = append(entry.Chunks, varve.Digest{byte(c), byte(c >> 8), byte(i)})
		}
		fatal(t, l.Learn(&entry, false))
		list = append(list, entry)
	}
	fatal(t, l.Keep(&varve.Snapshot{State: varve.Complete}))
	fatal(t, l.Close())
	l, err = s.openLedger("box", nil)
	fatal(t, err)
	defer l.Close()
	for _, want := range list {
		got := varve.Entry{Path: "elsewhere", Kind: varve.Regular, Size: want.Size, Stamp: want.Stamp}
		if known, err := l.Seek(&got); err != nil || !known {
			t.Fatalf("%s: known %v, error %v", want.Path, known, err)
		}
		got.Path = want.Path
		if got.Digest != want.Digest || got.Flags != want.Flags || !slices.Equal(got.Chunks, want.Chunks) || !slices.Equal(got.Holes, want.Holes) {
			t.Errorf("%s: it is not what was learnt", want.Path)
		}
		for _, other := range []func(*varve.Entry){func(e *varve.Entry) { e.Size++ }, func(e *varve.Entry) { e.MTime.Nsec++ },
			func(e *varve.Entry) { e.Stamp.Ino++; e.Stamp.Dev++ }, func(e *varve.Entry) { e.Stamp.CTime.Sec++ }} {
			changed := want
			other(&changed)
			if known, err := l.Seek(&changed); err != nil || known {
				t.Errorf("%s changed: known %v, error %v", want.Path, known, err)
			}
		}
	}
}
