package chunk

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// plainly says where the first chunk of data ends, from the text of the package comment: every place is tried by itself.
func plainly(key [32]byte, p Params, data []byte) int {
	random := rand.NewChaCha8(key)
	var table [256]uint64
	for i := range table {
		table[i] = random.Uint64()
	}
	for n := p.Min; n <= len(data); n++ {
		var h uint64
		for _, b := range data[n-64 : n] {
			h = 2*h + table[b]
		}
		zeros := 2
		if n >= p.Avg*13/16 {
			zeros = -2
		}
		for size := p.Avg; size > 1; size /= 2 {
			zeros++
		}
		if n == p.Max || h<<1>>(64-zeros) == 0 {
			return n
		}
	}
	return len(data)
}

// small are Params that make the slow way bearable.
var small = Params{Min: 64, Avg: 256, Max: 1024}

// blend makes content in which ends of every sort turn up: random bytes, runs of one byte, and repeats.
func blend(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	var data []byte
	for len(data) < n {
		switch random.IntN(4) {
		case 0:
			data = append(data, bytes.Repeat([]byte{byte(random.IntN(3))}, random.IntN(700))...)
		case 1:
			data = append(data, data[:random.IntN(len(data)+1)]...)
		default:
			for range random.IntN(500) {
				data = append(data, byte(random.Uint32()))
			}
		}
	}
	return data[:n]
}

func TestEndsAreWhereTheDescriptionSaysThatTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := [32]byte{byte(rapid.IntRange(0, 255).Draw(t, "key"))}
		p := Params{Avg: 256 << rapid.IntRange(0, 2).Draw(t, "avg")}
		p.Min = rapid.IntRange(64, p.Avg*13/16).Draw(t, "min")
		p.Max = p.Avg + rapid.IntRange(0, 2000).Draw(t, "more")
		c, err := New(key, p)
		if err != nil {
			t.Fatal(err)
		}
		data := blend(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 6000).Draw(t, "length"))
		for len(data) > 0 {
			n := c.Next(data, true)
			if want := plainly(key, p, data); n != want {
				t.Fatalf("%d bytes at hand: %d, want %d", len(data), n, want)
			}
			data = data[n:]
		}
	})
}

// dribble gives what r has in pieces of odd lengths.
type dribble struct {
	r      io.Reader
	random *rand.Rand
}

func (d dribble) Read(p []byte) (int, error) {
	return d.r.Read(p[:min(len(p), d.random.IntN(300))])
}

// lengths returns those of the chunks of r. They must give the content back.
func lengths(t interface{ Fatalf(string, ...any) }, c *Chunker, r io.Reader, buf, content []byte) (list []int) {
	for chunk, err := range c.Split(r, buf) {
		if err != nil {
			t.Fatalf("split: %v", err)
		}
		if !bytes.HasPrefix(content, chunk) {
			t.Fatalf("chunk %d is not what was read", len(list))
		}
		content = content[len(chunk):]
		list = append(list, len(chunk))
	}
	if len(content) > 0 {
		t.Fatalf("%d bytes are missing", len(content))
	}
	return list
}

func TestEndsDoNotDependOnHowContentIsRead(t *testing.T) {
	c, err := New([32]byte{1}, small)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		data := blend(seed, rapid.IntRange(0, 10000).Draw(t, "length"))
		var want []int
		for rest := data; len(rest) > 0; rest = rest[want[len(want)-1]:] {
			want = append(want, c.Next(rest, true))
		}
		r := dribble{bytes.NewReader(data), rand.New(rand.NewPCG(seed, 1))}
		buf := make([]byte, rapid.IntRange(0, 5000).Draw(t, "buffer"))
		got := lengths(t, c, r, buf, data)
		if len(got) != len(want) {
			t.Fatalf("%d chunks, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("chunk %d of %d bytes, want %d", i, got[i], want[i])
			}
		}
	})
}

// FuzzNext holds that the fast way and the plain one agree, that what follows a chunk does not matter, and that Next says that it
// needs more exactly where more could change the answer.
func FuzzNext(f *testing.F) {
	f.Add([]byte{}, uint64(0))
	f.Add(make([]byte, 1024), uint64(1))
	f.Add(blend(1, 1023), uint64(2))
	f.Add(blend(2, 3000), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		var key [32]byte
		binary.LittleEndian.PutUint64(key[:], seed)
		c, err := New(key, small)
		if err != nil {
			t.Fatal(err)
		}
		want := plainly(key, small, data[:min(len(data), 2*small.Max)])
		n, early := c.Next(data, true), c.Next(data, false)
		if n != want || early != n && early != 0 {
			t.Fatalf("%d and %d, want %d", n, early, want)
		}
		if early == 0 && len(data) >= small.Max || early > 0 && c.Next(data[:early], false) != early {
			t.Fatalf("%d of %d bytes, then %d", early, len(data), c.Next(data[:early], false))
		}
	})
}
