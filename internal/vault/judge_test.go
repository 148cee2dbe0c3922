package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"varve"
	"varve/internal/manifest"
	"varve/internal/storetest"
)

// grove returns a tree of n files of which each has content of its own.
func grove(n int) *storetest.Tree {
	src := storetest.NewTree()
	for i := range n {
		src.File(fmt.Sprint("file ", i), noise(uint64(i), 100+i))
	}
	return src
}

// judged saves src on a machine, gives the snapshot a state, and returns what was asked.
func (e *estate) judged(m *machine, src *storetest.Tree, state varve.State) (asked varve.Difference) {
	e.Helper()
	e.with(m, func(s *Store) {
		times := 0
		opts := e.saving("box")
		opts.Judge = func(d varve.Difference) varve.State {
			times++
			asked = d
			return state
		}
		snap, err := s.Save(context.Background(), src, opts)
		e.need(err)
		e.held = append(e.held, holding{snap, src.Want()})
		if snap.State != state || times != 1 {
			e.Errorf("the snapshot is %s after %d questions", snap.State, times)
		}
	})
	return asked
}

// asks saves src and checks what was asked.
func (e *estate) asks(m *machine, src *storetest.Tree, state varve.State, want varve.Difference) {
	e.Helper()
	if got := e.judged(m, src, state); got != want {
		e.Errorf("the judge was asked %+v, want %+v", got, want)
	}
}

// scramble gives the first n files of a grove new content.
func scramble(src *storetest.Tree, n int, by uint64) {
	for i := range n {
		src.Write(fmt.Sprint("file ", i), noise(by+uint64(i), 200+i))
	}
}

func TestAPutOnlyClientKnowsRoughlyWhatWasLostAndChanged(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	src := grove(20)
	e.asks(m, src, varve.Complete, varve.Difference{Files: 20})
	e.asks(m, src, varve.Complete, varve.Difference{Files: 20, Before: 20})
	scramble(src, 3, 100)
	e.asks(m, src, varve.Complete, varve.Difference{Files: 20, Before: 20, Changed: 3})
	for i := 15; i < 20; i++ {
		src.Remove(fmt.Sprint("file ", i))
	}
	e.asks(m, src, varve.Complete, varve.Difference{Files: 15, Before: 20, Lost: 5})
	src.File("new 1", noise(50, 300))
	src.File("new 2", noise(51, 300))
	scramble(src, 1, 120)
	e.asks(m, src, varve.Complete, varve.Difference{Files: 17, Before: 15, Changed: 1})
	for i := range 10 {
		src.Edit(fmt.Sprint("file ", i), func(o *storetest.Object) { o.UID = 5 })
	}
	e.asks(m, src, varve.Complete, varve.Difference{Files: 17, Before: 17})
	e.sound()
}

func TestAPutOnlyClientKnowsWhichSourceLostMost(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	src := storetest.NewTree()
	for _, dir := range []string{"etc", "home"} {
		src.Dir(dir)
		for i := range 12 {
			src.File(fmt.Sprintf("%s/%d", dir, i), noise(uint64(len(dir)*100+i), 100))
		}
	}
	saved := func(state varve.State, sources ...string) (asked varve.Difference) {
		e.with(m, func(s *Store) {
			opts := e.saving("box")
			opts.Sources, opts.Judge = sources, func(d varve.Difference) varve.State { asked = d; return state }
			_, err := s.Save(context.Background(), src, opts)
			e.need(err)
		})
		return asked
	}
	check := func(got, want varve.Difference) {
		t.Helper()
		if got != want {
			t.Errorf("the judge was asked %+v, want %+v", got, want)
		}
	}
	check(saved(varve.Complete, "/etc", "/home"), varve.Difference{Files: 24})
	check(saved(varve.Complete, "/etc", "/home"), varve.Difference{Files: 24, Before: 24})
	src.Remove("etc")
	src.Dir("etc")
	gone := varve.Difference{Files: 12, Before: 24, Lost: 12, Worst: "/etc", WorstBefore: 12, WorstLost: 12}
	check(saved(varve.Suspect, "/etc", "/home"), gone)
	check(saved(varve.Suspect, "/home", "/etc"), gone)
	check(saved(varve.Complete, "/home", "/other"), varve.Difference{Files: 12, Before: 24, Lost: 12})
	check(saved(varve.Complete, "/etc", "/home"), varve.Difference{Files: 12, Before: 12})
}

