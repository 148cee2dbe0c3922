package pack

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/seal"
	"varve/internal/table"
)

func TestABundleTakesSmallChunksTogetherAndALargeOneAlone(t *testing.T) {
	b := theWorld(t).writer.NewBundle(table.ContentGroup)
	if !b.Fits(table.MaxChunk) || b.Fits(table.MaxChunk+1) {
		t.Error("an empty bundle does not take just what a chunk may be")
	}
	if err := b.Add(varve.ChunkID{}, table.Content, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if !b.Fits(BundleSize-1000) || b.Fits(BundleSize-999) {
		t.Error("a bundle that holds something does not take just what leaves it within its size")
	}
	b.Reset()
	if err := b.Add(varve.ChunkID{}, table.Content, make([]byte, table.MaxChunk)); err != nil {
		t.Fatal(err)
	}
	if b.Fits(1) || b.Len() != table.MaxChunk {
		t.Error("something fits beside the largest chunk")
	}
	b.Reset()
	for range BundleChunks {
		if err := b.Add(varve.ChunkID{}, table.Content, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if b.Fits(1) {
		t.Error("a bundle takes more chunks than BundleChunks")
	}
}

func TestABundleRefusesWhatDoesNotBelongThere(t *testing.T) {
	for name, add := range map[string]func(*Bundle) error{
		"an empty chunk": func(b *Bundle) error { return b.Add(varve.ChunkID{}, table.Content, nil) },
		"a page":         func(b *Bundle) error { return b.Add(varve.ChunkID{}, table.Page, []byte{1}) },
		"a new class":    func(b *Bundle) error { return b.Add(varve.ChunkID{}, 3, []byte{1}) },
		"a huge chunk":   func(b *Bundle) error { return b.Add(varve.ChunkID{}, table.Content, make([]byte, table.MaxChunk+1)) },
	} {
		b := theWorld(t).writer.NewBundle(table.ContentGroup)
		if err := add(b); err == nil || b.Len() != 0 {
			t.Errorf("%s: %v, and the bundle holds %d bytes", name, err, b.Len())
		}
	}
}

func TestAChunkReadIntoTheRoomOfABundleIsNotCopied(t *testing.T) {
	w := theWorld(t)
	b := w.writer.NewBundle(table.ContentGroup)
	want := []byte("before")
	if err := b.Add(varve.ChunkID{1}, table.Content, want); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := b.Add(varve.ChunkID{1}, table.Content, want); err != nil {
		t.Fatal(err)
	}
	room := b.Room(100)
	n := copy(room, "within the room")
	if err := b.Add(varve.ChunkID{2}, table.Content, room[:n]); err != nil {
		t.Fatal(err)
	}
	if got := string(b.plain); got != "beforewithin the room" {
		t.Errorf("the bundle holds %q", got)
	}
	if allocs := testing.AllocsPerRun(10, func() { b.Room(BundleSize - b.Len()) }); allocs != 0 {
		t.Errorf("room within the buffer takes %v allocations", allocs)
	}
	large := b.Room(2 * BundleSize)
	if len(large) != 2*BundleSize || string(b.plain) != "beforewithin the room" {
		t.Error("more room than the buffer has loses what the bundle holds")
	}
}

func TestASealedBlobOpensToItsChunks(t *testing.T) {
	w := theWorld(t)
	bundles := map[table.Class]*Bundle{table.Content: w.writer.NewBundle(table.ContentGroup), table.List: w.writer.NewBundle(table.StructureGroup)}
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom([]table.Class{table.Content, table.List}).Draw(t, "class")
		contents := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 1, 20).Draw(t, "contents")
		b := bundles[class] // used again: nothing may be left of what it held before
		b.Reset()
		for _, data := range contents {
			if err := b.Add(w.id(class, data), class, data); err != nil {
				t.Fatal(err)
			}
		}
		s := b.Seal()
		if s.Blob.ID != s.Blob.ComputeID() || len(s.Data) != int(s.Blob.Sealed) || s.Domain != table.Domain(w.client.Domain()) {
			t.Fatalf("blob: %+v", s.Blob)
		}
		before := bytes.Clone(s.Data)
		plain, err := w.reader.OpenBlob([]byte("kept"), s.Session, &s.Blob, s.Data)
		if err != nil || !bytes.HasPrefix(plain, []byte("kept")) || !bytes.Equal(s.Data, before) {
			t.Fatalf("open: %q, %v", plain, err)
		}
		i := 0
		for piece, err := range Chunks(plain[4:], &s.Blob, w.key) {
			if err != nil || !bytes.Equal(piece.Data, contents[i]) || piece.Class != class {
				t.Fatalf("chunk %d: %q, %v", i, piece.Data, err)
			}
			i++
		}
		if i != len(contents) {
			t.Fatalf("%d chunks of %d", i, len(contents))
		}
	})
}

func TestWhatDoesNotCompressIsStoredAsItIs(t *testing.T) {
	w := theWorld(t)
	raw := w.bundle(t, table.Content, noise(1, 10_000)).Seal()
	zstd := w.bundle(t, table.Content, make([]byte, 10_000)).Seal()
	if raw.Blob.Codec != table.Raw || raw.Blob.Sealed != 10_000+seal.Overhead {
		t.Errorf("noise: codec %d, %d bytes", raw.Blob.Codec, raw.Blob.Sealed)
	}
	if zstd.Blob.Codec != table.Zstd || zstd.Blob.Sealed > 200 {
		t.Errorf("zeros: codec %d, %d bytes", zstd.Blob.Codec, zstd.Blob.Sealed)
	}
}
