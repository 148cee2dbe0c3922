package mux

// ring is a queue of bytes that grows as it must.
type ring struct {
	b    []byte // its length is a power of two
	from int    // of the first byte
	n    int
}

// leastRing is the first length of a ring in bytes.
const leastRing = 1 << 10

// write appends p.
func (r *ring) write(p []byte) {
	if len(r.b)-r.n < len(p) {
		r.grow(r.n + len(p))
	}
	at := (r.from + r.n) & (len(r.b) - 1)
	copy(r.b, p[copy(r.b[at:], p):])
	r.n += len(p)
}

// grow makes room for n bytes.
func (r *ring) grow(n int) {
	size := max(len(r.b), leastRing)
	for size < n {
		size *= 2
	}
	b := make([]byte, size)
	have := r.n
	r.read(b[:have])
	r.b, r.from, r.n = b, 0, have
}

// read takes up to len(p) bytes out.
func (r *ring) read(p []byte) int {
	p = p[:min(len(p), r.n)]
	if len(p) == 0 {
		return 0
	}
	copy(p[copy(p, r.b[r.from:]):], r.b)
	r.from = (r.from + len(p)) & (len(r.b) - 1)
	r.n -= len(p)
	return len(p)
}
