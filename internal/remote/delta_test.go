package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"varve"
	"varve/internal/digest"
	"varve/internal/storetest"
)

// blob is a Source with one file.
type blob struct {
	*storetest.Tree
	content []byte
}

func newBlob(content []byte) *blob {
	b := &blob{storetest.NewTree(), content}
	b.File("big", "")
	return b
}

func (b *blob) entry() varve.Entry {
	return varve.Entry{Path: "big", Kind: varve.Regular, Mode: 0o600, Size: int64(len(b.content))}
}

// Open opens the file.
func (b *blob) Open(context.Context, varve.Entry) (varve.File, error) {
	return &blobFile{Reader: bytes.NewReader(b.content), blob: b}, nil
}

type blobFile struct {
	io.Reader
	blob *blob
}

func (f *blobFile) Entry() (varve.Entry, error) { return f.blob.entry(), nil }
func (f *blobFile) Close() error                { return nil }

// stream is a basis that cannot be read at an offset.
type stream struct{ io.Reader }

func (stream) Close() error { return nil }

// transfer reads a file over a connection, with a basis or nil, and returns how many bytes crossed in both directions.
func transfer(t testing.TB, content []byte, basis Basis) int64 {
	t.Helper()
	a, b := pipes(t)
	near := &counted{ReadWriteCloser: a}
	src := newBlob(content)
	l, err := dial(near, b, serving(src))
	must(t, err)
	defer l.close()
	far := openSource(t, l, basis)
	f, err := far.Open(t.Context(), src.entry())
	must(t, err)
	defer f.Close()
	h := digest.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if h.Digest() != digest.Sum(content) {
		t.Fatal("the content is not what it is")
	}
	if e, err := f.Entry(); err != nil || e.Size != int64(len(content)) {
		t.Errorf("afterwards: %+v, error %v", e, err)
	}
	return near.read.Load() + near.written.Load()
}

// bases returns both sorts of basis with a content.
func bases(t testing.TB, content []byte) map[string]Basis {
	name := filepath.Join(t.TempDir(), "old")
	must(t, os.WriteFile(name, content, 0o600))
	return map[string]Basis{
		"random access": func(context.Context, varve.Entry) (io.ReadCloser, error) { return os.Open(name) },
		"stream": func(context.Context, varve.Entry) (io.ReadCloser, error) {
			return stream{bytes.NewReader(content)}, nil
		},
	}
}

// bulk is how long the files of these tests are.
func bulk() int {
	if racing {
		return 4 << 20
	}
	return 24 << 20
}

func TestOnlyWhatChangedOfABigFileCrosses(t *testing.T) {
	old := noise(1, bulk())
	lists := int64(len(old)/(24<<10)*(pieceSize+1) + 10_000) // 36 bytes for every chunk of about 32 KiB
	middle := len(old) / 2
	for name, c := range map[string]struct {
		now  []byte
		most int64
	}{
		"unchanged":             {old, lists},
		"inserted at the head":  {slices.Concat(noise(2, 1<<20), old), 1<<20 + 600_000 + lists},
		"cut off at the head":   {old[1<<20+12345:], 600_000 + lists},
		"appended":              {slices.Concat(old, noise(2, 1<<20)), 1<<20 + 600_000 + lists},
		"changed in the middle": {slices.Concat(old[:middle], noise(3, 1000), old[middle+1000:]), 600_000 + lists},
		"cut short":             {old[:middle], 600_000 + lists},
	} {
		t.Run(name, func(t *testing.T) {
			for sort, basis := range bases(t, old) {
				if n := transfer(t, c.now, basis); n > c.most {
					t.Errorf("%s: %d bytes crossed, %d at most were expected", sort, n, c.most)
				}
			}
		})
	}
}

func TestContentIsFoundWhereverItMoved(t *testing.T) {
	old := noise(1, bulk())
	middle := len(old) / 2
	now := slices.Concat(old[middle:], old[:middle])
	if n := transfer(t, now, bases(t, old)["random access"]); n > int64(len(old))/50+600_000 {
		t.Errorf("%d bytes crossed of halves that changed places", n)
	}
	if n := transfer(t, now, bases(t, old)["stream"]); n > int64(len(old))*11/10 { // right, if not cheap
		t.Errorf("%d bytes crossed", n)
	}
}

