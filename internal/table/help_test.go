package table

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve"
)

// id returns a chunk ID that stands for n.
func id(n int) varve.ChunkID { return sha256.Sum256(fmt.Append(nil, n)) }

func session(fill byte) []byte { return bytes.Repeat([]byte{fill}, SessionSize) }

// sample returns a pack with every kind of part: both class groups, both codecs, all classes, a gap, two sessions and domains.
func sample() Pack {
	p := Pack{
		Name: Name(id(0)), Size: 1 << 20,
		Sessions: [][]byte{session(0x11), session(0x22)},
		Domains:  []Domain{{1, 2, 3}, {4, 5, 6}},
		Blobs: []Blob{
			{Codec: Zstd, Sealed: 300, Chunks: []Chunk{{ID: id(1), Len: 250}, {ID: id(2), Len: 1}, {ID: id(1), Len: 250}}},
			{Session: 1, Domain: 1, Off: 300, Sealed: 200064, Chunks: []Chunk{{ID: id(3), Len: 200000}}},
			{Group: StructureGroup, Session: 1, Off: 200400, Sealed: 64 + 128, Chunks: []Chunk{{ID: id(4), Class: List, Len: 64}, {ID: id(5), Class: Page, Len: 64}}},
			{Group: StructureGroup, Codec: Zstd, Domain: 1, Off: 200592, Sealed: 90, Chunks: []Chunk{{ID: id(6), Class: Page, Len: 70000}}},
		},
	}
	complete(&p)
	return p
}

// complete fills in what follows from the rest.
func complete(p *Pack) {
	for i := range p.Blobs {
		b := &p.Blobs[i]
		b.Plain = 0
		for _, c := range b.Chunks {
			b.Plain += c.Len
		}
		b.ID = b.ComputeID()
	}
}

// packs draws packs that keep to the format.
func packs() *rapid.Generator[Pack] {
	return rapid.Custom(func(t *rapid.T) Pack {
		p := Pack{Name: Name(id(rapid.Int().Draw(t, "name"))), Sessions: [][]byte{}, Domains: []Domain{}, Blobs: []Blob{}}
		for i := range rapid.IntRange(1, 3).Draw(t, "sessions") {
			p.Sessions = append(p.Sessions, session(byte(i)))
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "domains") {
			p.Domains = append(p.Domains, Domain{byte(i)})
		}
		end := uint32(0)
		for range rapid.IntRange(0, 6).Draw(t, "blobs") {
			b := drawBlob(t, &p, end)
			p.Blobs = append(p.Blobs, b)
			end = b.End()
		}
		complete(&p)
		p.Size = end + FooterSize + rapid.Uint32Range(0, 1000).Draw(t, "rest")
		return p
	})
}

func drawBlob(t *rapid.T, p *Pack, end uint32) Blob {
	b := Blob{
		Group:   rapid.SampledFrom([]Group{ContentGroup, StructureGroup}).Draw(t, "group"),
		Session: rapid.IntRange(0, len(p.Sessions)-1).Draw(t, "session"),
		Domain:  rapid.IntRange(0, len(p.Domains)-1).Draw(t, "domain"),
		Off:     end + rapid.SampledFrom([]uint32{0, 0, 1, 300}).Draw(t, "gap"),
	}
	plain := uint32(0)
	for range rapid.IntRange(1, 5).Draw(t, "chunks") {
		c := Chunk{ID: id(rapid.IntRange(0, 50).Draw(t, "id")), Len: rapid.Uint32Range(1, 1<<17).Draw(t, "length")}
		if b.Group == StructureGroup {
			c.Class = rapid.SampledFrom([]Class{List, Page}).Draw(t, "class")
		}
		b.Chunks = append(b.Chunks, c)
		plain += c.Len
	}
	b.Sealed = SealOverhead + plain
	if plain > 1 && rapid.Bool().Draw(t, "zstd") {
		b.Codec = Zstd
		b.Sealed = SealOverhead + rapid.Uint32Range(1, plain-1).Draw(t, "compressed")
	}
	return b
}

// golden returns the bytes in a file of testdata.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
