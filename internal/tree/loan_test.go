package tree

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

func TestALoanIsWrittenAsTheFormatHasIt(t *testing.T) {
	id := varve.SnapshotID{1, 2, 3, 15: 16}
	for _, c := range []struct {
		path, at string
		want     string
	}{
		{"a/b", "a/b", string(id[:]) + strings.Repeat("\x00", 16)},
		{"a/c", "a/b", string(id[:]) + "a/c" + strings.Repeat("\x00", 13)},
		{strings.Repeat("x", 16), "y", string(id[:]) + strings.Repeat("x", 16)},
		{strings.Repeat("x", 17), "y", string(id[:]) + strings.Repeat("x", 17) + strings.Repeat("\x00", 31)},
	} {
		e := varve.Entry{Path: c.at, Kind: varve.Regular, Size: 1, Digest: varve.Digest{1}}
		if !(loan{id, c.path}).set(&e) || !isLent(&e) {
			t.Fatalf("%q cannot be lent", c.path)
		}
		var got []byte
		for _, p := range e.Chunks {
			got = append(got, p[:]...)
		}
		if string(got) != c.want {
			t.Errorf("%q is written as %q, want %q", c.path, got, c.want)
		}
		if l, err := loanOf(&e); err != nil || l != (loan{id, c.path}) {
			t.Errorf("%q comes back as %+v, error %v", c.path, l, err)
		}
	}
	e := varve.Entry{Path: "short", Kind: varve.Regular}
	if (loan{id, strings.Repeat("x", maxLoan)}).set(&e) {
		t.Error("a loan that has no room is taken")
	}
}

func TestALoanLeadsNowhereElse(t *testing.T) {
	d := memfs.New(memfs.Options{})
	root := d.Root()
	if err := Init(root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"outside", ".varve/outside"} {
		dir, err := disk.OpenPath(root, varve.Parent(name))
		if err != nil {
			t.Fatal(err)
		}
		if w, err := dir.Create(nameOf(name), 0o600); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := s.newPlaces()
	defer p.Close()
	for _, path := range []string{"../outside", "../../outside", "..", ".", "", "/", "a/../../../outside", "a//b", "/outside", "a\x00b"} {
		err := p.use(loan{path: path}, func(at disk.FS, name string) error {
			_, err := at.Open(name)
			return err
		})
		if err == nil {
			t.Errorf("%q leads to a file", path)
		}
	}
	for _, e := range []varve.Entry{{}, {Chunks: make([]varve.Digest, 1), Depth: 1}} {
		if _, err := loanOf(&e); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%+v is a loan, error %v", e, err)
		}
	}
}

// flaky is a file whose n-th read fails.
type flaky struct {
	io.ReaderAt
	reads, bad atomic.Int64
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if f.reads.Add(1) == f.bad.Load() {
		return 0, fs.ErrPermission
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestAWindowShowsWhatTheFileHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, windowBlock - 1, windowBlock, windowBlock + 1, 70*windowBlock + 5} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f := &flaky{ReaderAt: bytes.NewReader(data)}
		w := newWindow(f, int64(size))
		for range 300 {
			off := r.Int64N(int64(size) + 10)
			got := make([]byte, r.IntN(3*windowBlock))
			n, err := w.ReadAt(got, off)
			want := data[min(int(off), size):min(int(off)+len(got), size)]
			if !bytes.Equal(got[:n], want) || (n < len(got)) != (err == io.EOF) || err != nil && err != io.EOF {
				t.Fatalf("size %d: %d bytes at %d: got %d, error %v", size, len(got), off, n, err)
			}
		}
		w.Close()
	}
}

func TestAWindowTellsOfAReadThatFailsAndTriesAgain(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 10*windowBlock/16)
	for bad := range int64(14) {
		f := &flaky{ReaderAt: bytes.NewReader(data)}
		f.bad.Store(bad)
		w := newWindow(f, int64(len(data)))
		failed := 0
		for off := 0; off < len(data); {
			got := make([]byte, 30_000)
			n, err := w.ReadAt(got, int64(off))
			if err != nil && err != io.EOF {
				failed++
			}
			if !bytes.Equal(got[:n], data[off:off+n]) {
				t.Fatalf("other bytes at %d", off)
			}
			off += n
		}
		if most := 1; failed > most {
			t.Errorf("read %d fails once, and %d times it was told", bad, failed)
		}
		w.Close()
	}
}

func TestAWindowOnAFileThatIsShorterThanItsSizeEndsThere(t *testing.T) {
	w := newWindow(bytes.NewReader(make([]byte, 100)), 3*windowBlock)
	defer w.Close()
	for _, off := range []int64{0, 50, 100, 2 * windowBlock} {
		n, err := w.ReadAt(make([]byte, 200), off)
		if want := int(max(100-off, 0)); n != want || err != io.EOF {
			t.Errorf("at %d: %d bytes, error %v, want %d and io.EOF", off, n, err, want)
		}
	}
}
