package gc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// endless is when a schedule is taken to have no end, in operations.
const endless = 20_000

// schedule is one run of the simulator: who takes part, what befalls them, and who goes on when. All of it follows from the seed.
type schedule struct {
	seed     uint64
	salt     uint64 // another order for the same actors
	rules    *steps // nil: the law
	harm     bool   // only harm counts, not the order of steps
	lag      bool   // listings may be stale
	sealWins bool   // snapshots count as valid in spite of a tomb
	off      uint   // the actors that take no part
	steady   uint   // the actors that nothing befalls
	trace    bool
}

// play runs a schedule and returns the world it ends in.
func (s schedule) play() *world {
	w := newWorld(s.seed, s.salt)
	w.lenient, w.tracing, w.sealWins = s.harm, s.trace, s.sealWins
	w.prepare(w.actorOf(s.seed, "before"))
	if s.lag {
		w.lag = 1 + w.rand.IntN(60)
	}
	w.page = []int{2, 5, 100}[w.rand.IntN(3)]
	var actors []*actor
	for i, p := range cast() {
		a := w.actorOf(s.seed, p.name)
		a.rules = s.rules
		if f := fault(a.rand.IntN(int(faults) * 2)); f < faults && s.steady>>i&1 == 0 {
			a.fault, a.faultAt = f, 1+a.rand.IntN(50)
		}
		if s.off>>i&1 == 0 {
			a.start(p.run)
			defer func() { a.stop() }()
			actors = append(actors, a)
		}
	}
	w.take(actors)
	if w.violation == "" {
		w.finish(s)
	}
	return w
}

// take lets the actors take turns until all are done or an invariant is broken.
func (w *world) take(actors []*actor) {
	next := w.policy(actors)
	for w.violation == "" {
		w.overdue(false)
		ready, waiting := w.ready(actors)
		switch {
		case len(ready) > 0:
			a := next(ready)
			if _, more := a.resume(); !more {
				a.done = true
			}
		case waiting > 0:
			w.clock = waiting
		default:
			return
		}
		if w.clock > endless {
			w.fail("no end")
		}
	}
}

// ready returns who can go on, and otherwise when the first can.
func (w *world) ready(actors []*actor) (ready []*actor, waiting int) {
	for _, a := range actors {
		switch {
		case a.done:
		case a.wake <= w.clock:
			ready = append(ready, a)
		case waiting == 0 || a.wake < waiting:
			waiting = a.wake
		}
	}
	return ready, waiting
}

// policy returns a way of choosing who goes on. Most mistakes take few switches at the right places, so most schedules have few.
func (w *world) policy(actors []*actor) func([]*actor) *actor {
	uniform := func(ready []*actor) *actor { return ready[w.rand.IntN(len(ready))] }
	switch w.rand.IntN(10) {
	case 0, 1:
		return uniform
	case 2, 3, 4:
		var last *actor
		stay := 2 + w.rand.IntN(20)
		return func(ready []*actor) *actor {
			if !slices.Contains(ready, last) || w.rand.IntN(stay) == 0 {
				last = uniform(ready)
			}
			return last
		}
	}
	return w.byPriority(actors)
}

// byPriority lets the first of the ready ones go on, and a few times sends it to the end of the line.
func (w *world) byPriority(actors []*actor) func([]*actor) *actor {
	line := slices.Clone(actors)
	w.rand.Shuffle(len(line), func(i, j int) { line[i], line[j] = line[j], line[i] })
	changes := map[int]bool{}
	long := 40 << w.rand.IntN(4)
	for range 1 + w.rand.IntN(6) {
		changes[w.rand.IntN(long)] = true
	}
	turn := 0
	return func(ready []*actor) *actor {
		i := slices.IndexFunc(line, func(a *actor) bool { return slices.Contains(ready, a) })
		a := line[i]
		if turn++; changes[turn] {
			line = append(slices.Delete(line, i, i+1), a)
		}
		return a
	}
}

// finish lets one more helper and collector work undisturbed: they must bring everything in order, whatever happened before.
func (w *world) finish(s schedule) {
	w.clock += w.lag
	w.overdue(true)
	w.lag = 0
	a := w.actorOf(s.seed, "after")
	a.tidies, a.rules = true, s.rules
	w.log(a, "all others are done")
	disorder := w.disorder()
	for round := 0; round < 5 && disorder != "" && w.violation == ""; round++ {
		if _, err := a.protocol(s.rules).Tidy(context.Background(), newPlan(a, policy{}), func(Snap) bool { return true }); err != nil {
			w.fail("the end: %v", err)
		}
		if _, err := a.protocol(s.rules).Collect(context.Background(), newPlan(a, policy{polite: true})); err != nil {
			w.fail("the end: %v", err)
		}
		disorder = w.disorder()
	}
	if disorder != "" && !s.harm {
		w.fail("the end: %s", disorder)
	}
}

