package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"varve"
	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/place"
)

// maxSingle is how long a content stream is at the most that is one chunk, in bytes.
const maxSingle = chunk.DefaultMin

// rereads is how often a file is read that is cut short while it is read.
const rereads = 3

// errShrank says that a file got shorter while it was read.
var errShrank = errors.New("was cut short while being read")

// errSource wraps what concerns one file of the source.
type errSource struct{ error }

func (e errSource) Unwrap() error { return e.error }

// reader takes the content of files in; for one goroutine at a time.
type reader struct {
	save   *save
	intake *hand
	small  []byte // room for one chunk of a small file, and a byte more
}

func newReader(v *save) *reader {
	return &reader{save: v, intake: v.intake.newHand(), small: make([]byte, maxSingle+1)}
}

// readers are those that nobody uses.
type readers struct {
	mu   sync.Mutex
	idle []*reader
}

func (r *readers) borrow(v *save) *reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.idle); n > 0 {
		one := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return one
	}
	return newReader(v)
}

func (r *readers) giveBack(one *reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, one)
}

// regular sees to it that the content of j's file is in the vault. What concerns the file alone is set as its Err; an error returned
// ends the run.
func (r *reader) regular(j *job) error {
	e := j.entry
	if j.known {
		here, err := r.save.intake.relyOn(e)
		if here {
			return r.save.enlist(j, e)
		}
		if err != nil {
			return err
		}
		e.Chunks, e.Depth = nil, 0
	}
	for try := 1; ; try++ {
		err := r.once(j)
		var bad errSource
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errShrank) && try < rereads:
			continue
		case errors.As(err, &bad):
			e.Err = bad.error
			return nil
		}
		return err
	}
}

// once is regular without a second try. Errors of the source are errSource values.
func (r *reader) once(j *job) error {
	e := *j.entry
	e.Chunks, e.Depth = j.chunks, j.depth
	f, err := r.save.files.Open(r.save.ctx, e)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, varve.ErrUnreadable) {
			return errSource{err}
		}
		return err
	}
	defer f.Close()
	before, err := f.Entry()
	if err != nil {
		return errSource{err}
	}
	now := before
	merge(&now, j.entry)
	j.stored, j.told, j.flat = 0, 0, nil
	n, err := r.content(j, f, &now)
	if err != nil {
		return err
	}
	return hold(j, f, &before, &now, n)
}

// merge completes what an open file says of itself by what only the walk knows.
func merge(now, walked *varve.Entry) {
	now.Path, now.SameAs, now.Marks = walked.Path, walked.SameAs, walked.Marks
	now.Chunks, now.Depth, now.Unkept, now.Digest = nil, 0, 0, varve.Digest{}
	if now.Stamp != walked.Stamp {
		now.Stamp = varve.Stamp{} // the next run looks again
	}
}

// content takes the content stream of f in, completes now by where it is, and returns its length in bytes.
func (r *reader) content(j *job, f varve.File, now *varve.Entry) (int64, error) {
	n, err := io.ReadFull(f, r.small)
	switch {
	case err == nil:
		return r.save.large.take(j, r.small, f, now)
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return 0, errSource{err}
	case n == 0:
		return 0, nil
	}
	if now.Digest = digest.Sum(r.small[:n]); r.denies(j, now) {
		return int64(n), nil // hold says so
	}
	stored, err := r.intake.put(digest.ClassContent, now.Digest, r.small[:n])
	if stored {
		j.stored += int64(n)
	}
	return int64(n), err
}

// denies reports whether the source had announced other content.
func (r *reader) denies(j *job, now *varve.Entry) bool {
	return j.entry.Digest != varve.Digest{} && j.entry.Digest != now.Digest
}

// hold holds what was read against what the source said before and says now, and completes the entry.
func hold(j *job, f varve.File, before, now *varve.Entry, n int64) error {
	after, err := f.Entry()
	if err != nil {
		return errSource{err}
	}
	switch {
	case before.Size == 0:
		now.Size = n // the kernel's own files do not tell
	case n < place.StreamLen(before):
		return errSource{fmt.Errorf("/%s: %w", now.Path, errShrank)}
	}
	if j.entry.Digest != (varve.Digest{}) && now.Digest != j.entry.Digest {
		return errSource{fmt.Errorf("/%s: content is not what its digest says: %w", now.Path, varve.ErrDamaged)}
	}
	j.changed = before.Stamp != after.Stamp || before.MTime != after.MTime || before.Size != after.Size
	if j.changed {
		now.Stamp = varve.Stamp{}
	}
	*j.entry = *now
	return nil
}
