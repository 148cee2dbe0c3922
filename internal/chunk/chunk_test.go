package chunk

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

func newChunker(t testing.TB, key byte, p Params) *Chunker {
	t.Helper()
	c, err := New([32]byte{key}, p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ends returns where the chunks of data end.
func ends(c *Chunker, data []byte) (list []int) {
	for at := 0; at < len(data); {
		at += c.Next(data[at:], true)
		list = append(list, at)
	}
	return list
}

func TestTheEndsOfOldContentStayWhereTheyAre(t *testing.T) {
	c := newChunker(t, 7, Params{})
	want := []int{
		1424507, 2852146, 3904734, 4990256, 5958678, 7035144, 8173045, 9081810, 9637859, 11407305, 13032892, 13948380, 14915515, 16777216,
	}
	if got := ends(c, noise(1, 16<<20)); !slices.Equal(got, want) {
		t.Errorf("ends at %#v", got)
	}
}

func TestAnInsertionChangesAFewChunks(t *testing.T) {
	size := 64 << 20
	if testing.Short() {
		size = 16 << 20
	}
	data := noise(2, size+1<<20)
	c := newChunker(t, 1, Params{})
	known := map[[32]byte]bool{}
	at := 1 << 20
	for _, end := range ends(c, data[1<<20:]) {
		known[sha256.Sum256(data[at:end+1<<20])] = true
		at = end + 1<<20
	}
	at, fresh := 0, 0
	for _, end := range ends(c, data) {
		if !known[sha256.Sum256(data[at:end])] {
			fresh += end - at
		}
		at = end
	}
	if fresh > 5<<20 {
		t.Errorf("1 MiB more at the head made %d bytes of new chunks", fresh)
	}
}

func TestAnotherKeyCutsElsewhere(t *testing.T) {
	p := Params{Min: 1 << 10, Avg: 4 << 10, Max: 32 << 10}
	data := noise(3, 8<<20)
	one, other := ends(newChunker(t, 1, p), data), ends(newChunker(t, 2, p), data)
	same := 0
	for _, end := range one {
		if _, found := slices.BinarySearch(other, end); found {
			same++
		}
	}
	if same > 10 { // chance alone makes one in a thousand, and the end of data
		t.Errorf("%d of %d chunks end at the same place", same, len(one))
	}
}

func TestLengthsKeepToTheirLimitsAndTheMean(t *testing.T) {
	p := Params{Min: 1 << 10, Avg: 4 << 10, Max: 32 << 10}
	data := noise(4, 32<<20)
	at, most := 0, 0
	list := ends(newChunker(t, 1, p), data)
	for i, end := range list {
		n := end - at
		if n > p.Max || n < p.Min && i < len(list)-1 {
			t.Fatalf("a chunk of %d bytes", n)
		}
		if n > 2*p.Avg {
			most++
		}
		at = end
	}
	if mean := len(data) / len(list); mean < p.Avg*95/100 || mean > p.Avg*105/100 {
		t.Errorf("a mean of %d bytes", mean)
	}
	if most > len(list)/50 {
		t.Errorf("%d of %d chunks are more than twice the mean", most, len(list))
	}
}

func TestMonotonousContentIsCutIntoEqualChunks(t *testing.T) {
	for fill := range 8 {
		c := newChunker(t, 1, small)
		list := ends(c, bytes.Repeat([]byte{byte(fill)}, 10*small.Max))
		for i, end := range list[:len(list)-1] {
			if end != (i+1)*list[0] {
				t.Errorf("byte %d: ends at %v", fill, list)
				break
			}
		}
	}
}

func TestAShortStreamIsOneChunk(t *testing.T) {
	c := newChunker(t, 1, Params{})
	for _, n := range []int{1, DefaultMin - 1, DefaultMin} {
		data := noise(5, n)
		if got := c.Next(data, true); got != n {
			t.Errorf("%d of %d bytes", got, n)
		}
		if got := c.Next(data[:n-1], false); got != 0 {
			t.Errorf("%d of the first %d bytes", got, n-1)
		}
	}
	if n := c.Next(nil, true); n != 0 {
		t.Errorf("%d of no bytes", n)
	}
	for chunk, err := range c.Split(bytes.NewReader(nil), nil) {
		t.Errorf("a chunk of nothing: %x, %v", chunk, err)
	}
}

func TestAnErrorOfTheReaderEndsTheChunks(t *testing.T) {
	c := newChunker(t, 1, small)
	broken := errors.New("broken")
	data := noise(6, 5000)
	var whole []byte
	var last error
	for chunk, err := range c.Split(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)), nil) {
		if last != nil {
			t.Fatal("the sequence goes on after an error")
		}
		whole, last = append(whole, chunk...), err
	}
	if !errors.Is(last, broken) || !bytes.HasPrefix(data, whole) || len(whole) == len(data) {
		t.Errorf("%d bytes, then %v", len(whole), last)
	}
}

func TestWhoWantsNoMoreChunksGetsNone(t *testing.T) {
	c := newChunker(t, 1, small)
	n := 0
	for range c.Split(bytes.NewReader(noise(7, 5000)), nil) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d chunks", n)
	}
}

func TestAChunkCannotBeAppendedIntoTheNext(t *testing.T) {
	c := newChunker(t, 1, small)
	data := noise(8, 5000)
	var whole []byte
	for chunk, err := range c.Split(bytes.NewReader(data), nil) {
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, chunk...)
		_ = append(chunk, "something else"...)
	}
	if !bytes.Equal(whole, data) {
		t.Error("the content is not what was read")
	}
}

func TestContradictoryParamsAreRefused(t *testing.T) {
	for _, p := range []Params{
		{Min: 64}, {Avg: 1 << 20}, {Min: 64, Avg: 128, Max: 1024}, {Min: 63, Avg: 256, Max: 1024}, {Min: 64, Avg: 300, Max: 1024},
		{Min: 209, Avg: 256, Max: 1024}, {Min: 64, Avg: 256, Max: 255}, {Min: -1, Avg: -256, Max: -1},
	} {
		if _, err := New([32]byte{}, p); err == nil {
			t.Errorf("%+v: taken", p)
		}
	}
	for _, p := range []Params{{}, {Min: 64, Avg: 256, Max: 256}, {Min: 208, Avg: 256, Max: 1024}, {Min: 64, Avg: 1 << 30, Max: 1 << 30}} {
		if _, err := New([32]byte{}, p); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	c := newChunker(b, 1, Params{})
	data := noise(1, 64<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		ends(c, data)
	}
}

func BenchmarkSplit(b *testing.B) {
	c := newChunker(b, 1, Params{})
	data := noise(1, 64<<20)
	buf := make([]byte, 2*DefaultMax)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for _, err := range c.Split(bytes.NewReader(data), buf) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
