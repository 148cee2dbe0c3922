package tree

import (
	"sync"

	"varve/internal/disk"
)

// flushEvery is how many bytes of new content are written between two flushes.
const flushEvery = 32 << 20

// flusher makes content durable while more is being written, so that the disk works all the time and not only at the end. It saves
// nothing but time: the commit flushes everything once more.
type flusher struct {
	dir  disk.FS
	wg   sync.WaitGroup
	mu   sync.Mutex
	size int64 // bytes written since the last flush began
	busy bool
	err  error // the first one; what was lost then is lost for good
}

// wrote counts n bytes, and begins a flush where there were enough and none is under way.
func (f *flusher) wrote(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size += n
	if f.busy || f.size < flushEvery {
		return
	}
	f.busy, f.size = true, 0
	f.wg.Go(func() {
		err := f.dir.SyncAll()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.busy = false
		if f.err == nil {
			f.err = err
		}
	})
}

// wait returns when no flush is under way, with the first error of any.
func (f *flusher) wait() error {
	f.wg.Wait()
	return f.err
}
