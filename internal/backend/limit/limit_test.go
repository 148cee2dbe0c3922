package limit_test

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/limit"
	"varve/internal/backend/mem"
)

func TestTheContractHolds(t *testing.T) {
	for what, opts := range map[string]limit.Options{
		"without bounds": {}, "one operation": {Operations: 1}, "three, and fast": {Operations: 3, Up: 1 << 40, Down: 1 << 40},
	} {
		t.Run(what, func(t *testing.T) {
			backendtest.Run(t, func(*testing.T) varve.Backend { return limit.New(mem.New(mem.Options{}), opts) }, backendtest.Options{Big: 1 << 20})
		})
	}
}

// crowd counts the operations under way.
type crowd struct {
	varve.Backend
	now, most atomic.Int64
}

func (c *crowd) Put(ctx context.Context, name string, data []byte) error {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for {
		most := c.most.Load()
		if n <= most || c.most.CompareAndSwap(most, n) {
			break
		}
	}
	time.Sleep(time.Second) // of the bubble
	return c.Backend.Put(ctx, name, data)
}

func object(n int) (string, []byte) {
	data := make([]byte, 1000)
	data[0] = byte(n)
	return backend.NameOf(backend.Data, data), data
}

func TestNoMoreOperationsThanAllowedAreUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{Backend: mem.New(mem.Options{})}
		b := limit.New(c, limit.Options{Operations: 3})
		start := time.Now()
		var wg sync.WaitGroup
		for n := range 12 {
			wg.Go(func() {
				name, data := object(n)
				if err := b.Put(t.Context(), name, data); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(start); c.most.Load() != 3 || d != 4*time.Second {
			t.Errorf("at most %d were under way, for %v", c.most.Load(), d)
		}
	})
}

func TestWaitingForAPlaceEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{Backend: mem.New(mem.Options{})}
		b := limit.New(c, limit.Options{Operations: 1})
		var wg sync.WaitGroup
		wg.Go(func() {
			name, data := object(1)
			if err := b.Put(t.Context(), name, data); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		name, data := object(2)
		if err := b.Put(ctx, name, data); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("put: %v", err)
		}
		for _, err := range b.List(ctx, "") {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("list: %v", err)
			}
		}
		wg.Wait()
	})
}

func TestAListingHoldsNoPlaceWhileItsCallerWorks(t *testing.T) {
	m := mem.New(mem.Options{})
	b := limit.New(m, limit.Options{Operations: 1})
	for n := range 5 {
		name, data := object(n)
		if err := b.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // a place that was not given back would be missed the next time
		for o, err := range b.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Get(t.Context(), o.Name, 0, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Get(t.Context(), backend.NameOf(backend.Data, nil), 0, 1); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			break
		}
	}
}

func TestBytesASecondAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limit.New(mem.New(mem.Options{}), limit.Options{Up: 1000, Down: 2000})
		start := time.Now()
		var wg sync.WaitGroup
		for n := range 10 { // all at once: they queue up
			wg.Go(func() {
				name, data := object(n)
				if err := b.Put(t.Context(), name, data); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(start); d != 9*time.Second { // the last one begins when nine are paid for
			t.Errorf("10,000 bytes up took %v", d)
		}
		time.Sleep(time.Hour) // is not saved up
		start = time.Now()
		for n := range 3 {
			name, data := object(10 + n)
			if err := b.Put(t.Context(), name, data); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("3,000 bytes up took %v after an hour of nothing", d)
		}
		start = time.Now()
		for n := range 10 {
			name, _ := object(n)
			if _, err := b.Get(t.Context(), name, 0, 1000); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 4500*time.Millisecond {
			t.Errorf("10,000 bytes down took %v", d)
		}
	})
}

func TestBytesThatWereNotMovedAreNotPaidFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New(mem.Options{})
		name, data := object(1)
		if err := m.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
		b := limit.New(m, limit.Options{Up: 1000, Down: 1000})
		start := time.Now()
		for range 3 {
			for _, n := range []int64{-1, 1 << 40, 1 << 20} { // 1,000 each
				if _, err := b.Get(t.Context(), name, 0, n); err != nil {
					t.Error(err)
				}
			}
		}
		if d := time.Since(start); d != 8*time.Second {
			t.Errorf("9,000 bytes took %v", d)
		}
	})
}

func TestAnInterruptedWaitIsNotPaidFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limit.New(mem.New(mem.Options{}), limit.Options{Up: 1000})
		start := time.Now()
		for n := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			name, data := object(n)
			err := b.Put(ctx, name, data)
			if n > 0 != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("put %d: %v", n, err)
			}
			cancel()
		}
		name, data := object(3)
		if err := b.Put(t.Context(), name, data); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("it took %v", d)
		}
	})
}
