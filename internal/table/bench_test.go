package table

import "testing"

// large returns a pack of small files: 16 blobs of 256 chunks.
func large() Pack {
	p := Pack{Size: MaxPack, Sessions: [][]byte{session(1)}, Domains: []Domain{{1}}}
	end := uint32(0)
	for i := range 16 {
		b := Blob{Codec: Zstd, Off: end, Sealed: 500 << 10}
		for j := range 256 {
			b.Chunks = append(b.Chunks, Chunk{ID: id(i*256 + j), Len: 4096})
		}
		end = b.End()
		p.Blobs = append(p.Blobs, b)
	}
	complete(&p)
	return p
}

func BenchmarkEncode(b *testing.B) {
	p := large()
	data, err := AppendTable(nil, &p)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if data, err = AppendTable(data[:0], &p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	p := large()
	data, err := AppendTable(nil, &p)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeTable(data, p.Size); err != nil {
			b.Fatal(err)
		}
	}
}