func TestABasisThatIsOfNoUseDoesNoHarm(t *testing.T) {
	content := noise(1, 3<<20)
	zeros := make([]byte, 3<<20)
	for name, basis := range map[string]Basis{
		"other": bases(t, noise(2, 3<<20))["random access"], "empty": bases(t, nil)["random access"], "zeros": bases(t, zeros)["stream"],
		"absent": func(context.Context, varve.Entry) (io.ReadCloser, error) { return nil, os.ErrNotExist },
		"broken": func(context.Context, varve.Entry) (io.ReadCloser, error) {
			return stream{io.MultiReader(bytes.NewReader(content[:1<<20]), failing{})}, nil
		},
		"changing": func(context.Context, varve.Entry) (io.ReadCloser, error) {
			return &shifty{Reader: *bytes.NewReader(content), other: noise(9, 1000)}, nil
		},
		"closed": func(context.Context, varve.Entry) (io.ReadCloser, error) {
			f, err := os.Open(os.DevNull)
			must(t, err)
			return f, f.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			if n := transfer(t, content, basis); n > 3<<20+600_000 {
				t.Errorf("%d bytes crossed", n)
			}
		})
	}
	transfer(t, zeros, bases(t, zeros)["random access"])
	transfer(t, zeros, bases(t, content)["stream"])
}

// failing is a reader that fails.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// shifty is a basis that says something else whenever it is read at an offset.
type shifty struct {
	bytes.Reader
	other []byte
}

func (s *shifty) Close() error { return nil }

// ReadAt reads something else.
func (s *shifty) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = s.other[i%len(s.other)]
	}
	return len(p), nil
}

func BenchmarkFile(b *testing.B) {
	content := noise(1, 64<<20)
	for name, basis := range map[string]Basis{"plain": nil, "unchanged": bases(b, content)["random access"]} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				transfer(b, content, basis)
			}
		})
	}
}

func BenchmarkSmallFiles(b *testing.B) {
	tree := storetest.NewTree()
	e := tree.File("small", storetest.Text(1000)).Entry
	e.Path, e.Size = "small", 1000
	src := openSource(b, connect(b, serving(tree)), nil)
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := readAll(src, e); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkEntries(b *testing.B) {
	tree := storetest.NewTree()
	for i := range 10_000 {
		tree.File(fmt.Sprintf("a file with a name of some length %06d", i), "")
	}
	src := openSource(b, connect(b, serving(tree)), nil)
	for b.Loop() {
		for _, err := range src.Entries(b.Context()) {
			must(b, err)
		}
	}
}

func TestATouchedFileCostsNoContentInAStore(t *testing.T) {
	tree := storetest.NewTree()
	content := string(noise(1, 4<<20))
	tree.File("big", content)
	store := newGround(t).store(t)
	_, err := push(store, tree, "s")
	must(t, err)
	tree.Edit("big", func(o *storetest.Object) { o.MTime.Sec++ })
	for name, pull := range map[string]func(near, far io.ReadWriteCloser) varve.Snapshot{
		"pulled": func(near, far io.ReadWriteCloser) varve.Snapshot {
			l, err := dial(near, far, serving(tree))
			must(t, err)
			defer l.close()
			base := NewBasis(store, "s")
			defer base.Close()
			snap, err := push(store, openSource(t, l, base.Open), "s")
			must(t, err)
			return snap
		},
		"pushed": func(near, far io.ReadWriteCloser) varve.Snapshot {
			l, err := dial(near, far, Service{Role: Append, Store: store})
			must(t, err)
			defer l.close()
			snap, err := push(l.Client.Store(), tree, "s")
			must(t, err)
			return snap
		},
	} {
		a, b := pipes(t)
		near := &counted{ReadWriteCloser: a}
		snap := pull(near, b)
		if n := near.read.Load() + near.written.Load(); n > 100_000 {
			t.Errorf("%s: %d bytes crossed", name, n)
		}
		holds(t, store, snap.ID, tree)
		tree.Edit("big", func(o *storetest.Object) { o.MTime.Sec++ })
	}
}
