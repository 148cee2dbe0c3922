// Package ahead opens files of a varve.Source before it is their turn, so that those who read one after the other do not wait for a
// far machine each time.
//
// Small files are read wholly and wait in memory, with both looks at their metadata; of larger ones nothing is read ahead, since
// whoever reads a stream of any length can see to that.
//
// It is not a cache: a file that was read ahead is given out once. It does not decide which files are worth it.
package ahead

import (
	"container/list"
	"context"
	"sync"

	"varve"
)

const (
	// small is the size in bytes up to which files are read ahead.
	small = 1 << 20
	// room is how many bytes of content, with what else a file takes, may wait to be consumed.
	room = 32 << 20
	// overhead is what a file takes beside its content, in bytes, roughly.
	overhead = 2 << 10
)

// Source opens files of another Source, some of them ahead of their turn. Its methods may be called from several goroutines, except
// Close.
type Source struct {
	src    varve.Source
	ctx    context.Context
	cancel context.CancelFunc
	crew   sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond
	tasks   map[string]*task // by path: wanted, and neither opened nor dropped
	queue   list.List        // of *task that nobody has begun, in the order in which they were wanted
	held    int64            // bytes of files begun and not yet closed or dropped
	over    bool
}

// task is one file to be read ahead. Whoever takes it off the queue does it.
type task struct {
	entry varve.Entry
	place *list.Element // in the queue; nil once it is begun

	cost    int64 // what it counts for in held
	dropped bool  // nobody wants it any more

	done   chan struct{}
	result content // once done is closed
}

// New wraps src, which it does not close: up to n files are read ahead at once, and what waits to be consumed takes about 32 MiB
// at most. With n = 0 nothing is read ahead. What is read ahead is read with ctx.
func New(ctx context.Context, src varve.Source, n int) *Source {
	s := &Source{src: src, tasks: map[string]*task{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.changed.L = &s.mu
	s.over = n <= 0
	for range n {
		s.crew.Go(s.work)
	}
	return s
}

// Want says that e will be opened, after what was wanted before. It never waits. Passed over are large files, entries that have no
// content of their own, and paths that are wanted already. What is wanted must be opened or dropped one day: until then it may take
// up the room.
func (s *Source) Want(e varve.Entry) {
	if e.Kind != varve.Regular || e.Err != nil || e.SameAs != "" || e.Size > small {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.tasks[e.Path] != nil {
		return
	}
	t := &task{entry: e, cost: overhead + max(e.Size, 0), done: make(chan struct{})}
	t.place = s.queue.PushBack(t)
	s.tasks[e.Path] = t
	s.changed.Signal()
}

// Drop says that the file at path will not be opened after all. Nothing happens where it was not wanted.
func (s *Source) Drop(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[path]; t != nil {
		delete(s.tasks, path)
		s.drop(t)
	}
}

// drop gives up t, which is not among the tasks any more; s.mu is held.
func (s *Source) drop(t *task) {
	t.dropped = true
	if t.place != nil {
		s.queue.Remove(t.place)
		t.place = nil
		s.changed.Signal() // the next one may be smaller
		return
	}
	select {
	case <-t.done:
		s.free(t)
	default: // who reads it frees it
	}
}

// free gives back what t takes up; s.mu is held.
func (s *Source) free(t *task) {
	s.held -= t.cost
	t.cost, t.result = 0, content{}
	s.changed.Signal()
}

// Open opens the content of e as the wrapped Source would: from memory where it was wanted and somebody has begun to read it, who is
// waited for; else directly. What was wanted once is in memory for one Open.
func (s *Source) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	t := s.take(e.Path)
	if t == nil {
		return s.src.Open(ctx, e)
	}
	select {
	case <-t.done:
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(t)
		return nil, ctx.Err()
	}
	if t.result.beyond || t.result.err != nil {
		c := t.result
		s.release(t)
		if c.beyond {
			return s.src.Open(ctx, e)
		}
		return nil, c.err
	}
	return &file{source: s, task: t, content: &t.result}, nil
}

// take returns the task of the file at path, which nobody else gets then; nil where nobody has begun it.
func (s *Source) take(path string) *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[path]
	delete(s.tasks, path)
	if t == nil || t.place == nil {
		return t
	}
	s.drop(t)
	return nil
}

// release gives back what a file that was consumed takes up.
func (s *Source) release(t *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(t)
}

// Close ends what is under way, waits for it, and drops what was not opened. Files that were opened stay usable.
func (s *Source) Close() error {
	s.cancel()
	s.mu.Lock()
	s.over = true
	s.changed.Broadcast()
	s.mu.Unlock()
	s.crew.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		s.drop(t)
	}
	clear(s.tasks)
	return nil
}
