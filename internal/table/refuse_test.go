package table

import (
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"testing"

	"varve"
)

func TestWhatIsAgainstTheFormatIsNeitherWrittenNorRead(t *testing.T) {
	for name, change := range map[string]func(*Pack){
		"no session":              func(p *Pack) { p.Sessions, p.Blobs = nil, nil },
		"session too short":       func(p *Pack) { p.Sessions[1] = p.Sessions[1][1:] },
		"session not listed":      func(p *Pack) { p.Blobs[0].Session = 2 },
		"session below 0":         func(p *Pack) { p.Blobs[0].Session = -1 },
		"domain not listed":       func(p *Pack) { p.Blobs[0].Domain = 2 },
		"unknown codec":           func(p *Pack) { p.Blobs[0].Codec = 2 },
		"no chunk":                func(p *Pack) { p.Blobs[0].Chunks, p.Blobs[0].Plain = nil, 0 },
		"empty chunk":             func(p *Pack) { p.Blobs[0].Chunks[1].Len = 0; p.Blobs[0].Plain-- },
		"chunk too long":          func(p *Pack) { c := &p.Blobs[3].Chunks[0]; c.Len = MaxChunk + 1; p.Blobs[3].Plain = c.Len },
		"unknown class":           func(p *Pack) { p.Blobs[2].Chunks[0].Class = 3 },
		"content among structure": func(p *Pack) { p.Blobs[2].Chunks[0].Class = Content },
		"raw and shorter":         func(p *Pack) { p.Blobs[1].Sealed-- },
		"compressed and longer":   func(p *Pack) { p.Blobs[3].Chunks[0].Len, p.Blobs[3].Plain = 26, 26 },
		"compressed to nothing":   func(p *Pack) { p.Blobs[3].Sealed = SealOverhead },
		"less than a seal":        func(p *Pack) { p.Blobs[3].Sealed = 3 },
		"blobs that overlap":      func(p *Pack) { p.Blobs[1].Off-- },
		"beyond the end":          func(p *Pack) { p.Blobs[3].Off = p.Size },
		"offset wraps around":     func(p *Pack) { p.Blobs[3].Off = 1<<32 - 10 },
		"too many chunks": func(p *Pack) {
			p.Blobs[3].Chunks = slices.Repeat([]Chunk{{Class: Page, Len: 1}}, MaxBlobChunks+1)
			p.Blobs[3].Plain = MaxBlobChunks + 1
		},
		"blob too long": func(p *Pack) {
			p.Blobs[3].Chunks = []Chunk{{Class: Page, Len: MaxChunk}, {Class: Page, Len: 1}}
			p.Blobs[3].Plain = MaxChunk + 1
		},
		"length wraps around": func(p *Pack) {
			p.Blobs[3].Chunks = slices.Repeat([]Chunk{{Class: Page, Len: MaxChunk}}, 513)
			p.Blobs[3].Plain = MaxChunk
		},
	} {
		p := sample()
		change(&p)
		if _, err := AppendIndex(nil, []Pack{p}); err == nil {
			t.Errorf("%s: written", name)
		}
		if err := p.Check(p.Size - FooterSize); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: checked: %v", name, err)
		}
		// What a writer without scruples would write.
		data := appendTable(nil, &p)
		if _, err := DecodeTable(data, p.Size-FooterSize); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: read: %v", name, err)
		}
	}
}

