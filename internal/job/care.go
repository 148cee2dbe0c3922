package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
	"varve/internal/vault"
)

// lookAfter checks, prunes and drills the stores that are there, where it is due.
func (r *run) lookAfter(ctx context.Context) {
	for _, t := range r.targets {
		if t.place == nil || ctx.Err() != nil {
			continue
		}
		lease, err := r.deps.History.LockStore(t.conf.Name)
		if errors.Is(err, varve.ErrBusy) {
			continue // another job looks after it
		}
		if err != nil {
			r.deps.warn(err) // what is not remembered would be done every time
			continue
		}
		r.care(ctx, t, &lease.Record)
		r.deps.warn(lease.Save())
		r.deps.warn(lease.Close())
	}
}

// care does what is due.
func (r *run) care(ctx context.Context, t *target, s *history.Store) {
	s.Meet(r.clock.now)
	if s.Blind = t.blind; t.blind {
		r.measure(ctx, t, s)
		return
	}
	due := r.rested == nil && isDue(t.conf.Prune.Every, prunedAt(s), s.Known, r.clock.now) // else undo might be over too soon
	if t.report.Prune == nil && due && r.mayPrune(ctx, t) {
		r.prune(ctx, t)
	}
	if t.report.Prune != nil { // it may have been pruned for room before
		s.Prune = t.report.Prune
	}
	if ctx.Err() == nil && (isDue(t.conf.Verify.Every, verifiedAt(s), s.Known, r.clock.now) || t.damaged && t.conf.Verify.Every > 0) {
		v, err := verify(ctx, t.place, t.conf, r.clock.now, r.progress)
		if ctx.Err() == nil {
			t.report.Verify = &v
			s.Verify = known(v, s.Verify)
		}
		t.fail("verify", err)
	}
	r.drill(ctx, t, s)
	r.measure(ctx, t, s)
}

// known returns what is to be remembered of a check after an earlier one: one that was impossible has not shown that damage is gone.
func known(v history.Verify, before *history.Verify) *history.Verify {
	if v.Error != "" && before != nil {
		v.Damage = max(v.Damage, before.Damage)
	}
	return &v
}

// drill rehearses a restore of the job where it is due: what is proven of one job says nothing of another in the same store.
func (r *run) drill(ctx context.Context, t *target, s *history.Store) {
	due := isDue(t.conf.Drill.Every, drilledAt(s, r.job.Name), s.Known, r.clock.now)
	if s.Drills[r.job.Name] == nil && t.conf.Drill.Every > 0 { // what was never restored from is not proven: the first time is at once
		due = t.holds && r.report.Snapshot.State.Good()
	}
	if ctx.Err() != nil || r.deps.Scratch == nil || !due {
		return
	}
	d, err := rehearse(ctx, r.job, t.conf, r.deps)
	if ctx.Err() == nil {
		s.Rehearse(d)
		t.report.Drill = &d
	}
	t.fail("drill", err)
}

// isDue reports whether something that is done regularly is to be done again. last is when it was done; where it never was, known is when
// the time began to run.
func isDue(every config.Every, last, known, now time.Time) bool {
	if every == 0 {
		return false
	}
	if last.IsZero() {
		last = known
	}
	return last.After(now) || now.Sub(last) >= time.Duration(every)
}

// prunedAt, verifiedAt and, for a job, drilledAt return when that was done last; zero where it never was.
func prunedAt(s *history.Store) time.Time {
	if s.Prune == nil {
		return time.Time{}
	}
	return s.Prune.Time
}

func verifiedAt(s *history.Store) time.Time {
	if s.Verify == nil {
		return time.Time{}
	}
	return s.Verify.Time
}

func drilledAt(s *history.Store, job string) time.Time {
	if s.Drills[job] == nil {
		return time.Time{}
	}
	return s.Drills[job].Time
}

// mayPrune reports whether what was forgotten may be freed: not while the clock may be wrong, nor while any series of a job in the store is
// alarming, or nobody can tell whether one is.
func (r *run) mayPrune(ctx context.Context, t *target) bool {
	if t.place.Prune == nil || r.mayForget(t) != nil {
		return false
	}
	list, err := t.place.Store.Snapshots(ctx)
	for _, series := range r.seriesIn(t.conf.Name) {
		if err == nil && alarming(list, series) {
			r.note("store %s: it is not pruned while the newest snapshots of %s are suspect", t.conf.Name, series)
			return false
		}
	}
	return err == nil
}

// prune frees space in a vault.
func (r *run) prune(ctx context.Context, t *target) {
	c := &t.conf.Prune
	o := vault.PruneOptions{Undo: time.Duration(t.conf.Undo), MaxRepack: int64(c.MaxRepack), MaxUnused: float64(c.MaxUnused), Progress: r.progress}
	if o.Undo == 0 {
		o.Undo = -1
	}
	if o.MaxUnused == 0 {
		o.MaxUnused = -1
	}
	p := history.Prune{Time: r.clock.now}
	report, err := t.place.Prune(ctx, o)
	p.Freed = report.BytesFreed
	if err != nil {
		p.Error = cut(err.Error())
	}
	if ctx.Err() == nil {
		t.report.Prune = &p
	}
	t.fail("prune", err)
}

// verify checks a store. A tree is read as a whole; of a vault, the share that was not read for the longest time. The error matches
// varve.ErrDamaged where damage was found.
func verify(ctx context.Context, p *Place, s *config.Store, now time.Time, progress func(varve.Event)) (history.Verify, error) {
	o := varve.VerifyOptions{Progress: progress}
	share := 1.0
	if p.Prune != nil {
		switch share = float64(s.Verify.Subset); {
		case share <= 0:
			o.StructureOnly, share = true, 0
		case share < 1:
			o.Subset = share
		}
	}
	v := history.Verify{Time: now, Share: share}
	report, err := p.Store.Verify(ctx, o)
	v.Files, v.Bytes, v.Damage = report.Files, report.Bytes, report.Damage
	if err != nil {
		v.Error = cut(err.Error())
	}
	if err == nil && v.Damage > 0 {
		err = fmt.Errorf("%d findings: %w", v.Damage, varve.ErrDamaged)
	}
	return v, err
}

// measure remembers how large a store is, as far as that is known without much ado.
func (r *run) measure(ctx context.Context, t *target, s *history.Store) {
	z := history.Size{Time: r.clock.now, Used: t.size(ctx, s.SizeOn(r.clock.now)), Free: -1}
	if t.place.Space != nil && ctx.Err() == nil {
		if room, err := t.place.Space(ctx); err == nil {
			z.Free = room.Free
		}
	}
	if z.Used >= 0 || z.Free >= 0 {
		s.Grow(z)
	}
}
