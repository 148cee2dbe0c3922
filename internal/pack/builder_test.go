package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"varve"
	"varve/internal/seal"
	"varve/internal/table"
)

// filler makes blobs, and knows again what became of them. Their bytes are not sealed: a Builder does not look at them.
type filler struct {
	w    *world
	rng  *rand.Rand
	left map[table.BlobID][]byte // the bytes of those that were not found in a pack yet
}

func newFiller(w *world) *filler {
	return &filler{w: w, rng: rand.New(rand.NewPCG(1, 2)), left: map[table.BlobID][]byte{}}
}

// blob returns a blob of one chunk, n bytes long in a pack.
func (f *filler) blob(n int) Sealed {
	s := Sealed{Data: make([]byte, n), Session: f.w.writer.session(), Domain: f.w.writer.Domain}
	for at := 0; at < n; at += 4096 {
		binary.LittleEndian.PutUint64(s.Data[at:min(at+8, n)], f.rng.Uint64())
	}
	plain := uint32(n - seal.Overhead)
	s.Blob = table.Blob{Sealed: uint32(n), Plain: plain, Chunks: []table.Chunk{{Len: plain}}}
	binary.LittleEndian.PutUint64(s.Blob.Chunks[0].ID[:], f.rng.Uint64())
	s.Blob.ID = s.Blob.ComputeID()
	f.left[s.Blob.ID] = s.Data
	return s
}

// check reads the packs and looks for every blob.
func (f *filler) check(t *testing.T, packs []stored) {
	t.Helper()
	for _, p := range packs {
		if sha256.Sum256(p.data) != p.Name {
			t.Fatal("a pack's name is not its hash")
		}
		read, err := f.w.reader.Table(t.Context(), p.Name, int64(p.Size), In(p.data))
		if diff := cmp.Diff(p.Pack, read); err != nil || diff != "" {
			t.Fatalf("the table that was put is not the one that is read: %v\n%s", err, diff)
		}
		for _, b := range read.Blobs {
			if !bytes.Equal(f.left[b.ID], p.data[b.Off:b.End()]) {
				t.Errorf("blob %s is not what it was, or there twice", b.ID)
			}
			delete(f.left, b.ID)
		}
	}
	for id := range f.left {
		t.Errorf("blob %s is in no pack", id)
	}
}

func TestFullPacksAreOfOneSizeAndTheLastOfPadmes(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	f := newFiller(w)
	var s shelf
	b := w.writer.NewBuilder(s.put)
	for range 48 {
		if err := b.Add(t.Context(), f.blob(300<<10+f.rng.IntN(1<<20))); err != nil {
			t.Fatal(err)
		}
	}
	full := len(s.packs)
	if err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if full < 2 || len(s.packs) > full+openPacks {
		t.Fatalf("%d packs, then %d", full, len(s.packs))
	}
	for i, p := range s.packs {
		last := p.Blobs[len(p.Blobs)-1]
		switch {
		case i < full && p.Size != table.MaxPack:
			t.Errorf("a full pack has %d bytes", p.Size)
		case i < full && p.Size-last.End() > mostPadding+32<<10:
			t.Errorf("a full pack has %d bytes beside its blobs", p.Size-last.End())
		case int(p.Size) != len(p.data) || seal.Padme(len(p.data)) != len(p.data):
			t.Errorf("a pack has %d bytes", p.Size)
		}
	}
	f.check(t, s.packs)
}

func TestABlobGoesWhereItLeavesLeast(t *testing.T) {
	w := theWorld(t)
	f := newFiller(w)
	b := w.writer.NewBuilder(new(shelf).put)
	for _, n := range []int{8 << 20, 7 << 20, 2 << 20, 900 << 10} {
		if err := b.Add(t.Context(), f.blob(n)); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.open) != 2 || len(b.open[0].pack.Blobs) != 3 || len(b.open[1].pack.Blobs) != 1 {
		t.Fatalf("%d open packs", len(b.open))
	}
}

func TestAPackWithMuchLeftIsPaddedNoFurtherThanPadme(t *testing.T) {
	for _, test := range []struct {
		n    int
		last bool
		want int
	}{
		{table.MaxPack - mostPadding, false, table.MaxPack},
		{table.MaxPack - mostPadding - 1<<18, false, table.MaxPack - mostPadding - 1<<18},
		{table.MaxPack - mostPadding - 1, true, table.MaxPack - mostPadding},
		{table.MaxPack - 1, true, table.MaxPack},
		{table.MaxPack, false, table.MaxPack},
		{10_001, true, seal.Padme(10_001)},
	} {
		if got := packSize(test.n, test.last); got != test.want {
			t.Errorf("packSize(%d, %v) = %d, want %d", test.n, test.last, got, test.want)
		}
	}
}

