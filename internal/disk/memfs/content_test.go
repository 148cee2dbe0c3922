package memfs

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestContentIsLikeASliceOfBytes(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var c content
		var m model
		for range 60 {
			if rng.IntN(5) == 0 {
				size := rng.Int64N(40_000)
				c.truncate(size)
				m.truncate(size)
			} else {
				data := bytes.Repeat([]byte{byte(1 + rng.IntN(255))}, rng.IntN(9000))
				off := rng.Int64N(40_000)
				c.write(piece{off, data})
				m.write(off, data)
			}
			m.check(t, &c)
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// model is a content that is obviously right: what is not zero is data, whole blocks at a time.
type model struct {
	data   []byte
	blocks []bool
}

func (m *model) truncate(size int64) {
	m.data = append(m.data, make([]byte, max(0, int(size)-len(m.data)))...)[:size]
	m.blocks = append(m.blocks, make([]bool, 20)...)[:roundUp(size)/blockSize]
}

func (m *model) write(off int64, data []byte) {
	if len(data) == 0 {
		return
	}
	end := off + int64(len(data))
	if end > int64(len(m.data)) {
		m.truncate(end)
	}
	copy(m.data[off:], data)
	for b := off / blockSize; b < roundUp(end)/blockSize; b++ {
		m.blocks[b] = true
	}
}

func (m *model) check(t *testing.T, c *content) {
	t.Helper()
	got := make([]byte, c.size)
	if n := c.readAt(got, 0); n != len(got) || !bytes.Equal(got, m.data) {
		t.Error("the content differs")
	}
	blocks := int64(0)
	for _, b := range m.blocks {
		if b {
			blocks++
		}
	}
	if c.blocks != blocks {
		t.Errorf("%d blocks are counted, want %d", c.blocks, blocks)
	}
	if again := c.count(0, c.size); again != blocks {
		t.Errorf("counting all blocks gives %d, want %d", again, blocks)
	}
	inHole := make([]bool, len(m.blocks))
	for _, h := range c.holes(c.size) {
		for b := h.Off / blockSize; b < roundUp(h.Off+h.Len)/blockSize; b++ {
			inHole[b] = true
		}
	}
	for b := range inHole {
		if inHole[b] == m.blocks[b] {
			t.Errorf("block %d: hole %v, data %v", b, inHole[b], m.blocks[b])
		}
	}
}

func TestWritesToACloneLeaveTheOriginalAlone(t *testing.T) {
	var c content
	c.write(piece{0, []byte("0123456789")})
	twin := c.clone()
	twin.write(piece{2, []byte("xx")})
	twin.truncate(5)
	got := make([]byte, 10)
	if n := c.readAt(got, 0); n != 10 || string(got) != "0123456789" {
		t.Errorf("the original is %q", got[:n])
	}
}
