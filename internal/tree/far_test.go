package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
	"varve/internal/storetest"
	"varve/internal/tree"
	"varve/internal/walk"
)

// trip is how long every call on a far disk takes in these tests.
const trip = 20 * time.Millisecond

// slowly opens the store in d on a far disk.
func (b *bed) slowly(d *farDisk) *tree.Store {
	b.Helper()
	use := b.use
	use.Far, use.Workers = true, 0
	s, err := tree.Open(d.root(b.disk.Root()), use)
	must(b.T, err)
	return s
}

// took returns the virtual time that act takes, and how many calls it makes.
func (d *farDisk) took(act func()) (time.Duration, int64) {
	begin, calls := time.Now(), d.calls.Load()
	act()
	return time.Since(begin), d.calls.Load() - calls
}

func TestOnAFarDiskManyCallsAreUnderWayAtOnce(t *testing.T) {
	for name, opts := range map[string]memfs.Options{"hard links": {}, "no hard links": {NoLinks: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, opts)
				far := &farDisk{delay: trip}
				src := garden(2000)
				s := b.slowly(far)
				defer s.Close()
				check := func(what string, most time.Duration, act func()) {
					t.Helper()
					took, calls := far.took(act)
					t.Logf("%s: %d calls, %.1f s; one by one: %.0f s", what, calls, took.Seconds(), (time.Duration(calls) * trip).Seconds())
					if took > most {
						t.Errorf("%s takes %s, want %s at the most", what, took, most)
					}
				}
				check("first save", 12*time.Second, func() { must(t, b.trySave(s, src)) })
				check("second save", 8*time.Second, func() { must(t, b.trySave(s, src)) })
				src.Blind = true
				check("save without stamps", 8*time.Second, func() { must(t, b.trySave(s, src)) })
				check("verify", 8*time.Second, func() { b.verifies(s) })
				check("forget", 12*time.Second, func() {
					must(t, s.Forget(context.Background(), b.snaps[0].ID, b.snaps[1].ID))
				})
				b.forgot(b.snaps[0].ID)
				b.forgot(b.snaps[0].ID)
				b.sound()
			})
		})
	}
}

func TestManyManifestsOnAFarDiskAreReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, memfs.Options{})
		for range 60 {
			b.save(small())
		}
		far := &farDisk{delay: trip}
		s := b.slowly(far)
		defer s.Close()
		took, calls := far.took(func() {
			list, err := s.Snapshots(context.Background())
			must(t, err)
			if len(list) != 60 {
				t.Errorf("%d snapshots are listed", len(list))
			}
		})
		if took > time.Second {
			t.Errorf("%d calls took %s", calls, took)
		}
	})
}

func TestReadingAManifestOnAFarDiskWaitsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, memfs.Options{})
		src := garden(20_000)
		id := b.save(src).ID
		far := &farDisk{delay: trip}
		s := b.slowly(far)
		defer s.Close()
		took, calls := far.took(func() {
			v, err := s.View(context.Background(), id)
			must(t, err)
			n := 0
			for _, err := range v.Entries(context.Background()) {
				must(t, err)
				n++
			}
			if want := len(src.Want()); n != want {
				t.Errorf("%d entries, want %d", n, want)
			}
			must(t, v.Close())
		})
		if took > time.Second {
			t.Errorf("%d calls took %s", calls, took)
		}
	})
}

func TestHardLinksOnAFarDiskAreMadeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, memfs.Options{})
		src := garden(40)
		for i := range 1000 {
			src.Link(fmt.Sprintf("dir 1/link %d", i), "dir 0/file 1")
		}
		far := &farDisk{delay: trip}
		s := b.slowly(far)
		defer s.Close()
		took, calls := far.took(func() { must(t, b.trySave(s, src)) })
		if took > 6*time.Second {
			t.Errorf("%d calls took %s", calls, took)
		}
		b.sound()
	})
}

// slowSource is a source whose files take long to open.
type slowSource struct {
	varve.Source
	trip time.Duration
}

func (s slowSource) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	time.Sleep(s.trip)
	return s.Source.Open(ctx, e)
}

func TestFilesOfAFarSourceAreOpenedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, memfs.Options{})
		b.use.Workers = 3
		src := garden(2000)
		s := b.store()
		defer s.Close()
		begin := time.Now()
		opts := b.options()
		opts.Ahead = 64
		snap, err := s.Save(context.Background(), slowSource{src, trip}, opts)
		must(t, err)
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("opening 2,000 files took %s", took)
		}
		b.holds(s, snap.ID, [][]varve.Entry{src.Want()})
	})
}

