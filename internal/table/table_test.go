package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"varve"
)

// collect returns the packs that an index lists.
func collect(data []byte) (list []Pack, err error) {
	for p, err := range DecodeIndex(data) {
		if err != nil {
			return list, err
		}
		list = append(list, p)
	}
	return list, nil
}

func TestATableComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := packs().Draw(t, "pack")
		prefix := []byte("prefix")
		data, err := AppendTable(prefix, &want)
		if err != nil {
			t.Fatal(err)
		}
		data = data[len(prefix):]
		if len(data) > want.MaxSize() {
			t.Fatalf("%d bytes, MaxSize says %d", len(data), want.MaxSize())
		}
		got, err := DecodeTable(data, want.Size-FooterSize)
		if err != nil {
			t.Fatal(err)
		}
		want.Name, want.Size = Name{}, 0
		if !reflect.DeepEqual(want, got) {
			t.Fatal(cmp.Diff(want, got))
		}
	})
}

func TestAnIndexComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(packs(), 0, 4).Draw(t, "packs")
		data, err := AppendIndex(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		size := 5
		for i := range want {
			size += want[i].IndexSize()
		}
		if len(data) > size {
			t.Fatalf("%d bytes, IndexSize says %d", len(data), size)
		}
		got, err := collect(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(want) != len(got) || len(want) > 0 && !reflect.DeepEqual(want, got) {
			t.Fatal(cmp.Diff(want, got))
		}
	})
}

func TestNothingThatIsDecodedRefersToItsInput(t *testing.T) {
	want := sample()
	data, err := AppendIndex(nil, []Pack{want})
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(data)
	clear(data)
	if err != nil || !cmp.Equal(got, []Pack{want}) {
		t.Fatal(err, cmp.Diff(got, []Pack{want}))
	}
}

func TestTheFormatStaysAsItIs(t *testing.T) {
	p := sample()
	for name, encode := range map[string]func() ([]byte, error){
		"table.hex": func() ([]byte, error) { return AppendTable(nil, &p) },
		"index.hex": func() ([]byte, error) { return AppendIndex(nil, []Pack{p, p}) },
	} {
		got, err := encode()
		if err != nil {
			t.Fatal(err)
		}
		if want := golden(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s: encoded as\n%x", name, got)
		}
	}
	got, err := DecodeTable(golden(t, "table.hex"), 200682)
	if err != nil {
		t.Fatal(err)
	}
	want := p
	want.Name, want.Size = Name{}, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBlobIDsStayAsTheyAre(t *testing.T) {
	want := []string{
		"2a7b3a848f34dfb948d91d2d6f8e55390ac84d38543a673a24d1c28e46f4801b",
		"a55d631cf9d3bc4f2bc7d91164f9a9ef2e21c74bf28526729a24a18e87b82941",
		"0f8a6cbf6cb974b84abe362bfea800ce447ab6dc1bd130a16d5d039d950faa28",
		"2222f2196c9e777df53b9ea906a8eec3a971577ccd0ff33ba676f907690cd884",
	}
	p := sample()
	for i := range p.Blobs {
		if got := p.Blobs[i].ComputeID().String(); got != want[i] {
			t.Errorf("blob %d: %s", i, got)
		}
	}
	var long Blob
	for i := range MaxBlobChunks {
		long.Chunks = append(long.Chunks, Chunk{ID: id(i), Len: 2})
		long.Plain += 2
	}
	long.Sealed = long.Plain + SealOverhead
	if got := long.ComputeID().String(); got != "c308b686e59749ee99f2f17fd05588a0ae513462d7b4136ded3a6aaf721686a2" {
		t.Errorf("a blob of many chunks: %s", got)
	}
}

func TestABlobIDTellsWhatABlobHolds(t *testing.T) {
	seen := map[BlobID]string{}
	for name, change := range map[string]func(*Blob){
		"as it is":  func(*Blob) {},
		"codec":     func(b *Blob) { b.Codec = Raw },
		"length":    func(b *Blob) { b.Sealed++ },
		"order":     func(b *Blob) { slices.Reverse(b.Chunks[1:]) },
		"cut":       func(b *Blob) { b.Chunks[0].Len--; b.Chunks[1].Len++ },
		"one less":  func(b *Blob) { b.Chunks = b.Chunks[:2] },
		"other ids": func(b *Blob) { b.Chunks[2].ID[31]++ },
	} {
		b := sample().Blobs[0]
		change(&b)
		if other, known := seen[b.ComputeID()]; known {
			t.Errorf("%s: the ID of %s", name, other)
		}
		seen[b.ComputeID()] = name
	}
}

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

// A few bytes that announce much must not cost much memory.
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

func TestNamesAreWrittenInHexadecimal(t *testing.T) {
	got := strings.Join([]string{Name{0xab}.String()[:4], Domain{0xcd}.String()[:4], BlobID{0xef}.String()[:4]}, " ")
	if got != "ab00 cd00 ef00" {
		t.Error(got)
	}
}
