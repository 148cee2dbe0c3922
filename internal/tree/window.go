package tree

import (
	"io"
	"sync"
)

// How a window reads, in bytes and in blocks: small pieces, so that one page costs no more than it must, and many of them at once
// once somebody reads on and on.
const (
	windowBlock = 64 << 10
	windowAhead = 16
	windowKept  = 48
)

// window reads a file on a far disk ahead of those who go through it, and keeps what was read last. It may be used from several
// goroutines, except Close.
type window struct {
	r    io.ReaderAt
	size int64
	wg   sync.WaitGroup

	mu     sync.Mutex
	blocks map[int64]*block // by number
	recent []int64          // their numbers, the one asked for last at the end
	last   int64            // the block that was asked for last
}

// block is a piece of the file that is read or being read.
type block struct {
	done chan struct{}
	data []byte
	err  error
}

// newWindow returns a window on r, a file of size bytes, and begins to read both its ends.
func newWindow(r io.ReaderAt, size int64) *window {
	w := &window{r: r, size: size, blocks: map[int64]*block{}, last: -1}
	if size > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.begin(0)
		w.begin((size - 1) / windowBlock)
	}
	return w
}

// Close waits until nothing is being read.
func (w *window) Close() { w.wg.Wait() }

// ReadAt reads len(p) bytes at off; io.EOF where there are less.
func (w *window) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < w.size {
		b := w.want(off/windowBlock, (off+int64(len(p)-n)-1)/windowBlock)
		<-b.done
		from := min(int(off%windowBlock), len(b.data))
		m := copy(p[n:], b.data[from:])
		n, off = n+m, off+int64(m)
		if b.err != nil || m == 0 {
			return n, b.failed()
		}
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// failed returns why b ends early.
func (b *block) failed() error {
	if b.err != nil {
		return b.err
	}
	return io.EOF
}

// want returns block i, and begins to read all up to block end, and more where the blocks are asked for one after the other.
func (w *window) want(i, end int64) *block {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last >= 0 && i == w.last+1 {
		end = max(end, i+windowAhead)
	}
	w.last = i
	b := w.begin(i)
	for next := i + 1; next <= min(end, i+windowAhead, (w.size-1)/windowBlock); next++ {
		w.begin(next)
	}
	return b
}

// begin returns block i, which somebody reads; w.mu is held.
func (w *window) begin(i int64) *block {
	if b, ok := w.blocks[i]; ok {
		return b
	}
	b := &block{done: make(chan struct{})}
	w.blocks[i] = b
	w.recent = append(w.recent, i)
	if len(w.recent) > windowKept {
		delete(w.blocks, w.recent[0])
		w.recent = w.recent[1:]
	}
	w.wg.Go(func() { w.read(i, b) })
	return b
}

// read fills b; one that fails is forgotten, so that the next try reads again.
func (w *window) read(i int64, b *block) {
	defer close(b.done)
	b.data = make([]byte, min(windowBlock, w.size-i*windowBlock))
	n, err := w.r.ReadAt(b.data, i*windowBlock)
	if n == len(b.data) {
		return
	}
	b.data = b.data[:n]
	if err != io.EOF {
		b.err = err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blocks[i] == b {
		delete(w.blocks, i)
	}
}
