package sftpfs

import (
	"io"
	"sync"

	"varve/internal/sftp"
)

// headSize is how many bytes are asked for together with the metadata of a file of which nothing was read.
const headSize = 32 << 10

// head is the beginning of a file, under way.
type head struct {
	buf   []byte
	t     turn
	call  *sftp.Call[int] // nil once the answer was taken
	whole bool            // there is no more of the file
}

// prefetch asks for the beginning of a file, once: who asks what a file is reads it next.
func (r *reader) prefetch(t turn, h sftp.Handle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checked != nil || r.head != nil {
		r.head.drop() // of the file as it was before
		r.head = nil
		return
	}
	size := max(1, min(r.want.Size, headSize, int64(t.m.Limits().Read)))
	buf := make([]byte, size)
	r.head = &head{buf: buf, t: t, call: send(t, sftp.Read(h, 0, buf)), whole: size >= r.want.Size}
}

// vouch gives up the beginning of a file that after the reading of it was not what it had been before it was opened: nobody knows of which
// of the two that is the content. Where it is, and the beginning is all of it, nobody needs to ask again.
func (r *reader) vouch(a sftp.Attrs) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := r.want.Attrs; r.head != nil && (a.Size != want.Size || a.MTime != want.MTime || a.Mode != want.Mode || !sameOwner(a, want)) {
		r.head.drop()
		r.head = nil
	}
}

// drop gives up what is under way.
func (h *head) drop() {
	if h != nil && h.call != nil {
		h.call.Drop()
	}
}

// takeHead fills p from the beginning of the file that was asked for, once, and returns how many bytes that are. io.EOF where the file
// is empty.
func (r *reader) takeHead(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.head
	r.head = nil
	if h == nil || h.call == nil || r.checked == nil {
		h.drop()
		return 0, nil
	}
	n, err := h.call.Wait(h.t.ctx)
	h.call = nil
	if n < len(h.buf) && err != io.EOF || n > len(p) { // to be asked for again, wholly or in part
		h.drop()
	} else if h.whole {
		r.head = h
	}
	if err != io.EOF {
		err = nil
	}
	return copy(p, h.buf[:n]), err
}

func (r *reader) dropHead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head.drop()
	r.head = nil
}

// settled reports, once, whether the file is known to be what it was after its head, which is all of it, was read.
func (r *reader) settled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head == nil || r.head.call != nil {
		return false
	}
	r.head = nil
	return true
}

func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	const op = "read"
	if err := r.usable(op); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, wrap(op, r.path, errNegative)
	}
	r.disk.writers.flush(r.path)
	if off == 0 {
		if n, err = r.takeHead(p); err != nil {
			return n, err
		}
	}
	if n < len(p) || off > 0 {
		r.dropHead() // there is more to be read
	}
	if r.stream.mu.TryLock() {
		defer func() {
			r.stream.next = off + int64(n)
			r.stream.mu.Unlock()
		}()
		n += r.follow(p[n:], off+int64(n))
	}
	if n == len(p) {
		return n, nil
	}
	m, err := r.direct(p[n:], off+int64(n))
	if n += m; err == nil || err == io.EOF {
		return n, err
	}
	return 0, wrap(op, r.path, err)
}

// direct reads into p with all that it needs under way at once.
func (r *reader) direct(p []byte, off int64) (done int, err error) {
	err = r.with(false, func(t turn, h sftp.Handle) error {
		n, err := t.m.ReadAt(t.ctx, h, p[done:], off+int64(done))
		done += n
		return err
	})
	return done, err
}

// stream reads a file ahead of a consumer that reads it from the beginning to the end.
type stream struct {
	mu    sync.Mutex
	next  int64 // where the last read ended
	r     *sftp.Reader
	at    *held // on which r reads
	pos   int64 // of r
	taken int64 // from the budget
}

const (
	// mostAhead and leastAhead are how many bytes of one file are read ahead.
	mostAhead, leastAhead = 4 << 20, 256 << 10
	// worthwhile is how many bytes must be left of a file for reading ahead.
	worthwhile = 64 << 10
)

// follow fills p with what was read ahead, beginning to do so where a second read follows on a first. It returns how many bytes it
// could give; there may be more of the file.
func (r *reader) follow(p []byte, off int64) int {
	s := &r.stream
	if s.r != nil && s.pos != off {
		s.end(r.disk)
	}
	if s.r == nil && (off == 0 || off != s.next || !r.begin(off)) {
		return 0
	}
	done := 0
	for done < len(p) {
		s.at.m.load.Add(1)
		n, err := s.r.Read(p[done:])
		r.disk.pool.release(s.at.m, err)
		done += n
		s.pos += int64(n)
		if err == nil {
			continue
		}
		if lost(err) {
			r.lose(s.at)
		}
		s.end(r.disk) // the end of the file, or an error that will come again
		break
	}
	return done
}

// begin begins to read ahead at off; false where that is not worth while, or there is no memory for it.
func (r *reader) begin(off int64) bool {
	s := &r.stream
	at, checked, err := r.handle()
	r.mu.Lock()
	left := r.seen.Size - off
	r.mu.Unlock()
	if err != nil || !checked || left < worthwhile {
		return false
	}
	for s.taken = min(mostAhead, left); !r.disk.budget.take(s.taken); s.taken /= 4 {
		if s.taken <= leastAhead {
			s.taken = 0
			return false
		}
	}
	s.r = at.m.NewReader(r.disk.pool.life, at.Handle, off, left, int(s.taken))
	s.at, s.pos = at, off
	return true
}

// end gives up what is under way; s.mu is held.
func (s *stream) end(d *Disk) {
	if s.r != nil {
		_ = s.r.Close() // drops what is under way, no more
		d.budget.give(s.taken)
		s.r, s.at, s.taken = nil, nil, 0
	}
}

func (s *stream) stop(d *Disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(d)
}
