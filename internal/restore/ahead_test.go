package restore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
)

// slow is a source whose files take a round trip to open, and counts those that are opened.
type slow struct {
	varve.Source
	opened atomic.Int64
}

func (s *slow) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	time.Sleep(20 * time.Millisecond)
	s.opened.Add(1)
	return s.Source.Open(ctx, e)
}

func TestFilesOfAFarSourceAreOpenedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, d := bushes(300), memfs.New(memfs.Options{})
		far := slow{Source: src}
		begin := time.Now()
		o := into(d.Root(), &far, restore.Options{Ahead: 64})
		if took := time.Since(begin); !o.exact() || took > 3*time.Second { // one after the other, 60 s
			t.Errorf("%v, %+v; it took %v", o.err, o.Report, took)
		}
		identical(t, d, src)
	})
}

func TestOnlyWhatIsMissingIsOpenedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, d := bushes(30), memfs.New(memfs.Options{})
		if o := into(d.Root(), src, restore.Options{}); !o.exact() {
			t.Fatal(o.err)
		}
		src.File("bush1/dir1/file3", "other content")
		src.File("bush2/dir2/new", "a new file")
		far := slow{Source: src}
		if o := into(d.Root(), &far, restore.Options{Ahead: 64}); !o.exact() || far.opened.Load() > 3 {
			t.Errorf("%v, %+v; %d files were opened", o.err, o.Report, far.opened.Load())
		}
		identical(t, d, src)
	})
}
