package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/retention"
)

// removal is what goes from a store, and how many snapshots are to go next time.
type removal struct {
	snapshots []varve.Snapshot
	more      int
}

// planRemoval returns which snapshots of a series a policy removes from list, the oldest first, and not more than the budget. An empty
// policy removes nothing. Errors are those of retention.Plan.
func planRemoval(list []varve.Snapshot, series string, p retention.Policy, now time.Time, budget int) (r removal, err error) {
	if p.Empty() || alarming(list, series) {
		return r, nil
	}
	var own []varve.Snapshot
	for _, s := range list {
		if s.Series == series {
			own = append(own, s)
		}
	}
	going, err := planned(own, p, now)
	if err != nil {
		return r, err
	}
	n := min(len(going), max(budget, 0))
	return removal{going[:n], len(going) - n}, nil
}

// planned returns what a policy removes, the oldest first.
func planned(list []varve.Snapshot, p retention.Policy, now time.Time) ([]varve.Snapshot, error) {
	plan, err := retention.Plan(list, p, now)
	if err != nil {
		return nil, err
	}
	var going []varve.Snapshot
	for _, d := range plan {
		if !d.Keep {
			going = append(going, d.Snapshot)
		}
	}
	slices.SortStableFunc(going, func(a, b varve.Snapshot) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Series, b.Series), cmp.Compare(a.Seq, b.Seq))
	})
	return going, nil
}

// alarming reports whether a series has a suspect snapshot since its last good one, so that nobody knows what of it will be needed.
func alarming(list []varve.Snapshot, series string) bool {
	good := newestGood(list, series)
	return slices.ContainsFunc(list, func(s varve.Snapshot) bool {
		return s.Series == series && s.State == varve.Suspect && (good == nil || s.Seq > good.Seq)
	})
}

// planRoom returns which snapshots of some series go to make room, the oldest first: as few as are enough, and not more than the budget.
// enough says whether it is without some of them. What retention never removes stays, so do series that are alarming. Where all that may
// go is not enough none goes, and the error matches ErrRoom: it may be something else that takes the room.
func planRoom(list []varve.Snapshot, series []string, now time.Time, budget int, enough func(without []varve.Snapshot) (bool, error)) (r removal, err error) {
	if ok, err := enough(nil); ok || err != nil {
		return r, err
	}
	var own []varve.Snapshot
	for _, s := range list {
		if slices.Contains(series, s.Series) && !alarming(list, s.Series) {
			own = append(own, s)
		}
	}
	going, err := planned(own, retention.Policy{Last: 1}, now)
	if err != nil {
		return r, err
	}
	if ok, err := enough(going); !ok || err != nil {
		if err == nil {
			err = fmt.Errorf("not even without all %d snapshots that may go, so nothing is removed: %w", len(going), ErrRoom)
		}
		return r, err
	}
	low, high := 1, len(going) // the smallest number that is enough is one of these
	for low < high {
		middle := (low + high) / 2
		ok, err := enough(going[:middle])
		if err != nil {
			return r, err
		}
		if ok {
			high = middle
		} else {
			low = middle + 1
		}
	}
	n := min(high, max(budget, 0))
	return removal{going[:n], high - n}, nil
}

// checkRemoval returns an error where going, a plan for list, would remove what no plan may.
func checkRemoval(list, going []varve.Snapshot, budget int) error {
	if len(going) > budget {
		return fmt.Errorf("plan: %d snapshots are to go, and at most %d may", len(going), budget)
	}
	gone := map[varve.SnapshotID]bool{}
	for _, s := range going {
		if s.Pinned {
			return fmt.Errorf("plan: snapshot %s is pinned", s.ID.Short())
		}
		gone[s.ID] = true
	}
	for _, s := range going {
		last := newestGood(list, s.Series)
		if last == nil {
			last = newest(list, s.Series)
		}
		if last == nil || gone[last.ID] {
			return fmt.Errorf("plan: series %q would lose its last good snapshot", s.Series)
		}
	}
	return nil
}