func TestAPackIsFullWhenItsTableIs(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	bundle := w.writer.NewBundle(table.ContentGroup)
	for i := range BundleChunks {
		if err := bundle.Add(varve.ChunkID{byte(i), byte(i >> 8)}, table.Content, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	sealed := bundle.Seal()
	for i := range sealed.Blob.Chunks {
		copy(sealed.Blob.Chunks[i].ID[:], noise(uint64(i), 32))
	}
	var s shelf
	b := w.writer.NewBuilder(s.put)
	for range 9 * table.MaxTable / sealed.Blob.MaxSize() / 4 {
		if err := b.Add(t.Context(), sealed); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.packs) == 0 {
		t.Fatal("no pack is full")
	}
	p := s.packs[0]
	read, err := w.reader.Table(t.Context(), p.Name, int64(p.Size), In(p.data))
	if err != nil || len(read.Blobs) != len(p.Blobs) {
		t.Fatalf("%d blobs of %d: %v", len(read.Blobs), len(p.Blobs), err)
	}
}

func TestABuilderWithoutBlobsPutsNothing(t *testing.T) {
	var s shelf
	if err := theWorld(t).writer.NewBuilder(s.put).Finish(t.Context()); err != nil || len(s.packs) != 0 {
		t.Errorf("%d packs, %v", len(s.packs), err)
	}
}

func TestABuilderCanBeUsedAfterItsFinish(t *testing.T) {
	w := theWorld(t)
	f := newFiller(w)
	var s shelf
	b := w.writer.NewBuilder(s.put)
	for range 3 {
		if err := errors.Join(b.Add(t.Context(), f.blob(5000)), b.Finish(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.packs) != 3 {
		t.Errorf("%d packs", len(s.packs))
	}
	f.check(t, s.packs)
}

func TestABlobThatIsNotOfTheFormatIsRefused(t *testing.T) {
	w := theWorld(t)
	for name, spoil := range map[string]func(*Sealed){
		"length":  func(s *Sealed) { s.Data = s.Data[1:] },
		"session": func(s *Sealed) { s.Session = s.Session[1:] },
		"chunks":  func(s *Sealed) { s.Blob.Chunks = nil },
		"size": func(s *Sealed) {
			s.Data = make([]byte, table.MaxBlob+seal.Overhead+1)
			s.Blob.Sealed = uint32(len(s.Data))
		},
	} {
		s := newFiller(w).blob(100)
		spoil(&s)
		b := w.writer.NewBuilder(new(shelf).put)
		if err := b.Add(t.Context(), s); err == nil {
			t.Errorf("a blob of wrong %s was taken", name)
		}
		if err := b.Finish(t.Context()); err != nil {
			t.Errorf("a refused blob of wrong %s spoils the builder: %v", name, err)
		}
	}
}

func TestAFailedPutFailsEverythingAfterIt(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	f := newFiller(w)
	no := errors.New("no")
	puts := 0
	b := w.writer.NewBuilder(func(context.Context, table.Pack, []byte) error { puts++; return no })
	var err error
	for i := 0; i < 10 && err == nil; i++ {
		err = b.Add(t.Context(), f.blob(7<<20))
	}
	if !errors.Is(err, no) {
		t.Fatalf("Add: %v", err)
	}
	if err := b.Add(t.Context(), f.blob(100)); !errors.Is(err, no) {
		t.Errorf("the next Add: %v", err)
	}
	if err := b.Finish(t.Context()); !errors.Is(err, no) || puts != 1 {
		t.Errorf("Finish: %v after %d puts", err, puts)
	}
}

func TestNothingIsPutAfterACancellation(t *testing.T) {
	w := theWorld(t)
	var s shelf
	b := w.writer.NewBuilder(s.put)
	if err := b.Add(t.Context(), newFiller(w).blob(100)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Finish(ctx); !errors.Is(err, context.Canceled) || len(s.packs) != 0 {
		t.Errorf("%v, and %d packs", err, len(s.packs))
	}
}

func TestSeveralGoroutinesFillPacksInBoundedMemory(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	f := newFiller(w)
	var blobs []Sealed
	for range 26 {
		blobs = append(blobs, f.blob(100<<10+f.rng.IntN(2<<20)))
	}
	var s shelf
	var mu sync.Mutex
	buffers := map[*byte]bool{}
	b := w.writer.NewBuilder(func(ctx context.Context, p table.Pack, data []byte) error {
		mu.Lock()
		buffers[&data[0]] = true
		mu.Unlock()
		return s.put(ctx, p, data)
	})
	const workers = 4
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() {
			for j := i; j < len(blobs); j += workers {
				if err := b.Add(t.Context(), blobs[j]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(buffers) > openPacks+2*workers {
		t.Errorf("%d buffers", len(buffers))
	}
	f.check(t, s.packs)
}

func TestBlobsMoveBetweenPacksUnopened(t *testing.T) {
	w := theWorld(t)
	var old shelf
	var want [][]byte
	for range 3 { // three runs, each with a session of its own
		w.writer = w.newWriter(t, w.client.Signer())
		b := w.writer.NewBuilder(old.put)
		for range 4 {
			want = append(want, noise(uint64(len(want)), 3000))
			if err := b.Add(t.Context(), w.bundle(t, table.Content, want[len(want)-1]).Seal()); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var s shelf
	mover := w.newWriter(t, w.admin())
	mover.Domain = table.Domain(w.admin().ID()) // must not matter
	b := mover.NewBuilder(s.put)
	for _, p := range old.packs {
		for i, blob := range p.Blobs {
			moved, err := SealedIn(&p.Pack, i, p.data[blob.Off:blob.End()])
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Add(t.Context(), moved); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.packs) != 1 || len(s.packs[0].Sessions) != 4 || len(s.packs[0].Domains) != 1 || len(s.packs[0].Blobs) != 12 {
		t.Fatalf("%d packs, the first with %d sessions", len(s.packs), len(s.packs[0].Sessions))
	}
	if !bytes.Equal(s.packs[0].Sessions[0], mover.session()) {
		t.Error("the first session of a pack is not its own")
	}
	if _, got, err := w.readAll(s.packs[0].data, s.packs[0].Name); err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the pack does not hold what was moved: %v", err)
	}
	if _, err := SealedIn(&s.packs[0].Pack, 0, []byte("short")); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("a blob cut short was taken: %v", err)
	}
}
