package tree_test

import (
	"context"
	"os"
	"testing"

	"varve"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
)

// ordeal is the adoption of three directories, or of those that an earlier run has left.
type ordeal struct {
	name string
	path string
	// begin comes before the adoption.
	begin func(b *bed, list []found)
}

func ordeals() []ordeal {
	return []ordeal{
		{name: "as they are", begin: func(*bed, []found) {}},
		{name: "below a path", path: "srv/www", begin: func(*bed, []found) {}},
		{name: "after a broken one", begin: func(b *bed, list []found) { b.breakAdoption(list, "FS.Rename", ".varve/manifests/") }},
		{name: "after a removal was broken off", begin: func(b *bed, list []found) {
			b.breakAdoption(list, "FS.Rename", "s/")
			s, err := b.open(&faultfs.Injector{At: 1, Fault: faultfs.Kill(faultfs.Whole), Filter: func(op faultfs.Op) bool { return op.Method == "FS.Rename" }})
			must(b.T, err)
			if s.Forget(context.Background()) == nil {
				b.Fatal("it was not broken off")
			}
			b.disk.Kill()
		}},
	}
}

// breakAdoption adopts until it is killed before a directory or manifest gets its name.
func (b *bed) breakAdoption(list []found, method, to string) {
	b.Helper()
	inj := &faultfs.Injector{At: 1, Fault: faultfs.Kill(faultfs.Nothing), Filter: func(op faultfs.Op) bool {
		return op.Method == method && len(op.To) > len(to) && op.To[:len(to)] == to
	}}
	s, err := b.open(inj)
	must(b.T, err)
	if b.adoptAll(s, list, adopting{root: faultfs.New(b.disk.Root(), inj)}) == nil {
		b.Fatal("it did not break off")
	}
	b.disk.Kill()
}

// play prepares the disk and lets inj befall the adoption.
func (o *ordeal) play(t *testing.T, inj *faultfs.Injector) (b *bed, list []found, err error) {
	b = newBed(t, memfs.Options{})
	list = newPast(b)
	o.begin(b, list)
	s, err := b.open(inj)
	if err != nil {
		return b, list, err
	}
	err = b.adoptAll(s, list, adopting{path: o.path, root: faultfs.New(b.disk.Root(), inj)})
	_ = s.Close()
	return b, list, err
}

// check makes sure that every directory is where it was or a snapshot, in whole, and that the runs after that, a save too, lose nothing
// and leave nothing behind.
func (o *ordeal) check(b *bed, list []found, save bool) {
	b.Helper()
	b.intact(list)
	b.sound(o.want(list)...)
	s := b.store()
	if save {
		must(b.T, b.trySave(s, mixed()))
	} else {
		must(b.T, b.adoptAll(s, list, adopting{path: o.path}))
	}
	snaps, err := s.Snapshots(context.Background())
	must(b.T, err)
	must(b.T, s.Close())
	b.intact(list)
	for _, f := range list {
		if held := o.holding(b, snaps, f); held == b.left(f) {
			b.Errorf("%s is in the store: %v; where it was: %v", f.name, held, b.left(f))
		}
	}
	b.sound(o.want(list)...)
	b.save(mixed())
	if left := b.names(".varve/partial"); len(left) > 0 {
		b.Errorf("partials are left: %q", left)
	}
}

// want is what snapshots of them hold.
func (o *ordeal) want(list []found) (all [][]varve.Entry) {
	for _, f := range list {
		all = append(all, f.want(o.path), f.want(""))
	}
	return all
}

// holding reports whether one of the snapshots is f.
func (o *ordeal) holding(b *bed, snaps []varve.Snapshot, f found) bool {
	s := b.store()
	defer s.Close()
	for _, snap := range snaps {
		if !snap.Time.Equal(f.time) {
			continue
		}
		v, err := s.View(context.Background(), snap.ID)
		must(b.T, err)
		alike := len(storetest.Differences(v, f.want(o.path), varve.Entry{})) == 0 || len(storetest.Differences(v, f.want(""), varve.Entry{})) == 0
		must(b.T, v.Close())
		return alike
	}
	return false
}

func TestWhereverAnAdoptionIsKilledEveryDirectoryIsWhereItWasOrASnapshot(t *testing.T) {
	for _, o := range ordeals() {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			counter := &faultfs.Injector{}
			if _, _, err := o.play(t, counter); err != nil {
				t.Fatal(err)
			}
			points := 0
			for i, op := range counter.Ops() {
				if i%adoptStride() != 0 {
					continue
				}
				for _, effect := range effects(op) {
					for how, end := range ends() {
						o.kill(t, i+1, effect, how, end, points%3 == 0)
						points++
					}
				}
				if t.Failed() {
					break
				}
			}
			t.Logf("%d operations, %d deaths", counter.Count(), points)
		})
	}
}

