package sftpfs

import (
	"errors"
	"io/fs"
	"sync"

	"varve/internal/disk"
)

// ledger holds the files that were written and closed, and that nothing has made durable yet, wherever this Disk moves them.
type ledger struct {
	flushing sync.Mutex // held by whoever makes the files durable
	room     int        // how many bytes the entries may take together

	mu    sync.Mutex
	still sync.Cond // of mu: a change of names has ended
	files map[string]*written
	bytes int
}

// written is one file of a ledger, with what tells whether the server still has it.
type written struct {
	losses int64 // sessions that had been lost when the file was about to be closed
	size   int64 // bytes
	sums   sums

	// The ledger's mu guards these.
	path   string
	turns  int   // how many changes of the path have begun
	moving int   // how many of them are under way
	gone   bool  // removed, replaced or durable: not in the ledger any more
	err    error // why it never will be durable
}

const (
	// maxLedger bounds the memory of a ledger in bytes; from half of it on files are made durable before others are made.
	maxLedger = 32 << 20
	// writtenSize and runSize are what one file and one run of it take beside the path, in bytes.
	writtenSize, runSize = 256, 24
)

func newLedger() *ledger {
	l := &ledger{room: maxLedger, files: map[string]*written{}}
	l.still.L = &l.mu
	return l
}

func (f *written) cost() int { return writtenSize + len(f.path) + runSize*len(f.sums.runs) }

// enter takes a file in; one that was known by its path is gone.
func (l *ledger) enter(f *written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(f)
}

// put is enter with l.mu held.
func (l *ledger) put(f *written) {
	l.take(l.files[f.path])
	f.gone = false
	l.files[f.path] = f
	l.bytes += f.cost()
}

// strike says that files are of no concern any more.
func (l *ledger) strike(list []*written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range list {
		l.take(f)
	}
}

// take takes out one file, if any; l.mu is held.
func (l *ledger) take(f *written) {
	if f != nil && !f.gone {
		f.gone = true
		l.bytes -= f.cost()
		delete(l.files, f.path)
	}
}

// link says that what was at a path when the result was asked for has another name now.
func (l *ledger) link(from string) (done func(there string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[from]
	if f == nil {
		return func(string) {}
	}
	other := &written{losses: f.losses, size: f.size, sums: f.sums, err: f.err}
	return func(there string) {
		other.path = there
		l.enter(other)
	}
}

// begin says that what is at a path, and below it where there may be something, is about to be moved or removed. end says what came
// of it: done is false where it is where it was, there is empty where it is gone.
func (l *ledger) begin(path string, tree bool) (end func(there string, done bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.at(path, tree)
	for _, f := range list {
		f.turns++
		f.moving++
	}
	return func(there string, done bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, f := range list {
			if f.moving--; done && !f.gone {
				l.take(f)
				l.resettle(f, path, there)
			}
		}
		l.still.Broadcast()
	}
}

// resettle enters f, which was taken out, where it has been moved to.
func (l *ledger) resettle(f *written, from, there string) {
	if there != "" {
		f.path = there + f.path[len(from):]
		l.put(f)
	}
}

// at returns the files at a path, and below it where tree says so.
func (l *ledger) at(path string, tree bool) (list []*written) {
	if f := l.files[path]; f != nil {
		return []*written{f}
	}
	if tree && path != "" {
		for at, f := range l.files {
			if within(at, path) {
				list = append(list, f)
			}
		}
	}
	return list
}

// all returns the files, or why one of them never will be durable.
func (l *ledger) all() ([]*written, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*written, 0, len(l.files))
	for _, f := range l.files {
		if f.err != nil {
			return nil, f.err
		}
		list = append(list, f)
	}
	return list, nil
}

// where waits until nobody moves a file and returns where it is; turn tells one place from the next one. there is false where it is
// of no concern any more.
func (l *ledger) where(f *written) (path string, turn int, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f.moving > 0 && !f.gone {
		l.still.Wait()
	}
	return f.path, f.turns, !f.gone
}

// judge enters what came of looking after a file in a turn. again says that it has moved since, so that this says nothing.
func (l *ledger) judge(f *written, turn int, err error) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.gone || f.turns != turn && (err == nil || doubtful(err)) {
		return true
	}
	if !errors.Is(err, disk.ErrLost) && !errors.Is(err, fs.ErrClosed) {
		f.err = err
	}
	return false
}

// doubtful reports whether an error may be that of another file, which lies where the one that was meant was before.
func doubtful(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) || errors.Is(err, errAltered)
}

// full reports whether the ledger has taken a number of halves of its room.
func (l *ledger) full(halves int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes >= l.room/2*halves
}
