package vault

import (
	"bytes"
	"io"
	"sync"

	"varve"
	"varve/internal/chunk"
	"varve/internal/digest"
)

// largeReader takes in files of more than one chunk: one goroutine reads, hashes and cuts, the others take in what was cut.
type largeReader struct {
	save  *save
	whole *digest.Hash
	buf   []byte
}

func newLargeReader(v *save) *largeReader {
	return &largeReader{save: v, whole: digest.New(), buf: make([]byte, chunk.DefaultMax+chunk.DefaultAvg)}
}

// piece is one chunk of a large file on its way.
type piece struct {
	digest varve.Digest
	stored int64
	err    error
}

// take takes in the content stream that begins with head and goes on with f, and completes now by its digest and chunks.
func (l *largeReader) take(j *job, head []byte, f io.Reader, now *varve.Entry) (n int64, err error) {
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
		l.save.intake.crew.run(&wg, bytes.Clone(data), p)
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
	return n, l.save.intake.enlist(now)
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
	room   chan struct{}
}

func newCrew(in *intake, size int) *crew { return &crew{intake: in, room: make(chan struct{}, size)} }

// run takes data in on another goroutine, which wg waits for, and says in p how it went.
func (c *crew) run(wg *sync.WaitGroup, data []byte, p *piece) {
	c.room <- struct{}{}
	wg.Go(func() {
		defer func() { <-c.room }()
		h := c.intake.borrow()
		defer c.intake.giveBack(h)
		p.digest = digest.Sum(data)
		stored, err := h.put(digest.ClassContent, p.digest, data)
		if p.err = err; stored {
			p.stored = int64(len(data))
		}
	})
}