func TestWhatTheEncodingCannotSayIsNotWritten(t *testing.T) {
	for name, change := range map[string]func(*Pack){
		"a length that is not that of its chunks": func(p *Pack) { p.Blobs[3].Plain++ },
		"an unknown class group":                  func(p *Pack) { p.Blobs[0].Group = 2 },
		"structure among content":                 func(p *Pack) { p.Blobs[0].Chunks[0].Class = Page },
	} {
		p := sample()
		change(&p)
		if _, err := AppendTable(nil, &p); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func TestABlobMayEndAtTheTableAndNotBehindIt(t *testing.T) {
	p := sample()
	data, err := AppendTable(nil, &p)
	if err != nil {
		t.Fatal(err)
	}
	end := p.Blobs[3].End()
	if _, err := DecodeTable(data, end); err != nil {
		t.Error(err)
	}
	if _, err := DecodeTable(data, end-1); !errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
}

func TestPacksOfImpossibleSizeAreRefused(t *testing.T) {
	for _, size := range []uint32{0, FooterSize - 1, MaxPack + 1, 1<<32 - 1} {
		p := Pack{Size: size, Sessions: [][]byte{session(1)}}
		if _, err := AppendIndex(nil, []Pack{p}); err == nil {
			t.Errorf("size %d: written", size)
		}
		p.Size = FooterSize
		data, err := AppendIndex(nil, []Pack{p})
		if err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint32(data[33:], size)
		if _, err := collect(data); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func TestEveryTruncationAndAdditionIsRefused(t *testing.T) {
	p := sample()
	p.Sessions = p.Sessions[:1]
	for i := range p.Blobs {
		p.Blobs[i].Session = 0
	}
	index, err := AppendIndex(nil, []Pack{p})
	if err != nil {
		t.Fatal(err)
	}
	one, err := AppendTable(nil, &p)
	if err != nil {
		t.Fatal(err)
	}
	for n := range index {
		if _, err := collect(index[:n]); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("index of %d bytes: %v", n, err)
		}
	}
	for n := range one {
		if _, err := DecodeTable(one[:n], MaxPack); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("table of %d bytes: %v", n, err)
		}
	}
	if _, err := collect(append(index, 0)); !errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
	if _, err := DecodeTable(append(one, 0), MaxPack); !errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
}

func TestNumbersInALongerFormAreRefused(t *testing.T) {
	short, err := AppendTable(nil, &Pack{Sessions: [][]byte{session(1)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, len(short) - 2, len(short) - 1} {
		long := slices.Concat(short[:at], []byte{short[at] | 0x80, 0}, short[at+1:])
		if _, err := DecodeTable(long, MaxPack); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

func TestNumbersCostNoMemoryBeforeWhatTheyCountIsThere(t *testing.T) {
	huge := binary.AppendUvarint(nil, MaxTable)
	one := append([]byte{1}, session(1)...)
	for name, data := range map[string][]byte{
		"sessions": huge,
		"domains":  slices.Concat(one, huge),
		"blobs":    slices.Concat(one, []byte{0}, huge),
		"chunks":   slices.Concat(one, []byte{1}, make([]byte, 16), []byte{1, 0, 0, 0, 0, 64}, []byte{0x80, 0x20}, make([]byte, 40)),
	} {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := DecodeTable(data, MaxPack); err == nil {
				t.Fatalf("%s: no error", name)
			}
		}
		runtime.ReadMemStats(&after)
		if allocated := (after.TotalAlloc - before.TotalAlloc) / runs; allocated > 16<<10 {
			t.Errorf("%s: %d bytes allocated", name, allocated)
		}
	}
}

func TestWhatIsLongerThanTheLimitsIsRefused(t *testing.T) {
	if _, err := DecodeTable(make([]byte, MaxTable+1), MaxPack); !errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
	if _, err := collect(make([]byte, MaxIndex+1)); !errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
	many := Pack{Size: MaxPack, Sessions: slices.Repeat([][]byte{session(1)}, MaxTable/SessionSize+1)}
	if _, err := AppendTable(nil, &many); err == nil {
		t.Error("a table that is too long is written")
	}
	if out, err := AppendIndex([]byte("x"), []Pack{many}); err == nil || string(out) != "x" {
		t.Error("an index of a table that is too long is written")
	}
	many.Sessions = many.Sessions[1:]
	if _, err := AppendIndex(nil, slices.Repeat([]Pack{many}, 9)); err == nil {
		t.Error("an index that is too long is written")
	}
}

func TestPacksBeforeADamagedOneAreReadAndNoneAfterIt(t *testing.T) {
	good := sample()
	data, err := AppendIndex(nil, []Pack{good, good, good})
	if err != nil {
		t.Fatal(err)
	}
	data[1+(len(data)-1)/3+36+2] ^= 1 // the length of the second table
	list, err := collect(data)
	if len(list) != 1 || !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("%d packs, %v", len(list), err)
	}
}
