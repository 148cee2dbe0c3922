package backendtest

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"varve/internal/backend"
)

var togetherPart = []clause{
	{"OfManyWhoPutOneNameOneWins", oneWins},
	{"ManyMayPutTheSameBytes", allAgree},
	{"NobodySeesAnObjectHalfDone", neverHalfDone},
	{"WhatIsPutMeanwhileDoesNotDisturbAListing", listWhilePutting},
	{"OperationsDoNotDisturbOneAnother", manyAtOnce},
}

// many is how many goroutines do the same.
const many = 16

func oneWins(r *rig) {
	var wg sync.WaitGroup
	var won atomic.Int64
	winners := make(chan []byte, many)
	for n := range many {
		data := fmt.Appendf(nil, "%d: %x", n, r.bytes(5000))
		wg.Go(func() {
			err := r.Put(r.ctx, "config", data)
			if err == nil {
				won.Add(1)
				winners <- data
			} else if !errors.Is(err, fs.ErrExist) {
				r.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		r.Fatalf("%d have won", won.Load())
	}
	r.holds("config", <-winners)
}

func allAgree(r *rig) {
	var wg sync.WaitGroup
	var won atomic.Int64
	data := r.bytes(100_000)
	name := backend.NameOf(backend.Data, data)
	for range many {
		wg.Go(func() {
			err := r.Put(r.ctx, name, data)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				r.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() == 0 {
		r.Error("nobody has won")
	}
	r.holds(name, data)
	r.lists("", map[string]int64{name: 100_000})
}

func neverHalfDone(r *rig) {
	for range 5 {
		data := r.bytes(1 << 20)
		name := backend.NameOf(backend.Data, data)
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for over := false; !over; {
				select {
				case <-done:
					over = true // once more
				default:
				}
				r.wholeOrAbsent(name, data)
			}
		})
		err := r.Put(r.ctx, name, data)
		close(done)
		wg.Wait()
		if err != nil {
			r.Fatal(err)
		}
	}
}

func (r *rig) wholeOrAbsent(name string, data []byte) {
	got, err := r.Get(r.ctx, name, 0, -1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Error(err)
	}
	if err == nil && string(got) != string(data) {
		r.Errorf("seen with %d bytes of %d, or other ones", len(got), len(data))
	}
	for o, err := range r.List(r.ctx, name) {
		if err != nil {
			r.Error(err)
		} else if o.Size != int64(len(data)) {
			r.Errorf("listed with %d bytes of %d", o.Size, len(data))
		}
	}
}

func listWhilePutting(r *rig) {
	all := r.fill()
	var later [][]byte
	for range 50 {
		later = append(later, r.bytes(100))
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, data := range later {
			if err := r.Put(r.ctx, backend.NameOf(backend.Snapshots, data), data); err != nil {
				r.Error(err)
			}
		}
	})
	for range 10 {
		got := r.list("")
		for name, size := range all {
			if listed, ok := got[name]; !ok || listed != size {
				r.Errorf("%s was there before and is listed: %v, with %d bytes of %d", name, ok, listed, size)
			}
		}
	}
	wg.Wait()
	if got := len(r.list("")); got != len(all)+len(later) {
		r.Errorf("%d objects are listed in the end, want %d", got, len(all)+len(later))
	}
}

func manyAtOnce(r *rig) {
	var wg sync.WaitGroup
	for n := range many {
		data := r.bytes(1000)
		wg.Go(func() {
			for i := range 5 {
				mine := fmt.Appendf(data, "%d %d", n, i)
				name, err := backend.Save(r.ctx, r, backend.Data, mine)
				if err != nil {
					r.Error(err)
					return
				}
				if got, err := backend.Range(r.ctx, r, name, 10, 500); err != nil || string(got) != string(mine[10:510]) {
					r.Errorf("a range of it: %d bytes, error %v", len(got), err)
				}
				if i%2 == 0 {
					continue
				}
				if err := backend.Remove(r.ctx, r, name); err != nil {
					r.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(r.list("data/")); got != 3*many {
		r.Errorf("%d objects are left, want %d", got, 3*many)
	}
}
