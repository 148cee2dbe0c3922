package gc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// program is what one actor runs.
type program struct {
	name string
	run  func(*actor)
}

// cast is who may take part in a schedule.
func cast() []program {
	return []program{
		{"writer-1", writer}, {"writer-2", writer}, {"writer-3", writer},
		{"collector-1", collector}, {"collector-2", collector},
		{"forget", forgetter}, {"tidy", helper}, {"index", (*actor).sweepIndex},
	}
}

// writer backs up once or twice.
func writer(a *actor) {
	a.by = a.name
	for range 1 + a.rand.IntN(2) {
		c, err := newClaim(a, set(1+a.rand.IntN(1<<contents-1)))
		for tries := 0; err == nil && tries < 3; tries++ {
			var snap string
			snap, err = a.protocol(a.rules).Commit(context.Background(), c)
			if err == nil {
				a.report(a, snap)
				break
			}
			a.log(a, "fails: %v", err)
			if errors.Is(err, ErrTombed) {
				a.events[givenUp]++
				err = nil
			}
		}
		if err != nil {
			return
		}
	}
}

func collector(a *actor) {
	for range 1 + a.rand.IntN(3) {
		p := newPlan(a, policy{polite: a.rand.IntN(2) == 0, limited: a.rand.IntN(4), undo: a.rand.IntN(4) == 0})
		_, err := a.protocol(a.rules).Collect(context.Background(), p)
		a.log(a, "collected: %v", err)
		if err != nil {
			a.events[broken]++
		}
	}
}

// forgetter forgets snapshots. It sees only valid ones.
func forgetter(a *actor) {
	for range 1 + a.rand.IntN(3) {
		snaps, err := a.protocol(a.rules).Snapshots(context.Background())
		snaps = slices.DeleteFunc(snaps, func(s Snap) bool { return !s.Valid() })
		if err == nil && len(snaps) > 0 {
			_ = a.protocol(a.rules).Forget(context.Background(), snaps[a.rand.IntN(len(snaps))].Name)
		}
	}
}

// helper takes everybody for silent at once.
func helper(a *actor) {
	a.tidies = true
	for range 1 + a.rand.IntN(3) {
		t, err := a.protocol(a.rules).Tidy(context.Background(), newPlan(a, policy{}), func(Snap) bool { return true })
		a.log(a, "tidied: %v %v", t, err)
	}
}

// actorOf makes an actor with randomness of its own, so that leaving out one does not change what the others do.
func (w *world) actorOf(seed uint64, name string) *actor {
	var id uint64
	for _, c := range []byte(name) {
		id = id*31 + uint64(c)
	}
	return &actor{world: w, name: name, rand: rand.New(rand.NewPCG(seed, id))}
}

// prepare fills the storage with what earlier runs left: snapshots, what nobody needs, and what dead collectors, dead writers and
// strangers left.
func (w *world) prepare(a *actor) {
	for range a.rand.IntN(3) {
		m := set(1 + a.rand.IntN(1<<contents-1))
		a.by = "writer-0"
		c, _ := newClaim(a, m)
		c.poor = false
		if a.rand.IntN(4) > 0 {
			_, _ = a.protocol(nil).Commit(context.Background(), c)
		}
	}
	a.by = ""
	for range a.rand.IntN(3) {
		held := set(a.rand.Uint64()) & (1<<(contents+1<<contents) - 1)
		if i := a.rand.IntN(1 + len(w.sorted)); i < len(w.sorted) && strings.HasPrefix(w.sorted[i].name, packs) {
			held = unpack(w.sorted[i].data)
		}
		_, _ = a.store(held)
	}
	for range a.rand.IntN(3) { // an index is a hint: the pack is not there
		held := a.rand.Uint64() & (1<<(contents+1<<contents) - 1)
		_ = a.Put(context.Background(), fmt.Sprintf("index/%d,%d", held, a.next()), fmt.Appendf(nil, "%s%04d", packs, a.next()))
	}
	var listed []string
	for _, o := range w.sorted {
		if strings.HasPrefix(o.name, packs) && a.rand.IntN(3) == 0 {
			listed = append(listed, o.name)
		}
	}
	if len(listed) > 0 && a.rand.IntN(3) == 0 {
		data, _ := a.Condemn(listed)
		_ = a.Put(context.Background(), nameOf(condemned, data), data)
	}
	for _, name := range slices.Sorted(maps.Keys(w.snaps)) {
		if a.rand.IntN(4) == 0 {
			data := []byte("tomb,writer-0," + name) // a client may not
			_ = a.Put(context.Background(), nameOf(snapshots, data), data)
		}
	}
}

// everything is a program that takes every road there is.
func everything(a *actor) {
	defer func() {
		if e := recover(); e != nil && e != (dead{}) {
			panic(e)
		}
	}()
	c, err := newClaim(a, 3)
	if err == nil {
		c.poor = false
		_, _ = a.protocol(nil).Commit(context.Background(), c)
	}
	_ = a.protocol(nil).Forget(context.Background(), nameOf(snapshots, snapRecord("writer-0", 5, 0)))
	_, _ = a.protocol(nil).Tidy(context.Background(), newPlan(a, policy{}), func(Snap) bool { return true })
	_, _ = a.protocol(nil).Collect(context.Background(), newPlan(a, policy{polite: true}))
}
