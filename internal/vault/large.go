package vault

import (
	"bytes"
	"io"
	"sync"

	"varve"
	"varve/internal/chunk"
	"varve/internal/digest"
)

// largeReader takes in files of more than one chunk: one goroutine reads, hashes and cuts, a crew takes in what was cut. One file at a
// time is read, which keeps the crew busy and memory small.
type largeReader struct {
	save *save

	mu    sync.Mutex
	whole *digest.Hash
	buf   []byte
}

// piece is one chunk of a large file on its way.
type piece struct {
	digest varve.Digest
	stored int64
	err    error
}

// take takes in the content stream that begins with head and goes on with f, and completes now by its digest and chunks.
func (l *largeReader) take(j *job, head []byte, f io.Reader, now *varve.Entry) (n int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf == nil {
		l.whole, l.buf = digest.New(), make([]byte, chunk.DefaultMax+chunk.DefaultAvg)
	}
	l.whole.Reset()
	var pieces []*piece
	var wg sync.WaitGroup
	in := &sourceReader{r: io.MultiReader(bytes.NewReader(head), f)}
	for data, splitErr := range l.save.intake.chunker.Split(in, l.buf) {
		if err = splitErr; err != nil {
			break
		}
		if err = l.save.ctx.Err(); err != nil {
			break
		}
		l.whole.Write(data)
		p := &piece{}
		pieces = append(pieces, p)
		l.save.intake.crew.run(&wg, data, p)
		n += int64(len(data))
		j.told += int64(len(data))
		l.save.report(varve.Event{Kind: varve.Partly, Path: now.Path, Bytes: int64(len(data))})
	}
	wg.Wait()
	if err != nil {
		if in.err != nil {
			return n, errSource{in.err}
		}
		return n, err
	}
	now.Digest = l.whole.Digest()
	now.Chunks = make([]varve.Digest, len(pieces))
	for i, p := range pieces {
		if p.err != nil {
			return n, p.err
		}
		now.Chunks[i] = p.digest
		j.stored += p.stored
	}
	return n, l.save.enlist(j, now)
}

// enlist puts the chunks of e, which is j's, into lists, unless an earlier snapshot has them in lists already.
func (v *save) enlist(j *job, e *varve.Entry) error {
	if e.Depth > 0 {
		return nil
	}
	if len(e.Chunks) > maxList && v.store.keys.admin == nil { // who cannot read lists remembers what is in them
		j.flat = e.Chunks
	}
	return v.intake.enlist(e)
}

// sourceReader remembers what was wrong with the source.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// crew are the goroutines that take in chunks of large files: so many at once, and no more chunks in memory.
type crew struct {
	intake *intake
	idle   chan []byte // the buffers of those who have nothing to do
}

func newCrew(in *intake, size int) *crew {
	c := &crew{intake: in, idle: make(chan []byte, size)}
	for range size {
		c.idle <- nil
	}
	return c
}

// run takes a copy of data in on another goroutine, which wg waits for, and says in p how it went.
func (c *crew) run(wg *sync.WaitGroup, data []byte, p *piece) {
	buf := append((<-c.idle)[:0], data...)
	wg.Go(func() {
		defer func() { c.idle <- buf }()
		h := c.intake.borrow()
		defer c.intake.giveBack(h)
		p.digest = digest.Sum(buf)
		stored, err := h.put(digest.ClassContent, p.digest, buf)
		if p.err = err; stored {
			p.stored = int64(len(buf))
		}
	})
}
