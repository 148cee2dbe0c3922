package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/backend/faulty"
	"varve/internal/seal"
	"varve/internal/storetest"
)

// tale is something done to a vault that a fault may befall.
type tale struct {
	name string
	// prepare returns the machine on which act happens.
	prepare func(e *estate) *machine
	// act changes e as far as it was acknowledged. It returns what may be there although nobody was told.
	act func(e *estate, s *Store) error
	// also describes what may be listed although nobody was told.
	also [][]varve.Entry
}

const (
	series   = "s"
	rotation = "rotate keys"
)

func tales() []tale {
	saves := func(src *storetest.Tree) func(*estate, *Store) error {
		return func(e *estate, s *Store) error {
			_, err := e.trySave(s, src, series)
			return err
		}
	}
	full := func(before ...*storetest.Tree) func(*estate) *machine {
		return func(e *estate) *machine {
			m := e.machine(e.root)
			for _, src := range before {
				e.save(m, src, series)
			}
			return m
		}
	}
	putOnly := func(before ...*storetest.Tree) func(*estate) *machine {
		return func(e *estate) *machine {
			m := e.machine(e.addClient("box"))
			for _, src := range before {
				e.save(m, src, series)
			}
			return m
		}
	}
	return []tale{
		{"first backup", full(), saves(garden()), [][]varve.Entry{garden().Want()}},
		{"changed backup", full(garden()), saves(grown()), [][]varve.Entry{grown().Want()}},
		{"first backup with a put-only key", putOnly(), saves(garden()), [][]varve.Entry{garden().Want()}},
		{"changed backup with a put-only key", putOnly(garden()), saves(grown()), [][]varve.Entry{grown().Want()}},
		{"backup by a machine that knows nothing", func(e *estate) *machine {
			full(garden())(e)
			return e.machine(e.root)
		}, saves(grown()), [][]varve.Entry{grown().Want()}},
		{"forget", full(garden(), grown()), forgets, [][]varve.Entry{garden().Want()}},
		{"unforget", func(e *estate) *machine {
			m := full(garden(), grown())(e)
			e.with(m, func(s *Store) { e.need(forgets(e, s)) })
			return m
		}, unforgets, [][]varve.Entry{garden().Want()}},
		{"copy", full(garden()), copies, [][]varve.Entry{grown().Want()}},
		{"add a put-only key", full(garden()), func(_ *estate, s *Store) error {
			_, err := s.AddClient(context.Background(), "new")
			return err
		}, nil},
		{"add a wrapped key", full(garden()), func(e *estate, s *Store) error {
			return s.AddWrapped(context.Background(), "new", seal.RestoreKey, e.recipient())
		}, nil},
		{"remove a put-only key", func(e *estate) *machine {
			putOnly(garden())(e)
			return full()(e)
		}, func(_ *estate, s *Store) error { return s.RemoveKey(context.Background(), "box") }, nil},
		{"remove a wrapped key", wrapped, func(_ *estate, s *Store) error { return s.RemoveKey(context.Background(), "one") }, nil},
		{rotation, wrapped, rotates, nil},
	}
}

// forgets forgets the first snapshot, which need not be there from the beginning on.
func forgets(e *estate, s *Store) error {
	return s.Forget(context.Background(), e.forgets(e.held[0].snap.ID).snap.ID)
}

// unforgets brings it back.
func unforgets(e *estate, s *Store) error {
	back := e.gone[len(e.gone)-1]
	err := s.Unforget(context.Background(), back.snap.ID)
	if err == nil {
		e.held = append(slices.Clip(e.held), back)
	}
	return err
}

// copies copies a snapshot of another vault.
func copies(e *estate, s *Store) error {
	from := newEstate(e.T)
	m := from.machine(from.root)
	snap := from.save(m, grown(), "elsewhere")
	source := from.open(m)
	defer source.Close()
	v, err := source.View(context.Background(), snap.ID)
	e.need(err)
	opts := e.saving("elsewhere")
	opts.Origin = &snap
	made, err := s.Save(context.Background(), v, opts)
	if err == nil {
		e.held = append(e.held, holding{made, grown().Want()})
	}
	return err
}