// adoptStride says that every so many-th of the calls is tried; all are, which takes minutes, with VARVE_TEST_EVERY=1.
func adoptStride() int {
	switch {
	case os.Getenv("VARVE_TEST_EVERY") == "1":
		return 1
	case testing.Short():
		return 97
	}
	return 37
}

// kill adopts up to the call at.
func (o *ordeal) kill(t *testing.T, at int, effect faultfs.Effect, how string, end func(*memfs.Disk), save bool) {
	inj := &faultfs.Injector{At: at, Fault: faultfs.Kill(effect)}
	b, list, _ := o.play(t, inj)
	end(b.disk)
	o.check(b, list, save)
	if t.Failed() {
		t.Logf("killed at call %d, %+v, with effect %d, then %s; then a save: %v", at, struck(inj), effect, how, save)
	}
}

func TestWhateverFailsAnAdoptionLeavesEveryDirectoryWhereItWasOrMakesItASnapshot(t *testing.T) {
	for _, o := range ordeals() {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			points := 0
			for i, kind := range faultfs.Kinds() {
				counter := kind.At(0)
				if _, _, err := o.play(t, counter); err != nil {
					t.Fatal(err)
				}
				for at := 1 + i%adoptStride(); at <= counter.Count() && !t.Failed(); at += adoptStride() {
					inj := kind.At(at)
					b, list, err := o.play(t, inj)
					b.disk.Kill()
					o.check(b, list, at%3 == 0)
					points++
					if t.Failed() {
						t.Logf("%s at call %d, %+v (the run said: %v)", kind.Name, at, struck(inj), err)
					}
				}
			}
			t.Logf("%d faults", points)
		})
	}
}

func TestAnAdoptionThatBrokeOffIsNotReadTwice(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := storetest.NewTree()
	for i := range 200 {
		src.File("file "+string(rune('A'+i/20))+string(rune('a'+i%20)), storetest.Text(9000+i))
	}
	list := b.past(src)
	reads := func(op faultfs.Op) bool { return op.Method == "Reader.ReadAt" && op.Name[:4] == "old/" }
	inj := &faultfs.Injector{At: 150, Fault: faultfs.Kill(faultfs.Nothing), Filter: reads}
	s, err := b.open(inj)
	must(t, err)
	if b.adoptOne(s, list[0], adopting{root: faultfs.New(b.disk.Root(), inj)}) == nil {
		t.Fatal("it did not break off")
	}
	b.disk.Kill()
	again := &faultfs.Injector{Filter: reads}
	s, err = b.open(again)
	must(t, err)
	must(t, b.adoptOne(s, list[0], adopting{root: faultfs.New(b.disk.Root(), again)}))
	must(t, s.Close())
	if again.Count() > 100 {
		t.Errorf("%d reads after %d", again.Count(), inj.Count())
	}
	b.sound()
	b.tidyBeside("old")
}

func TestAnAdoptionThatBrokeOffIsCompletedByWhoeverWritesNext(t *testing.T) {
	for name, next := range map[string]func(b *bed){
		"a save":                   func(b *bed) { b.save(mixed()) },
		"a stage":                  func(b *bed) { b.push(mixed()) },
		"a save from afar":         func(b *bed) { b.use.Far = true; b.save(mixed()) },
		"a removal of another one": func(b *bed) { b.saveOther(); must(b.T, forgetNow(b, b.snaps[0].ID)) },
	} {
		for _, to := range []string{".varve/manifests/", "s/"} {
			t.Run(name+" after "+to, func(t *testing.T) {
				b := newBed(t, memfs.Options{})
				list := newPast(b)
				b.breakAdoption(list, "FS.Rename", to)
				if b.left(list[0]) {
					t.Fatal("it was not moved")
				}
				next(b)
				s := b.store()
				snaps, err := s.Snapshots(context.Background())
				must(t, err)
				must(t, s.Close())
				o := ordeal{}
				if !o.holding(b, snaps, list[0]) || !b.left(list[1]) || b.left(list[0]) {
					t.Errorf("%d snapshots", len(snaps))
				}
				b.intact(list)
				b.sound(o.want(list)...)
				if left := b.names(".varve/partial"); len(left) > 0 {
					t.Errorf("left are %q", left)
				}
			})
		}
	}
}

// saveOther saves a snapshot of another series.
func (b *bed) saveOther() {
	b.Helper()
	s := b.store()
	o := b.options()
	o.Series = "other"
	snap, err := s.Save(context.Background(), small(), o)
	must(b.T, err)
	b.snaps, b.states = append(b.snaps, snap), append(b.states, small().Want())
	must(b.T, s.Close())
}