// disorder says what is left over; empty where nothing is.
func (w *world) disorder() string {
	var live set
	for name, s := range w.snaps {
		switch {
		case s.tombed != 0 && (s.there || s.sealed):
			return "still there, though forgotten: " + name
		case s.there && !s.sealed && s.tombed == 0:
			return "unsealed: " + name
		case s.there && s.tombed == 0:
			live |= s.content
		}
	}
	for name, o := range w.objects {
		if o.deleted != 0 {
			continue
		}
		if rec, err := toyRecord(o.data); err == nil && rec.Kind == Condemn && strings.HasPrefix(rec.Names[0], packs) {
			return "still there: " + name
		}
		if strings.HasPrefix(name, packs) {
			if unpack(o.data)&^live != 0 {
				return "not needed: " + name
			}
		}
	}
	return ""
}

// explain finds the simplest schedule like s that breaks an invariant, and returns its course.
func (s schedule) explain() string {
	for i := range cast() {
		for _, try := range []schedule{s.without(i), s.undisturbed(i)} {
			if try, bad := try.reorder(); bad {
				s = try
			}
		}
	}
	s.trace = true
	w := s.play()
	return fmt.Sprintf("seed %d, without %b, undisturbed %b: %s\n%s", s.seed, s.off, s.steady, w.violation, strings.Join(w.trace, "\n"))
}

// reorder finds an order that breaks an invariant; the one that s has comes first.
func (s schedule) reorder() (schedule, bool) {
	for salt := range uint64(500) {
		try := s
		try.salt ^= salt
		if try.play().violation != "" {
			return try, true
		}
	}
	return s, false
}

func (s schedule) without(i int) schedule     { s.off |= 1 << i; return s }
func (s schedule) undisturbed(i int) schedule { s.steady |= 1 << i; return s }

// search plays schedules from seed from on, n of them, on all processors, and returns the one with the lowest seed that breaks an invariant.
func (s schedule) search(from, n uint64) (schedule, bool) {
	var next, bad atomic.Uint64
	bad.Store(n)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < bad.Load(); i = next.Add(1) - 1 {
				try := s
				try.seed = from + i
				if try.play().violation == "" {
					continue
				}
				for b := bad.Load(); i < b && !bad.CompareAndSwap(b, i); b = bad.Load() {
				}
			}
		})
	}
	wg.Wait()
	s.seed = from + bad.Load()
	return s, bad.Load() < n
}

// slowly reports whether to play a part of the schedules only.
func slowly() bool {
	return testing.Short() || slow
}

// seeds returns how many schedules to play.
func seeds(all uint64) uint64 {
	if slowly() {
		return all / 200
	}
	return all
}

// TestMain lets the many small worlds of the simulator pile up before they are collected.
func TestMain(m *testing.M) {
	debug.SetGCPercent(1000)
	debug.SetMemoryLimit(1 << 30)
	os.Exit(m.Run())
}

func TestNoScheduleLosesAnything(t *testing.T) {
	if s, bad := (schedule{}).search(0, seeds(80_000)); bad {
		t.Error(s.explain())
	}
}

func TestNoScheduleLosesAnythingWhereListingsAreStale(t *testing.T) {
	if s, bad := (schedule{lag: true}).search(1<<32, seeds(40_000)); bad {
		t.Error(s.explain())
	}
}

func TestASeedMakesOneSchedule(t *testing.T) {
	for seed := range uint64(20) {
		s := schedule{seed: seed, lag: seed%2 == 0, trace: true}
		if first, second := s.play().trace, s.play().trace; !slices.Equal(first, second) {
			t.Fatalf("seed %d went two ways", seed)
		}
	}
}

func TestSchedulesSeeEverythingHappen(t *testing.T) {
	seen := map[event]int{}
	n := uint64(300)
	if slowly() {
		n = 100
	}
	for seed := range n {
		for e, n := range (schedule{seed: seed, lag: seed%2 == 0}).play().events {
			seen[event(e)] += n
		}
	}
	for e := range events {
		if seen[e] < 2 {
			t.Errorf("event %d happened %d times", e, seen[e])
		}
	}
}

func TestAnyOperationMayFailOrBeTheLast(t *testing.T) {
	for f := killed; f < paused; f++ {
		for n := 1; ; n++ {
			w := newWorld(uint64(n), 0)
			before := w.actorOf(0, "before")
			before.rand = rand.New(rand.NewPCG(3, 3))
			w.prepare(before)
			for _, data := range [][]byte{snapRecord("writer-0", 5, 0), snapRecord("writer-0", 6, 0)} {
				_ = before.Put(context.Background(), nameOf(snapshots, data), data)
			}
			a := w.actorOf(0, "all")
			a.fault, a.faultAt = f, n
			everything(a)
			w.finish(schedule{})
			if w.violation != "" {
				t.Errorf("fault %d at operation %d: %s", f, n, w.violation)
			}
			if a.ops < n {
				break
			}
		}
	}
}
