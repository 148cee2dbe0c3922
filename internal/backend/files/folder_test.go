package files

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"varve/internal/disk"
)

// slow is a directory whose first sync takes until somebody lets it go on.
type slow struct {
	disk.FS
	begun, goOn chan struct{}
	syncs       atomic.Int64
	err         error
}

func (s *slow) Sync() error {
	if s.syncs.Add(1) == 1 {
		close(s.begun)
		<-s.goOn
	}
	return s.err
}

// commitMany lets ten goroutines commit while the sync of the first is under way, and returns what they were told.
func commitMany(t *testing.T, s *slow) (told []error) {
	t.Helper()
	const others = 10
	s.begun, s.goOn = make(chan struct{}), make(chan struct{})
	d := &folder{}
	errs := make(chan error, others+1)
	var wg sync.WaitGroup
	wg.Go(func() { errs <- d.commit(s) })
	<-s.begun
	for range others {
		wg.Go(func() { errs <- d.commit(s) })
	}
	for d.asked.Load() < others+1 {
		runtime.Gosched()
	}
	close(s.goOn)
	wg.Wait()
	close(errs)
	for err := range errs {
		told = append(told, err)
	}
	return told
}

func TestThoseWhoWaitForASyncShareTheNextOne(t *testing.T) {
	s := &slow{}
	for _, err := range commitMany(t, s) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := s.syncs.Load(); n != 2 { // one alone would have begun before the others' changes
		t.Errorf("synced %d times", n)
	}
}

func TestASyncThatFailsFailsForAllWhoWaitedForIt(t *testing.T) {
	s := &slow{err: errors.New("broken")}
	for _, err := range commitMany(t, s) {
		if !errors.Is(err, s.err) {
			t.Errorf("error %v", err)
		}
	}
	if n := s.syncs.Load(); n != 1 {
		t.Errorf("synced %d times", n)
	}
}