// wrapped prepares a vault that keeps three secrets.
func wrapped(e *estate) *machine {
	m := e.machine(e.root)
	e.save(m, garden(), series)
	e.with(m, func(s *Store) {
		for name, kind := range map[string]seal.KeyKind{"one": seal.RestoreKey, "two": seal.RestoreKey, "three": seal.MaintenanceKey} {
			e.need(s.AddWrapped(context.Background(), name, kind, e.recipient()))
		}
	})
	return m
}

func rotates(e *estate, s *Store) error {
	key, err := s.Rotate(context.Background(), "new", e.recipient())
	if err == nil {
		e.root = key
	}
	return err
}

// ready is a tale before act.
type ready struct {
	*tale
	*estate
	home *machine
}

func (st *tale) ready(t *testing.T) *ready {
	e := newEstate(t)
	return &ready{st, e, st.prepare(e)}
}

// play lets act happen to a copy, while inj befalls the storage. It returns that copy, and the machine of act as it is afterwards.
func (r *ready) play(t *testing.T, inj *faulty.Injector) (*estate, *machine, error) {
	t.Helper()
	e := r.copy(t)
	m := r.home.copy(e)
	s, err := e.tryOpen(m, inj)
	if err != nil {
		return e, m, err
	}
	err = r.act(e, s)
	_ = s.Close() // which changes nothing any more
	return e, m, err
}

// next makes sure that the machine goes on unattended, and that all is as it was reported.
func (r *ready) next(e *estate, m *machine) {
	e.Helper()
	e.regain()
	if m.key.Kind == seal.RestoreKey {
		m.key = e.root
	}
	e.sound(r.also...)
	if r.name == rotation { // which no trace of the one that broke off may disturb
		e.with(m, func(s *Store) { e.need(rotates(e, s)) })
		e.root.Secret = seal.Secret{}
		e.regain()
		m.key = e.root
	}
	e.save(m, wild(), series)
	e.sound(r.also...)
}

// deaths are the effects that an operation may have when the process ends within.
func deaths(op faulty.Op) []faulty.Effect {
	switch op.Method {
	case "Put":
		return []faulty.Effect{faulty.Nothing, faulty.Half, faulty.Whole}
	case "Delete":
		return []faulty.Effect{faulty.Nothing, faulty.Whole}
	}
	return []faulty.Effect{faulty.Nothing}
}

// every is how many operations are passed over.
func every() int {
	if testing.Short() {
		return 7
	}
	return stride
}

func TestWhereverARunIsKilledNothingIsLostAndTheNextOneGoesOn(t *testing.T) {
	for _, st := range tales() {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			r := st.ready(t)
			counter := &faulty.Injector{}
			e, m, err := r.play(t, counter)
			fatal(t, err)
			r.next(e, m)
			points := 0
			for i, op := range counter.Ops() {
				if i%every() != 0 {
					continue
				}
				for _, effect := range deaths(op) {
					r.kill(t, i+1, effect)
					points++
				}
				if t.Failed() {
					break
				}
			}
			t.Logf("%d operations, %d deaths", counter.Count(), points)
		})
	}
}

// kill plays up to the operation numbered at.
func (r *ready) kill(t *testing.T, at int, effect faulty.Effect) {
	inj := &faulty.Injector{At: at, Fault: faulty.Kill(effect)}
	e, m, err := r.play(t, inj)
	if inj.Count() >= at {
		op := inj.Ops()[at-1]
		if err == nil && op.Method != "Get" && op.Method != "List" && !strings.HasPrefix(op.Name, "index/") {
			t.Errorf("success was reported by a process that was killed at %+v", op)
		}
		if effect == faulty.Half {
			e.torn = op.Name
		}
	}
	r.next(e, m)
	if t.Failed() {
		t.Logf("killed at operation %d, %+v, with effect %d: %v", at, inj.Ops()[min(at, inj.Count())-1], effect, err)
	}
}

