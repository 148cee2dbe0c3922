package table

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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

// A few bytes that announce much must not cost much memory.
func TestNamesAreWrittenInHexadecimal(t *testing.T) {
	got := strings.Join([]string{Name{0xab}.String()[:4], Domain{0xcd}.String()[:4], BlobID{0xef}.String()[:4]}, " ")
	if got != "ab00 cd00 ef00" {
		t.Error(got)
	}
}