// forget removes from a store what policies do not keep, if it holds the good snapshot that this run made.
func (r *run) forget(ctx context.Context, t *target) {
	if t.place == nil || !t.holds || !r.report.Snapshot.State.Good() {
		return
	}
	if t.report.Spared = cmp.Or(r.mayForget(t), r.ailing); t.report.Spared != nil {
		return
	}
	list, err := t.place.Store.Snapshots(ctx)
	if err != nil { // also damage: nobody can tell then which one is the newest
		t.fail("forget", err)
		return
	}
	now := r.clock.now
	if r.report.Snapshot.Time.After(now) { // the clock has not strayed since
		now = r.report.Snapshot.Time
	}
	policy := r.deps.Config.Policy(r.job, t.conf)
	if policy.ByAge() && r.rested != nil {
		policy, t.report.Spared = retention.Policy{}, r.rested
	}
	plan, err := planRemoval(list, r.report.Series, policy, now, t.conf.Deletions)
	if errors.Is(err, retention.ErrClock) {
		t.report.Spared = err
		return
	}
	if err == nil {
		err = r.remove(ctx, t, list, plan)
	}
	if err == nil {
		err = r.makeRoom(ctx, t, now)
	}
	t.fail("forget", err)
}

// Why nothing is forgotten although the snapshot is good.
var (
	// errAiling says that nobody knows yet what of which store will be needed.
	errAiling = errors.New("a store of the job is not well")
	// errBlind says that somebody else forgets.
	errBlind = errors.New("the key at hand only adds; who has the maintenance or the restore key removes")
	// errDamage says that nobody knows yet which snapshots of the store are.
	errDamage = errors.New("the last check found damage")
	// errDrill says so after a restore was rehearsed.
	errDrill = errors.New("wrong files came back in a drill")
)

// errAccepted says that it was a person, and not the snapshot itself, that said that all is well.
var errAccepted = errors.New("the snapshot was accepted in this run; the next good one goes on")

// mayForget returns why nothing may be deleted from a store in this run. What was accepted in haste costs nothing: there is time until the
// next run.
func (r *run) mayForget(t *target) error {
	switch {
	case t.blind:
		return errBlind
	case r.wrongClock() != nil: // in one store is in all
		return r.wrongClock()
	case t.doubt != nil:
		return t.doubt
	case r.accepted:
		return errAccepted
	}
	now := r.deps.Now()
	if r.doubt = r.clock.strayed(now, now.Sub(r.clock.now)); r.doubt != nil {
		return r.doubt
	}
	return r.damaged(t)
}

// damaged returns an error where damage to a store is known.
func (r *run) damaged(t *target) error {
	h, err := r.deps.History.Store(t.conf.Name)
	if err != nil {
		return nil
	}
	if h.Verify != nil && h.Verify.Damage > 0 {
		return errDamage
	}
	for _, j := range r.deps.Config.Jobs {
		if d := h.Wrong[j.Name]; d != nil && d.Damage > 0 && slices.Contains(j.Stores, t.conf.Name) {
			return fmt.Errorf("%w of job %s; varve drill tells whether all is well again", errDrill, j.Name)
		}
	}
	return nil
}

// remove carries a plan out.
func (r *run) remove(ctx context.Context, t *target, list []varve.Snapshot, plan removal) error {
	t.report.More += plan.more
	if len(plan.snapshots) == 0 {
		return nil
	}
	if err := checkRemoval(list, plan.snapshots, t.conf.Deletions-len(t.report.Forgotten)); err != nil {
		return err
	}
	var ids []varve.SnapshotID
	for _, s := range plan.snapshots {
		ids = append(ids, s.ID)
	}
	if err := t.place.Store.Forget(ctx, ids...); err != nil {
		return err
	}
	t.report.Forgotten = append(t.report.Forgotten, plan.snapshots...)
	return nil
}
