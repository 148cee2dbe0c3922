package job

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/config"
	"varve/internal/disk/memfs"
	"varve/internal/history"
	"varve/internal/location"
)

// paper is a store that keeps records and no files. What becomes of the next snapshot is decided beforehand.
type paper struct {
	list    []varve.Snapshot
	away    bool
	differs varve.Difference
	lacks   bool  // the next snapshot is incomplete
	fails   error // of Save
	forgets int   // so many snapshots go before Forget fails; -1 where it does not
	made    byte
	id      byte
}

func (p *paper) Save(_ context.Context, _ varve.Source, o varve.SaveOptions) (varve.Snapshot, error) {
	if p.fails != nil {
		return varve.Snapshot{}, p.fails
	}
	p.made++
	seq := uint64(1)
	if last := newest(p.list, o.Series); last != nil {
		seq = last.Seq + 1
	}
	s := o.Begin(varve.SnapshotID{p.id, p.made}, seq)
	s.End = o.Finish()
	switch {
	case o.Origin != nil:
	case p.lacks:
		s.State, s.Skipped = varve.Incomplete, 1
	case o.Judge != nil:
		s.State = o.Judge(p.differs)
	}
	p.list = append(p.list, s)
	return s, nil
}

func (p *paper) Snapshots(context.Context) ([]varve.Snapshot, error) {
	return slices.Clone(p.list), nil
}

func (p *paper) Forget(_ context.Context, ids ...varve.SnapshotID) error {
	for i, id := range ids {
		if i == p.forgets {
			return errBad
		}
		p.list = slices.DeleteFunc(p.list, func(s varve.Snapshot) bool { return s.ID == id })
	}
	return nil
}

func (p *paper) View(context.Context, varve.SnapshotID) (varve.View, error) { return blank{}, nil }
func (p *paper) Verify(context.Context, varve.VerifyOptions) (varve.VerifyReport, error) {
	return varve.VerifyReport{}, nil
}
func (p *paper) Close() error { return nil }

// errWorse is what a store says that takes no snapshot.
var errWorse = errors.New("worse")

// blank is a snapshot without files.
type blank struct{ listed }

func (blank) Below(context.Context, string) iter.Seq2[varve.Entry, error] {
	return func(func(varve.Entry, error) bool) {}
}
func (blank) Close() error { return nil }

// nights is a machine that runs one job night after night, and whose clock, source and stores do what they like.
type nights struct {
	*rapid.T
	stores map[string]*paper
	deps   *Deps
	now    time.Time // what the clock shows
	right  time.Time // what it should show
	errors []error
}

func newNights(t *rapid.T) *nights {
	begin := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	n := &nights{T: t, now: begin, right: begin, stores: map[string]*paper{"usb": {id: 1}, "box": {id: 2}}}
	d := memfs.New(memfs.Options{})
	bed := &bed{disk: d}
	for _, dir := range []string{"src", "state"} {
		n.must(d.Root().Mkdir(dir, 0o700))
	}
	state, err := bed.openDir("/state")
	n.must(err)
	past, err := history.Open(state, "")
	n.must(err)
	c, err := config.Parse("test.toml", []byte(twoStores), config.Options{})
	n.must(err)
	for _, s := range c.Stores {
		s.Keep = config.Keep{Last: config.Count(rapid.IntRange(0, 3).Draw(t, "last")), Daily: config.Count(rapid.IntRange(0, 3).Draw(t, "daily")),
			Days: rapid.IntRange(0, 3).Draw(t, "days")}
		s.Deletions = rapid.IntRange(1, 4).Draw(t, "deletions")
	}
	n.deps = &Deps{Config: c, History: past, Now: func() time.Time { return n.now }, Machine: bed, Open: n.open,
		Sleep:   func(context.Context, time.Duration) error { return nil },
		Sources: func(*config.Job) location.Options { return location.Options{OpenDir: bed.openDir} },
		Warn:    func(err error) { n.errors = append(n.errors, err) }}
	return n
}

func (n *nights) must(err error) {
	if err != nil {
		n.Fatal(err)
	}
}

func (n *nights) open(_ context.Context, s *config.Store, _ bool) (*Place, error) {
	p := n.stores[s.Name]
	if p.away {
		return nil, varve.ErrNoStore
	}
	return &Place{Store: p, Path: s.Place, Close: p.Close}, nil
}