func TestAPutOnlyClientMeasuresByTheLastGoodSnapshotThroughSuspectAndIncompleteOnes(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	src := grove(20)
	e.asks(m, src, varve.Complete, varve.Difference{Files: 20})
	scramble(src, 18, 100)
	e.asks(m, src, varve.Suspect, varve.Difference{Files: 20, Before: 20, Changed: 18})
	e.asks(m, src, varve.Suspect, varve.Difference{Files: 20, Before: 20, Changed: 18})
	for i := range 18 {
		src.Edit(fmt.Sprint("file ", i), func(o *storetest.Object) { o.UID = 5 })
	}
	e.asks(m, src, varve.Suspect, varve.Difference{Files: 20, Before: 20, Changed: 18})
	src.Remove("file 19")
	src.At("file 0").Trouble.Entry = errors.New("locked")
	e.save(m, src, "box")
	src.At("file 0").Trouble.Entry = nil
	e.asks(m, src, varve.Complete, varve.Difference{Files: 19, Before: 20, Lost: 1, Changed: 18})
	e.asks(m, src, varve.Complete, varve.Difference{Files: 19, Before: 19})
	e.sound()
}

func TestWhatAnIncompleteSnapshotOfAPutOnlyClientLackedIsNotChangedAfterwards(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	src := grove(20)
	e.asks(m, src, varve.Complete, varve.Difference{Files: 20})
	for i := range 10 {
		src.At(fmt.Sprint("file ", i)).Trouble.Entry = errors.New("locked")
	}
	e.save(m, src, "box")
	for i := range 10 {
		src.At(fmt.Sprint("file ", i)).Trouble.Entry = nil
	}
	e.asks(m, src, varve.Complete, varve.Difference{Files: 20, Before: 20})
}

func TestALedgerWithADamagedTailIsNoMeasure(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	src := grove(5)
	e.asks(m, src, varve.Complete, varve.Difference{Files: 5})
	paths, err := filepath.Glob(filepath.Join(m.state(), "*", "ledger-*"))
	fatal(t, err)
	if len(paths) != 1 {
		t.Fatalf("ledgers: %q", paths)
	}
	data, err := os.ReadFile(paths[0])
	fatal(t, err)
	data[len(data)-ledgerTail+31] = 0xff // the number of files
	fatal(t, os.WriteFile(paths[0], data, 0o600))
	e.asks(m, src, varve.Complete, varve.Difference{Files: 5})
	if len(m.warns) != 1 {
		t.Errorf("warnings: %v", m.warns)
	}
}

func TestABaseThatCannotBeReadIsToldAndJudgedByWhatIsKnown(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.root)
	src := grove(10)
	e.asks(m, src, varve.Complete, varve.Difference{Files: 10})
	e.with(m, func(s *Store) {
		records, err := s.catalog.read(context.Background())
		e.need(err)
		rec := records.base("box", s.keys.own.Domain())
		rec.root.ID = manifest.PageID{1}
		v := &save{store: s, ctx: context.Background(), opts: e.saving("box")}
		v.opts.Judge = func(varve.Difference) varve.State { return varve.Suspect }
		damage := 0
		v.opts.Progress = func(ev varve.Event) {
			if ev.Kind == varve.Damage {
				damage++
			}
		}
		if v.base, err = v.openBase(records); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			v.tally.Add(&varve.Entry{Path: fmt.Sprint(i), Kind: varve.Regular})
		}
		if got, want := v.difference(), (varve.Difference{Files: 4, Before: 10, Lost: 6}); got != want || damage != 1 {
			t.Errorf("got %+v and %d of damage, want %+v", got, damage, want)
		}
	})
}

func TestASaveBuildsOnTheGoodSnapshotWithTheHighestNumber(t *testing.T) {
	make := func(seq uint64, state varve.State) *record {
		return &record{snap: varve.Snapshot{Seq: seq, State: state}}
	}
	for _, c := range []struct {
		r, o *record
		want bool
	}{
		{make(2, varve.Complete), make(1, varve.Complete), true},
		{make(1, varve.Complete), make(2, varve.Complete), false},
		{make(1, varve.Complete), make(9, varve.Suspect), true},
		{make(9, varve.Incomplete), make(1, varve.Complete), false},
		{make(3, varve.Suspect), make(2, varve.Incomplete), true},
	} {
		if c.r.outranks(c.o) != c.want {
			t.Errorf("%d %s over %d %s: want %v", c.r.snap.Seq, c.r.snap.State, c.o.snap.Seq, c.o.snap.State, c.want)
		}
	}
}
