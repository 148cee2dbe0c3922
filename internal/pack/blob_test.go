package pack

import (
	"bytes"
	"errors"
	"testing"

	"varve"
	"varve/internal/digest"
	"varve/internal/seal"
	"varve/internal/table"
)

func TestABlobOpensAsItselfAlone(t *testing.T) {
	w := theWorld(t)
	zeros, ones := w.bundle(t, table.Content, make([]byte, 500)).Seal(), w.bundle(t, table.Content, bytes.Repeat([]byte{1}, 500)).Seal()
	if len(zeros.Data) != len(ones.Data) {
		t.Fatal("the blobs differ in length")
	}
	for name, spoil := range map[string]func(s *Sealed){
		"other bytes":   func(s *Sealed) { s.Data = ones.Data },
		"cut short":     func(s *Sealed) { s.Data = s.Data[:len(s.Data)-1] },
		"no bytes":      func(s *Sealed) { s.Data = nil },
		"another ID":    func(s *Sealed) { s.Blob.ID[0]++ },
		"as structure":  func(s *Sealed) { s.Blob.Group = table.StructureGroup },
		"as it is":      func(s *Sealed) { s.Blob.Codec = table.Raw },
		"unknown codec": func(s *Sealed) { s.Blob.Codec = 5 },
		"shorter":       func(s *Sealed) { s.Blob.Plain-- },
		"longer":        func(s *Sealed) { s.Blob.Plain++ },
		"much longer":   func(s *Sealed) { s.Blob.Plain = 1<<32 - 1 },
		"other session": func(s *Sealed) { s.Session = w.newWriter(t, w.admin()).session() },
		"no session":    func(s *Sealed) { s.Session = nil },
	} {
		s := zeros
		spoil(&s)
		plain, err := w.reader.OpenBlob([]byte("kept"), s.Session, &s.Blob, s.Data)
		if !errors.Is(err, varve.ErrDamaged) || string(plain) != "kept" {
			t.Errorf("%s: %d bytes, %v", name, len(plain), err)
		}
	}
}

// A client that has the keys may seal anything under any ID.
func TestContentThatIsNotOfItsIDIsNotHandedOut(t *testing.T) {
	w := theWorld(t)
	b := w.writer.NewBundle(table.ContentGroup)
	for i, data := range []string{"good", "forged", "good too"} {
		id := w.id(table.Content, []byte(data))
		if i == 1 {
			id = w.id(table.Content, []byte("wanted"))
		}
		if err := b.Add(id, table.Content, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	s := b.Seal()
	plain, err := w.reader.OpenBlob(nil, s.Session, &s.Blob, s.Data)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for piece, err := range Chunks(plain, &s.Blob, w.key) {
		if bad := i == 1; errors.Is(err, varve.ErrDamaged) != bad || (piece.Data == nil) != bad || piece.ID != s.Blob.Chunks[i].ID {
			t.Errorf("chunk %d: %q, %v", i, piece.Data, err)
		}
		i++
	}
	if i != 3 {
		t.Errorf("%d chunks", i)
	}
}

func TestAContentIsNotTakenForAPage(t *testing.T) {
	w := theWorld(t)
	data := []byte("the same bytes")
	c := table.Chunk{ID: w.id(table.Content, data), Class: table.Page, Len: uint32(len(data))}
	if p, err := ChunkAt(data, 0, c, w.key); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("got %q, %v", p.Data, err)
	}
}

func TestOneChunkIsTakenOutOfABlob(t *testing.T) {
	w := theWorld(t)
	plain := []byte("before wanted after")
	c := table.Chunk{ID: w.id(table.Content, []byte("wanted")), Len: 6}
	p, err := ChunkAt(plain, 7, c, w.key)
	if err != nil || string(p.Data) != "wanted" || p.Digest != digest.Sum([]byte("wanted")) || cap(p.Data) != 6 {
		t.Errorf("got %q, %v", p.Data, err)
	}
	for _, off := range []int{-1, 0, 6, 8, 14, len(plain), len(plain) + 1, 1 << 60} {
		if p, err := ChunkAt(plain, off, c, w.key); !errors.Is(err, varve.ErrDamaged) || p.Data != nil {
			t.Errorf("offset %d: %q, %v", off, p.Data, err)
		}
	}
	c.Len = 1<<32 - 1
	if _, err := ChunkAt(plain, 7, c, w.key); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("a huge chunk: %v", err)
	}
}

func TestChunksOfAPlaintextOfAnotherLengthAreNotYielded(t *testing.T) {
	w := theWorld(t)
	s := w.bundle(t, table.Content, []byte("one"), []byte("two")).Seal()
	for _, plain := range []string{"", "onetw", "onetwo!"} {
		n := 0
		for p, err := range Chunks([]byte(plain), &s.Blob, w.key) {
			n++
			if !errors.Is(err, varve.ErrDamaged) || p.Data != nil {
				t.Errorf("%q: %q, %v", plain, p.Data, err)
			}
		}
		if n != 1 {
			t.Errorf("%q: %d yields", plain, n)
		}
	}
}

func TestTheSameChunksSealTwiceIntoDifferentBytes(t *testing.T) {
	w := theWorld(t)
	b := w.bundle(t, table.Content, []byte("again"))
	first := bytes.Clone(b.Seal().Data)
	second := b.Seal()
	if bytes.Equal(first[:seal.Overhead], second.Data[:seal.Overhead]) {
		t.Error("a salt was used twice")
	}
}