func TestWhatAPoorDiskCannotHoldComesBackFromTheManifest(t *testing.T) {
	for name, d := range map[string]*farDisk{
		"with links":              {dull: true},
		"without links":           {dull: true},
		"without symlinks either": {dull: true, noSymlinks: true},
	} {
		t.Run(name, func(t *testing.T) {
			opts := memfs.Options{UID: 1000, GID: 1000, NoLinks: name != "with links", NoHoles: true}
			b := newBed(t, opts)
			b.use.UID, b.use.GID = 0, 0 // nobody knows who one is over there
			src := storetest.Sample()
			s := b.slowly(d)
			defer s.Close()
			must(t, b.trySave(s, src))
			must(t, b.trySave(s, src))
			if added := b.snaps[1].Added; added != 0 {
				t.Errorf("the second save added %d bytes", added)
			}
			if b.damaged() > 0 {
				t.Errorf("%d times damage was told", b.damaged())
			}
			b.verifies(s)
			for i := range b.snaps {
				b.holds(s, b.snaps[i].ID, b.states[i:i+1])
			}
			v, err := s.View(context.Background(), b.snaps[1].ID)
			must(t, err)
			defer v.Close()
			b.comesBack(v, b.states[1])
		})
	}
}

// comesBack restores a view as root and checks that it is what want describes.
func (b *bed) comesBack(v varve.View, want []varve.Entry) {
	b.Helper()
	target := memfs.New(memfs.Options{})
	_, err := restore.Run(context.Background(), v, target.Root(), restore.Options{Privileged: true, Progress: func(e restore.Event) {
		if e.Action == restore.Failed || e.Action == restore.Unkept {
			b.Errorf("/%s: %s, %s, %v", e.Path, e.Action, e.Aspect, e.Err)
		}
	}})
	must(b.T, err)
	found, err := walk.New(target.Root(), []string{""}, walk.Options{})
	must(b.T, err)
	defer found.Close()
	ignore := varve.Entry{Stamp: varve.Stamp{Ino: 1}, BTime: varve.Time{Sec: 1}, User: "x", Group: "x", Digest: varve.Digest{}}
	for i := range want {
		want[i].Marks &= varve.Linked
		if want[i].Kind == varve.Symlink {
			want[i].Mode = 0o777
		}
	}
	for _, d := range storetest.Differences(found, want, ignore) {
		b.Error(d)
	}
}

var errTaken = fmt.Errorf("taken over: %w", varve.ErrBusy)

func TestASaveWhoseLeaseIsLostCommitsNothing(t *testing.T) {
	for after := range 2 {
		b := newBed(t, memfs.Options{})
		asked := 0
		s := b.slowly(&farDisk{lost: func() error {
			if asked++; asked > after {
				return errTaken
			}
			return nil
		}})
		if err := b.trySave(s, small()); !errors.Is(err, varve.ErrBusy) {
			t.Errorf("asked %d times: error %v", asked, err)
		}
		if list, err := s.Snapshots(context.Background()); len(list) > 0 || err != nil {
			t.Errorf("%d snapshots, error %v", len(list), err)
		}
		must(t, s.Close())
		b.save(moved())
		b.sound()
		b.tidy()
	}
}

func TestWhoWasTakenOverPublishesNothing(t *testing.T) {
	// The lease is lost without anybody knowing, and somebody else clears away what looks like the rest of a dead run.
	for name, op := range map[string]string{"while files are written": "Writer.Close", "before the commit": "FS.SyncAll",
		"within the commit": "FS.Rename s/"} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			first := b.save(small())
			method, to, _ := strings.Cut(op, " ")
			inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool {
				return op.Method == method && strings.HasPrefix(op.To, to) && (to != "" || strings.Contains(op.Name, "/partial/"))
			}, Do: func(faultfs.Op) { b.clearAway() }}
			s, err := tree.Open((&farDisk{}).root(faultfs.New(b.disk.Root(), inj)), tree.Options{Far: true, Random: b.use.Random})
			must(t, err)
			if err := b.trySave(s, moved()); err == nil {
				t.Error("the save succeeded")
			}
			_ = s.Close()
			list, err := b.store().Snapshots(context.Background())
			must(t, err)
			if len(list) != 1 || list[0].ID != first.ID {
				t.Errorf("%d snapshots are listed", len(list))
			}
		})
	}
}

// clearAway does what a run does that finds the rests of another one.
func (b *bed) clearAway() {
	all, done := b.dir(".varve/partial"), b.dir(".varve/manifests")
	names, err := all.Names()
	must(b.T, err)
	for _, n := range names {
		_ = done.Remove(n.Name[:32])
		must(b.T, all.Rename(n.Name, b.dir(".varve/trash"), n.Name[:32]))
		_ = disk.RemoveAll(b.dir(".varve/trash"), n.Name[:32], 1)
	}
}

func TestAnUnreadablePieceOfAManifestIsAnError(t *testing.T) {
	b := newBed(t, memfs.Options{})
	id := b.save(garden(3000)).ID
	whole := b.read(".varve/manifests/" + id.String())
	b.overwrite(".varve/manifests/"+id.String(), whole[:100_000]+strings.Repeat("\x00", 100)+whole[100_100:])
	s := b.slowly(&farDisk{})
	defer s.Close()
	v, err := s.View(context.Background(), id)
	must(t, err)
	defer v.Close()
	last := error(nil)
	for _, err := range v.Entries(context.Background()) {
		last = err
	}
	if !errors.Is(last, varve.ErrDamaged) || errors.Is(last, fs.ErrNotExist) {
		t.Errorf("the sequence ends with %v", last)
	}
}
