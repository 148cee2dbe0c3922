package remote

import (
	"context"
	"fmt"
	"math"
	"sync"

	"varve"
	"varve/internal/disk"
)

// quota counts what a client takes up.
type quota struct {
	limit int64 // 0 for none
	// count tells what there is. It is asked again after every again bytes that were charged, since others may have the same quota; 0
	// for never.
	count func(context.Context) (int64, error)
	again int64

	mu      sync.Mutex
	counted bool
	used    int64
	since   int64 // what of it was charged since it was counted
	held    int64 // what has come and may be stored, though nobody has said so yet
}

// ErrQuota says that what was sent would exceed the quota of the key. It matches disk.ErrNoSpace.
var ErrQuota error = overQuota{}

type overQuota struct{}

func (overQuota) Error() string { return "it would exceed the quota" }

// Unwrap returns what else the error is.
func (overQuota) Unwrap() error { return disk.ErrNoSpace }

// mebi returns a number of bytes for people.
func mebi(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

const (
	// leeway is the part of a quota that what is held may exceed it by: most of that may turn out to be there already.
	leeway = 8
	// maxUsed keeps sums within bounds.
	maxUsed = math.MaxInt64 / 4
)

// charge adds n bytes, unless they would exceed the quota.
func (q *quota) charge(ctx context.Context, n int64) error {
	if q.limit <= 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.add(ctx, n, 0)
}

// add adds bytes that are stored, and bytes that are held, for who has the lock.
func (q *quota) add(ctx context.Context, stored, held int64) error {
	if !q.counted || q.again > 0 && q.since >= q.again {
		used, err := q.count(ctx)
		if err != nil {
			return fmt.Errorf("count what the quota is for: %w", err)
		}
		q.counted, q.used, q.since = true, min(used, maxUsed), 0
	}
	doubtful := max(q.held+held-q.limit/leeway, 0)
	if (stored > 0 || held > 0) && stored > q.limit-q.used-doubtful {
		return fmt.Errorf("%w of %s: %s of it were in use before, and this needs more than the rest", ErrQuota, mebi(q.limit), mebi(q.used-q.since))
	}
	q.used += stored
	q.since += stored
	q.held += held
	return nil
}

// give takes back n bytes that were charged.
func (q *quota) give(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= n
	q.since -= n
}

// account is what one push takes up. It may be used by several goroutines.
type account struct {
	q       *quota
	counted bool // guarded by q.mu

	mu    sync.Mutex
	files map[string]tally // those that were read and are not done yet
}

// tally is what is known of a file.
type tally struct {
	head int64 // how many of its first bytes are held
	more int64 // what was charged of it
}

// maxHead is how many bytes of a file are held as they come. A store tells of no fewer before the file is done.
const maxHead = 256 << 10

func newAccount(q *quota) *account { return &account{q: q, files: map[string]tally{}} }

// charge adds n bytes, or takes them away where n is negative.
func (a *account) charge(ctx context.Context, n int64) error { return a.add(ctx, n, 0) }

// add adds to the quota. What there was before is counted at the first call: then the push has the lease of its series, and what others have
// pushed into that, or left there, is on the disk.
func (a *account) add(ctx context.Context, stored, held int64) error {
	q := a.q
	if q.limit <= 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !a.counted {
		q.counted, a.counted = false, true
	}
	return q.add(ctx, stored, held)
}

// read holds n bytes that came of the file at path, up to maxHead together. Files may be stored long before events tell of them.
func (a *account) read(ctx context.Context, path string, n int64) error {
	if a.q.limit <= 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.files[path]
	n = min(n, maxHead-t.head)
	if n <= 0 {
		return nil
	}
	t.head += n
	a.files[path] = t
	return a.add(ctx, 0, n)
}

// event charges what an event tells of: content as it is stored, and gives back what turns out not to have been.
func (a *account) event(ctx context.Context, e *varve.Event) error {
	if a.q.limit <= 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.files[e.Path]
	switch e.Kind {
	case varve.Partly:
		t.more += e.Bytes
		a.files[e.Path] = t
		return a.charge(ctx, e.Bytes)
	case varve.Done, varve.Skipped, varve.Vanished:
		delete(a.files, e.Path)
		stored := -t.more
		if e.Kind == varve.Done && e.Stored {
			stored = e.Bytes
		}
		return a.add(ctx, stored, -t.head)
	}
	return nil
}

// close holds nothing any more. What is left of files that are not done is found when it is counted the next time.
func (a *account) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.q.mu.Lock()
	defer a.q.mu.Unlock()
	for _, t := range a.files {
		a.q.held -= t.head
	}
}

// dirWeight is what a directory is charged in bytes, which is what it takes up at least on most file systems.
const dirWeight = 4 << 10

// weight is what an entry is charged beside its bytes on the wire.
func weight(e *varve.Entry) int64 {
	if e.Kind == varve.Dir && e.Err == nil {
		return dirWeight
	}
	return 0
}

// addUp adds two numbers that are not negative; what is too large becomes the largest number.
func addUp(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