// pass lets a day go by, and draws what happens in the night.
func (n *nights) pass() (how How) {
	n.right = n.right.Add(time.Duration(rapid.IntRange(20, 30).Draw(n.T, "hours")) * time.Hour)
	n.now = n.right
	switch rapid.IntRange(0, 19).Draw(n.T, "clock") {
	case 0:
		n.now = time.Unix(int64(rapid.IntRange(0, 1e6).Draw(n.T, "since 1970")), 0).UTC()
	case 1:
		n.now = n.right.AddDate(rapid.IntRange(1, 20).Draw(n.T, "years ahead"), 0, 0)
	case 2:
		n.now = n.right.AddDate(0, 0, rapid.IntRange(-300, 300).Draw(n.T, "days wrong"))
	}
	for _, name := range []string{"usb", "box"} {
		p := n.stores[name]
		p.away = rapid.IntRange(0, 7).Draw(n.T, name+" away") == 0
		p.lacks = rapid.IntRange(0, 7).Draw(n.T, name+" lacks") == 0
		p.forgets = rapid.SampledFrom([]int{-1, -1, -1, 0, 1}).Draw(n.T, name+" forgets")
		p.fails = rapid.SampledFrom([]error{nil, nil, nil, nil, nil, nil, errWorse}).Draw(n.T, name+" fails")
		p.differs = varve.Difference{Files: 100, Before: 100, Changed: rapid.SampledFrom([]int64{0, 5, 20, 95}).Draw(n.T, "changed")}
	}
	if rapid.IntRange(0, 9).Draw(n.T, "killed") == 0 { // before it came to anything
		lease, err := n.deps.History.LockJob("home")
		n.must(err)
		lease.Record.Start(n.now)
		n.must(errors.Join(lease.Save(), lease.Close()))
	}
	return How{Accept: rapid.IntRange(0, 9).Draw(n.T, "accept") == 0}
}

func TestNoHistoryClockOrFailureCostsTheLastGoodSnapshotOrMoreThanWasPlanned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNights(t)
		for range rapid.IntRange(1, 12).Draw(t, "nights") {
			how := n.pass()
			before := map[string][]varve.Snapshot{"usb": slices.Clone(n.stores["usb"].list), "box": slices.Clone(n.stores["box"].list)}
			r := Run(context.Background(), n.deps.Config.Job("home"), how, n.deps)
			for i, s := range r.Stores {
				n.check(r, &r.Stores[i], before[s.Store])
			}
		}
	})
}

// check looks at what a run did to a store.
func (n *nights) check(r *Report, s *StoreReport, before []varve.Snapshot) {
	store := n.stores[s.Store]
	had := append(slices.Clone(before), added(store.list, before)...)
	gone := added(had, store.list)
	budget := n.deps.Config.Store(s.Store).Deletions
	about := fmt.Sprintf("store %s: %d of %d gone, %s, %v, %q", s.Store, len(gone), len(had), r.Result, r.Err, r.Notes)
	if len(gone) > budget {
		n.Fatalf("more than %d: %s", budget, about)
	}
	good := newestGood(had, r.Series)
	if good != nil && (newestGood(store.list, r.Series) == nil || newestGood(store.list, r.Series).ID != good.ID) {
		n.Fatalf("the last good snapshot went: %s", about)
	}
	if len(gone) == 0 {
		return
	}
	switch {
	case r.Result != history.Success, !r.Snapshot.State.Good():
		n.Fatalf("the run was not good: %s", about)
	case errors.Is(r.Err, errWorse):
		n.Fatalf("a store was not well: %s", about)
	case errors.Is(r.Err, ErrClock):
		n.Fatalf("the clock was wrong: %s", about)
	case alarming(before, r.Series) && alarming(had, r.Series):
		n.Fatalf("somebody had to look: %s", about)
	}
	list, series, now := slices.Clone(had), r.Series, n.now
	policy := n.deps.Config.Policy(n.deps.Config.Job("home"), n.deps.Config.Store(s.Store))
	plan, err := planRemoval(list, series, policy, now, budget)
	n.must(err)
	slices.Reverse(list)
	again, err := planRemoval(list, series, policy, now, budget)
	n.must(err)
	if !sameIDs(plan.snapshots, again.snapshots) {
		n.Fatalf("planned twice: %v and %v", plan, again)
	}
	if extra := added(gone, plan.snapshots); extra != nil {
		n.Fatalf("not planned: %v: %s", extra, about)
	}
}

// added returns what is in list and not in before.
func added(list, before []varve.Snapshot) (more []varve.Snapshot) {
	for _, s := range list {
		if !slices.ContainsFunc(before, func(o varve.Snapshot) bool { return o.ID == s.ID }) {
			more = append(more, s)
		}
	}
	return more
}
