package parallel_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"varve/internal/parallel"
)

func one(int) int { return 1 }

func TestResultsComeBackInTheOrderInWhichTheyWerePut(t *testing.T) {
	var got []int
	feed := func(put func(int) error) error {
		for i := range 5000 {
			if err := put(i); err != nil {
				return err
			}
		}
		return nil
	}
	work := func(_ <-chan struct{}, i int) error { return nil }
	take := func(i int) error { got = append(got, i); return nil }
	if err := parallel.Ordered(4, one, feed, work, take); err != nil {
		t.Fatal(err)
	}
	if len(got) != 5000 || !slices.IsSorted(got) {
		t.Errorf("%d results, sorted: %v", len(got), slices.IsSorted(got))
	}
}

func TestTheFirstErrorEndsTheWorkAndIsReturned(t *testing.T) {
	broken := errors.New("broken")
	var after atomic.Int64
	feed := func(put func(int) error) error {
		for i := range 1 << 20 {
			if err := put(i); err != nil {
				return err
			}
		}
		return nil
	}
	work := func(_ <-chan struct{}, i int) error {
		if i == 100 {
			return broken
		}
		if i > 1<<16 {
			after.Add(1)
		}
		return nil
	}
	err := parallel.Ordered(3, one, feed, work, func(int) error { return nil })
	if !errors.Is(err, broken) || after.Load() > 0 {
		t.Errorf("error %v, %d items far behind it", err, after.Load())
	}
}

func TestNobodyWaitsForWhatWillNotComeAfterAnError(t *testing.T) {
	broken := errors.New("broken")
	never := make(chan struct{})
	feed := func(put func(int) error) error { return errors.Join(put(0), put(1)) }
	work := func(stop <-chan struct{}, i int) error {
		if i == 0 {
			return broken
		}
		select {
		case <-never:
		case <-stop:
		}
		return parallel.ErrStopped
	}
	if err := parallel.Ordered(2, one, feed, work, func(int) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestWhatWeighsMoreThanAllIsTakenAlone(t *testing.T) {
	var taken int
	feed := func(put func(int) error) error { return errors.Join(put(1), put(1<<30), put(1)) }
	err := parallel.Ordered(2, func(i int) int { return i }, feed,
		func(<-chan struct{}, int) error { return nil }, func(int) error { taken++; return nil })
	if err != nil || taken != 3 {
		t.Errorf("error %v, %d taken", err, taken)
	}
}
