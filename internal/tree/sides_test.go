package tree_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/tree"
)

// farFile is the file by which who writes to the series s from afar shows himself.
const farFile = "%far-s"

// leased is a disk on another machine: who holds a lease on it has a file, whose time he moves on unless he is silent.
type leased struct {
	disk.FS
	silent bool
}

func (l leased) OpenDir(name string) (disk.FS, error) {
	sub, err := l.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return leased{sub, l.silent}, nil
}

func (l leased) Rename(name string, to disk.FS, toName string) error {
	return l.FS.Rename(name, to.(leased).FS, toName)
}

func (l leased) Replace(name string, to disk.FS, toName string) error {
	return l.FS.Replace(name, to.(leased).FS, toName)
}

func (l leased) Link(name string, to disk.FS, toName string) error {
	return l.FS.Link(name, to.(leased).FS, toName)
}

func (l leased) Lock(name string) (io.Closer, error) {
	held, err := l.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	t := &ticking{held: held, dir: l.FS, name: name, stop: make(chan struct{}), done: make(chan struct{})}
	go t.run(l.silent)
	return t, nil
}

// ticking is a lease whose file goes with it.
type ticking struct {
	held       io.Closer
	dir        disk.FS
	name       string
	stop, done chan struct{}
}

func (t *ticking) run(silent bool) {
	defer close(t.done)
	for !silent {
		select {
		case <-t.stop:
			return
		case <-time.After(5 * time.Second):
			_ = t.dir.Set(t.name, &varve.Entry{MTime: varve.TimeOf(time.Now())}, varve.MTime)
		}
	}
}

func (t *ticking) Close() error {
	close(t.stop)
	<-t.done
	return errors.Join(t.dir.Remove(t.name), t.held.Close())
}

// side returns what saves to the store here, or from afar, and calls inside before it commits.
func (b *bed) side(far, silent bool, inside func()) func() error {
	b.Helper()
	use, root := b.use, b.disk.Root()
	use.After = nil
	if far {
		use.Far, root = true, leased{root, silent}
	}
	s, err := tree.Open(root, use)
	must(b.T, err)
	return func() error {
		opts := varve.SaveOptions{Series: "s", Now: b.clock, Judge: func(varve.Difference) varve.State {
			inside()
			return varve.Complete
		}}
		_, err := s.Save(context.Background(), small(), opts)
		return errors.Join(err, s.Close())
	}
}

func TestWhoWritesHereAndWhoWritesOverSFTPKeepEachOtherOut(t *testing.T) {
	for who, far := range map[string]bool{"here": false, "over SFTP": true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			var second error
			var waited time.Duration
			first := b.side(far, false, func() {
				begin := time.Now()
				second = b.side(!far, false, func() { t.Error("two write at once") })()
				waited = time.Since(begin)
			})()
			if first != nil || !errors.Is(second, varve.ErrBusy) || waited > 15*time.Second {
				t.Errorf("%s: %v; the other one, after %v: %v", who, first, waited, second)
			}
			if words := map[bool]string{false: "on the machine of the store", true: "over SFTP"}[far]; second != nil && !strings.Contains(second.Error(), words) {
				t.Errorf("who it is is not told: %v", second)
			}
			begin := time.Now()
			if err := b.side(!far, false, func() {})(); err != nil || time.Since(begin) > 0 {
				t.Errorf("afterwards: %v after %v", err, time.Since(begin))
			}
		})
	}
}

func TestOfTwoThatBeginAtOnceHereAndOverSFTPOneWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, memfs.Options{})
		for range 30 {
			inside := make(chan struct{}, 1)
			work := func() {
				select {
				case inside <- struct{}{}:
					time.Sleep(20 * time.Second)
					<-inside
				default:
					t.Error("two write at once")
				}
			}
			ends := make(chan error)
			for _, far := range []bool{true, false} {
				run := b.side(far, false, work)
				go func() { ends <- run() }()
			}
			a, c := <-ends, <-ends
			if (a == nil) == (c == nil) || !errors.Is(errors.Join(a, c), varve.ErrBusy) {
				t.Errorf("the ends are %v and %v", a, c)
			}
		}
	})
}

func TestWhoIsGoneIsTakenOverAfterAMinuteAndThatIsTold(t *testing.T) {
	for _, far := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			locks, err := disk.OpenPath(b.disk.Root(), ".varve/locks")
			must(t, err)
			name := farFile
			if far { // who was here is gone
				name = "s"
			}
			w, err := locks.Create(name, 0o600)
			must(t, err)
			must(t, errors.Join(w.Close(), locks.Set(name, &varve.Entry{MTime: varve.TimeOf(time.Now())}, varve.MTime), locks.Close()))
			told := 0
			b.use.Warn = func(error) { told++ }
			for n, want := range []time.Duration{time.Minute, 0} {
				begin := time.Now()
				err := b.side(far, false, func() {})()
				if took := time.Since(begin); err != nil || took < want || took > want+10*time.Second {
					t.Errorf("far %v: run %d took %v: %v", far, n, took, err)
				}
			}
			if told != 1 {
				t.Errorf("told %d times", told)
			}
			b.snaps, b.states = nil, nil
			b.sound(small().Want())
		})
	}
}
