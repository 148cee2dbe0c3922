package gc

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
)

// quiet returns an actor that is alone, an admin.
func quiet() *actor { return newWorld(1, 1).actorOf(1, "admin") }

// snapshotOf stores content and commits it.
func snapshotOf(t *testing.T, a *actor, content set) string {
	t.Helper()
	c := &claim{actor: a, content: content, uses: map[int]string{}}
	if err := c.keep(content | 1<<page(content)); err != nil {
		t.Fatal(err)
	}
	snap, err := a.protocol(nil).Commit(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// garbage stores a pack that nobody needs.
func garbage(t *testing.T, a *actor) string {
	t.Helper()
	pack, err := a.store(1)
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

func put(t *testing.T, a *actor, dir, text string) string {
	t.Helper()
	name := nameOf(dir, []byte(text))
	if err := a.Put(context.Background(), name, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return name
}

// spoiled changes the bytes of an object.
func (w *world) spoil(name string) { w.objects[name].data = []byte("spoiled") }

func collect(a *actor) (Report, error) {
	return a.protocol(nil).Collect(context.Background(), newPlan(a, policy{polite: true}))
}

func (w *world) locks() (n int) {
	for name, o := range w.objects {
		if strings.HasPrefix(name, condemned) && o.deleted == 0 {
			n++
		}
	}
	return n
}

func TestARecordThatCannotBeReadStopsTheCollectorUntilItIsForgotten(t *testing.T) {
	a := quiet()
	snap, pack := snapshotOf(t, a, 2), garbage(t, a)
	a.spoil(snap)
	if _, err := collect(a); !errors.Is(err, varve.ErrDamaged) || !a.there(pack) {
		t.Fatalf("pack there: %v, error %v", a.there(pack), err)
	}
	if err := a.protocol(nil).Forget(context.Background(), snap); err != nil {
		t.Fatal(err)
	}
	if r, err := collect(a); err != nil || r.Deleted < 2 || a.there(pack) {
		t.Errorf("%+v, error %v", r, err)
	}
}

func TestARootWithoutItsPageStopsTheCollectorBeforeItDeletes(t *testing.T) {
	a := quiet()
	put(t, a, snapshots, "snap,,3,0")
	pack := garbage(t, a)
	_, err := collect(a)
	if !errors.Is(err, fs.ErrNotExist) || !a.there(pack) || a.locks() > 0 {
		t.Errorf("pack there: %v, records %d, error %v", a.there(pack), a.locks(), err)
	}
}

func TestASealWithoutItsRecordStopsTheCollector(t *testing.T) {
	a := quiet()
	put(t, a, snapshots, "seal,,snapshots/gone")
	pack := garbage(t, a)
	if _, err := collect(a); !errors.Is(err, varve.ErrDamaged) || !a.there(pack) {
		t.Errorf("pack there: %v, error %v", a.there(pack), err)
	}
}

func TestACondemnRecordThatCannotBeReadStopsEverybody(t *testing.T) {
	a := quiet()
	name := put(t, a, condemned, "condemn,,0,data/0000")
	a.spoil(name)
	pack := garbage(t, a)
	if _, err := collect(a); !errors.Is(err, varve.ErrDamaged) || !a.there(pack) {
		t.Errorf("collector: pack there: %v, error %v", a.there(pack), err)
	}
	c := &claim{actor: a, content: 1, uses: map[int]string{0: pack}}
	if _, err := a.protocol(nil).Commit(context.Background(), c); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("writer: %v", err)
	}
}

func TestWhatStrangersPutIsLeftOutAndTold(t *testing.T) {
	a := quiet()
	snap, pack := snapshotOf(t, a, 2), garbage(t, a)
	want := []string{
		put(t, a, snapshots, "no record"),
		put(t, a, snapshots, "tomb,client,"+snap),
		put(t, a, snapshots, "condemn,,0,"+pack),
		put(t, a, condemned, "condemn,client,0,"+pack),
		put(t, a, condemned, "tomb,,"+snap),
	}
	p := a.protocol(nil)
	var told []string
	p.Ignored = func(name string, err error) {
		if !errors.Is(err, ErrForeign) {
			t.Error(name, err)
		}
		told = append(told, name)
	}
	if _, err := p.Collect(context.Background(), newPlan(a, policy{polite: true})); err != nil || a.there(pack) {
		t.Errorf("pack there: %v, error %v", a.there(pack), err)
	}
	slices.Sort(want)
	slices.Sort(told)
	if !slices.Equal(want, told) {
		t.Errorf("told of %q, want %q", told, want)
	}
	snaps, err := p.Snapshots(context.Background())
	if err != nil || len(snaps) != 1 || !snaps[0].Valid() {
		t.Errorf("%+v, error %v", snaps, err)
	}
}

func TestASealCountsFromTheSignerOfTheRecordAndFromAdmins(t *testing.T) {
	for by, want := range map[string]bool{"one": true, "": true, "two": false} {
		a := quiet()
		snap := put(t, a, snapshots, "snap,one,1,0")
		a.lenient = true
		put(t, a, snapshots, "seal,"+by+","+snap)
		snaps, err := a.protocol(nil).Snapshots(context.Background())
		if err != nil || len(snaps) != 1 || snaps[0].Valid() != want {
			t.Errorf("by %q: %+v, error %v", by, snaps, err)
		}
	}
}

// full is a storage with no room for records until some is made.
type full struct {
	*actor
	made int
}

func (f *full) Put(ctx context.Context, name string, data []byte) error {
	if f.made == 0 {
		return disk.ErrNoSpace
	}
	return f.actor.Put(ctx, name, data)
}

func TestOnAFullStorageRoomIsMadeForRecords(t *testing.T) {
	f := &full{actor: quiet()}
	pack := garbage(t, f.actor)
	p := f.protocol(nil)
	p.Backend = f
	if _, err := p.Collect(context.Background(), newPlan(f.actor, policy{})); !errors.Is(err, disk.ErrNoSpace) || !f.there(pack) {
		t.Errorf("without room: pack there: %v, error %v", f.there(pack), err)
	}
	p.MakeRoom = func(context.Context) error { return errPart }
	if err := p.Forget(context.Background(), "snapshots/some"); !errors.Is(err, errPart) {
		t.Errorf("where none can be made: %v", err)
	}
	p.MakeRoom = func(context.Context) error { f.made++; return nil }
	if _, err := p.Collect(context.Background(), newPlan(f.actor, policy{})); err != nil || f.there(pack) || f.made != 1 {
		t.Errorf("room made %d times, pack there: %v, error %v", f.made, f.there(pack), err)
	}
}

func TestARecordThatIsThereAlreadyCountsIfItIsWhole(t *testing.T) {
	a := quiet()
	snap := snapshotOf(t, a, 1)
	if err := errors.Join(a.protocol(nil).Forget(context.Background(), snap), a.protocol(nil).Forget(context.Background(), snap)); err != nil {
		t.Error(err)
	}
	a.spoil(nameOf(snapshots, []byte("tomb,,"+snap)))
	if err := a.protocol(nil).Forget(context.Background(), snap); !errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
}

func TestPreviewReportsAndChangesNothing(t *testing.T) {
	a := quiet()
	snapshotOf(t, a, 2)
	pack := garbage(t, a)
	before := len(a.sorted)
	r, err := a.protocol(nil).Preview(context.Background(), newPlan(a, policy{polite: true}))
	if err != nil || !slices.Equal(r.Chosen, []string{pack}) || len(a.sorted) != before || !a.there(pack) {
		t.Errorf("%+v, error %v", r, err)
	}
}

func TestWhatMayBeBroughtBackStays(t *testing.T) {
	a := quiet()
	snap := snapshotOf(t, a, 2)
	if err := a.protocol(nil).Forget(context.Background(), snap); err != nil {
		t.Fatal(err)
	}
	if r, err := a.protocol(nil).Collect(context.Background(), newPlan(a, policy{polite: true, undo: true})); err != nil || r.Deleted+r.Buried > 0 {
		t.Errorf("while it may: %+v, error %v", r, err)
	}
	if r, err := collect(a); err != nil || r.Deleted == 0 || r.Buried != 1 || a.there(snap) {
		t.Errorf("afterwards: %+v, error %v", r, err)
	}
}

// forgetful is a storage whose later listings lack one object.
type forgetful struct {
	*actor
	name string
	left int
}

func (f *forgetful) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		if strings.HasPrefix(f.name, prefix) {
			f.left--
		}
		for o, err := range f.actor.List(ctx, prefix) {
			if (f.left >= 0 || o.Name != f.name) && !yield(o, err) {
				return
			}
		}
	}
}

func TestAStorageThatHidesARootStopsTheCollector(t *testing.T) {
	a := quiet()
	snap := put(t, a, snapshots, "snap,,2,0")
	if _, err := a.store(1<<page(2) | 2); err != nil {
		t.Fatal(err)
	}
	pack := garbage(t, a)
	p := a.protocol(nil)
	p.Backend = &forgetful{actor: a, name: snap, left: 1}
	_, err := p.Collect(context.Background(), newPlan(a, policy{polite: true}))
	if !errors.Is(err, varve.ErrDamaged) || !a.there(pack) || a.locks() > 0 {
		t.Errorf("pack there: %v, records %d, error %v", a.there(pack), a.locks(), err)
	}
}

// vanishing knows of packs that are gone whenever it is asked.
type vanishing struct{ *plan }

func (vanishing) Learn(context.Context, []varve.Object) error { return fs.ErrNotExist }

func TestPacksThatKeepVanishingStopEverything(t *testing.T) {
	for name, run := range map[string]func(*Protocol, vanishing) error{
		"collect": func(p *Protocol, v vanishing) error { _, err := p.Collect(context.Background(), v); return err },
		"preview": func(p *Protocol, v vanishing) error { _, err := p.Preview(context.Background(), v); return err },
		"tidy": func(p *Protocol, v vanishing) error {
			_, err := p.Tidy(context.Background(), v, func(Snap) bool { return true })
			return err
		},
	} {
		for _, want := range []error{fs.ErrNotExist, errPart} {
			a := quiet()
			put(t, a, snapshots, "snap,,3,0")
			p := a.protocol(nil)
			pauses := 0
			p.Settle = func(context.Context) error {
				if pauses++; pauses > 1 && want == errPart {
					return errPart
				}
				return nil
			}
			if err := run(p, vanishing{newPlan(a, policy{})}); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
}

// blind is a storage whose listings show no packs.
type blind struct{ *actor }

func (b blind) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	if prefix == packs {
		return func(func(varve.Object, error) bool) {}
	}
	return b.actor.List(ctx, prefix)
}

func TestAWriterGivesUpOnAStorageThatShowsNoPacks(t *testing.T) {
	a := quiet()
	p := a.protocol(nil)
	p.Backend = blind{a}
	snap, err := p.Commit(context.Background(), &claim{actor: a, content: 1, uses: map[int]string{0: garbage(t, a)}})
	if err == nil || !a.there(snap) || a.state(snap).sealed {
		t.Errorf("record there: %v, sealed: %v, error %v", a.there(snap), a.state(snap).sealed, err)
	}
}

func TestALostSourceIsNoSuccess(t *testing.T) {
	a := quiet()
	c := &claim{actor: a, content: 1, uses: map[int]string{0: packs + "gone"}, poor: true}
	if snap, err := a.protocol(nil).Commit(context.Background(), c); !errors.Is(err, ErrLost) || a.state(snap).sealed {
		t.Errorf("sealed: %v, error %v", a.state(snap).sealed, err)
	}
}

// stubborn is a storage that does not delete packs.
type stubborn struct{ *actor }

func (s stubborn) Delete(ctx context.Context, name string) error {
	if strings.HasPrefix(name, packs) {
		return fs.ErrPermission
	}
	return s.actor.Delete(ctx, name)
}

func TestAfterAFailedDeletionTheRecordStaysForTheNextCollector(t *testing.T) {
	a := quiet()
	pack := garbage(t, a)
	p := a.protocol(nil)
	p.Backend = stubborn{a}
	if _, err := p.Collect(context.Background(), newPlan(a, policy{polite: true})); !errors.Is(err, fs.ErrPermission) || a.locks() != 1 {
		t.Errorf("%d records, error %v", a.locks(), err)
	}
	if r, err := collect(a); err != nil || r.Swept != 1 || a.locks() != 0 || a.there(pack) {
		t.Errorf("%+v, %d records, error %v", r, a.locks(), err)
	}
}

func TestWorkersDoEachPieceOnceAndStopAfterAnError(t *testing.T) {
	p := &Protocol{Workers: 4}
	var mu sync.Mutex
	var done []int
	note := func(i int) error {
		mu.Lock()
		defer mu.Unlock()
		done = append(done, i)
		return nil
	}
	if err := p.each(100, note); err != nil || len(done) != 100 {
		t.Errorf("%d done, error %v", len(done), err)
	}
	slices.Sort(done)
	if len(slices.Compact(done)) != 100 {
		t.Error("one was done twice")
	}
	began := 0
	err := p.each(100, func(i int) error {
		mu.Lock()
		defer mu.Unlock()
		began++
		return errStorage
	})
	if !errors.Is(err, errStorage) || began > 4 {
		t.Errorf("%d began, error %v", began, err)
	}
}