func TestWhateverFailsARunFailsOrWhatItReportsIsTrue(t *testing.T) {
	for _, st := range tales() {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			r := st.ready(t)
			points := 0
			for k, kind := range faulty.Kinds() {
				counter := kind.At(0)
				_, _, err := r.play(t, counter)
				fatal(t, err)
				step := faultsApart()
				for at := 1 + k%step; at <= counter.Count() && !t.Failed(); at += step {
					r.fault(t, kind, at)
					points++
				}
			}
			t.Logf("%d faults", points)
		})
	}
}

func faultsApart() int {
	switch {
	case exhaustive():
		return 1
	case testing.Short() || racing():
		return 23
	case strict():
		return 5
	}
	return 11
}

// fault plays with one fault.
func (r *ready) fault(t *testing.T, kind faulty.Kind, at int) {
	inj := kind.At(at)
	e, m, err := r.play(t, inj)
	if kind.Lies { // what was not kept, no program can bring back; but nothing wrong may come of it
		r.honest(e)
	} else {
		if kind.Fault.Effect == faulty.Half && inj.Count() >= at {
			e.torn = inj.Ops()[at-1].Name
		}
		r.next(e, m)
	}
	if t.Failed() {
		t.Logf("%s at operation %d, %+v (the run said: %v)", kind.Name, at, inj.Ops()[min(at, inj.Count())-1], err)
	}
}

// honest checks that what is there is right or an error.
func (r *ready) honest(e *estate) {
	e.Helper()
	s, err := e.tryOpen(e.machine(e.root), nil)
	if err != nil {
		if !told(err) {
			e.Error(err)
		}
		return
	}
	defer s.Close()
	list, err := s.Snapshots(context.Background())
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		e.Error(err)
	}
	for _, snap := range list {
		want := slices.Clone(r.also)
		for _, h := range slices.Concat(e.held, e.gone) {
			if h.snap.ID == snap.ID {
				want = [][]varve.Entry{h.want}
			}
		}
		e.honestView(s, snap.ID, want)
	}
}

// honestView checks that reading a snapshot gives one of the trees in want, or the beginning of one and an error.
func (e *estate) honestView(s *Store, id varve.SnapshotID, want [][]varve.Entry) {
	e.Helper()
	v, err := s.View(context.Background(), id)
	e.need(err)
	var wrong []string
	for _, w := range want {
		var got reading
		got.view(v, w)
		if wrong = got.wrong; len(wrong) == 0 {
			return
		}
	}
	e.Errorf("snapshot %s is none of %d: %v", id.Short(), len(want), wrong)
}

// TestAResumedBackupStoresNothingTwice kills a first backup when so many packs are there, and counts what the next one adds.
func TestAResumedBackupStoresNothingTwice(t *testing.T) {
	for _, by := range []string{"restore key", "put-only key"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			src := storetest.NewTree()
			for i := range 40 {
				src.File(fmt.Sprintf("file %02d", i), noise(uint64(i), 1<<20))
			}
			e := newEstate(t)
			key := e.root
			if by == "put-only key" {
				key = e.addClient("box")
			}
			m := e.machine(key)
			inj := &faulty.Injector{At: 3, Fault: faulty.Kill(faulty.Nothing),
				Filter: func(op faulty.Op) bool { return op.Method == "Put" && strings.HasPrefix(op.Name, "data/") }}
			s, err := e.tryOpen(m, inj)
			e.need(err)
			if _, err := e.trySave(s, src, series); err == nil {
				t.Fatal("the run was not killed")
			}
			e.need(s.Close())
			there := e.stored("data/")
			if there < 30<<20 {
				t.Fatalf("%d bytes were stored before the end", there)
			}
			e.save(m, src, series)
			if all := e.stored("data/"); all > 44<<20 {
				t.Errorf("of %d bytes %d were there, and then %d", src.Size(), there, all)
			}
			e.sound()
		})
	}
}

// stored returns how many bytes the objects below prefix have together.
func (e *estate) stored(prefix string) (n int64) {
	e.Helper()
	for o, err := range e.store.List(context.Background(), prefix) {
		e.need(err)
		n += o.Size
	}
	return n
}
