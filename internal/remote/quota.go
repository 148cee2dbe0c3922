package remote

import (
	"context"
	"math"
	"sync"

	"varve"
)

// quota counts what a client takes up. Others that push under the same quota at the same time are not seen until they are done.
type quota struct {
	limit int64 // 0 for none

	mu    sync.Mutex
	known bool
	used  int64
}

// begin opens an account for one push. used, asked once, tells what the client had before this session.
func (q *quota) begin(ctx context.Context, used func(context.Context) (int64, error)) (*account, error) {
	a := &account{q: q, partly: map[string]int64{}}
	if q.limit <= 0 {
		return a, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.known {
		n, err := used(ctx)
		if err != nil {
			return nil, err
		}
		q.known, q.used = true, n
	}
	return a, nil
}

// account is what one push takes up.
type account struct {
	q      *quota
	mu     sync.Mutex
	spent  int64            // all that this push was charged
	partly map[string]int64 // what it was charged for files that are not done yet
}

// charge adds n bytes, or takes them away where n is negative.
func (a *account) charge(n int64) error {
	q := a.q
	if q.limit <= 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if n > 0 && n > q.limit-q.used {
		return overQuota(q.limit)
	}
	q.used += n
	a.spent += n
	return nil
}

// event charges what an event tells of: content as it is stored, and gives back what turns out not to have been.
func (a *account) event(e *varve.Event) error {
	if a.q.limit <= 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch e.Kind {
	case varve.Partly:
		a.partly[e.Path] += e.Bytes
		return a.charge(e.Bytes)
	case varve.Done:
		n := a.partly[e.Path]
		delete(a.partly, e.Path)
		if e.Stored {
			return a.charge(e.Bytes)
		}
		return a.charge(-n)
	case varve.Skipped, varve.Vanished:
		n := a.partly[e.Path]
		delete(a.partly, e.Path)
		return a.charge(-n)
	}
	return nil
}

// end closes the account: what counts from now on is what the snapshot has added; nothing where there is none.
func (a *account) end(added int64) {
	q := a.q
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used = addUp(q.used-a.spent, added)
	a.spent = 0
}

// addUp adds two numbers that are not negative; what is too large becomes the largest number.
func addUp(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
