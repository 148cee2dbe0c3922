package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/location"
	"varve/internal/retention"
)

// What nobody can find out from here.
var (
	errNoSize  = errors.New("max-size and keep-free: how large a tree on another machine is cannot be found out from here; a vault can be measured")
	errNoSpace = errors.New("how much room there is cannot be found out over ssh://; over SFTP it can")
)

// CheckRoom returns what a configuration asks for that cannot be done where its stores are: limits on their size, and room that is wanted.
func CheckRoom(c *config.Config) error {
	var errs []error
	for _, s := range c.Stores {
		at, err := location.Parse(s.Place)
		if err != nil || at.Scheme == location.Local {
			continue
		}
		limited := s.MaxSize > 0 || s.KeepFree != config.Room{}
		switch {
		case limited && s.Kind == config.Tree:
			errs = append(errs, fmt.Errorf("store %s: %w, and kind = \"vault\" says that it is one", s.Name, errNoSize))
		case s.KeepFree != config.Room{} && at.Scheme == location.SSH:
			errs = append(errs, fmt.Errorf("store %s: keep-free: %w", s.Name, errNoSpace))
		}
		for _, j := range c.Jobs {
			if at.Scheme == location.SSH && j.Guard.MinFree != (config.Room{}) && slices.Contains(j.Stores, s.Name) {
				errs = append(errs, fmt.Errorf("job %s, store %s: guard min-free: %w", j.Name, s.Name, errNoSpace))
			}
		}
	}
	return errors.Join(errs...)
}

// makeRoom removes the oldest snapshots that may go from a store that is too large, or has too little room around it.
func (r *run) makeRoom(ctx context.Context, t *target, now time.Time) error {
	budget := t.conf.Deletions - len(t.report.Forgotten)
	if t.conf.MaxSize == 0 && t.conf.KeepFree.Bytes == 0 && t.conf.KeepFree.Share == 0 {
		return nil
	}
	if t.place.Used == nil {
		return errNoSize
	}
	list, err := t.place.Store.Snapshots(ctx)
	if err != nil {
		return err
	}
	limit, err := t.limit(ctx)
	if err != nil {
		return err
	}
	enough := func(without []varve.Snapshot) (bool, error) {
		used, err := t.place.Used(ctx, idsOf(without))
		if len(without) == 0 {
			t.used = used.Bytes
		}
		return used.Bytes <= limit, err
	}
	plan, err := planRoom(list, r.seriesIn(t.conf.Name), now, budget, enough)
	if err != nil {
		return err
	}
	if err := r.remove(ctx, t, list, plan); err != nil {
		return err
	}
	r.noteEarly(t, list, plan.snapshots, now)
	return nil
}

// noteEarly tells of what went for room although the policy of its job would have kept it. list is what there was before.
func (r *run) noteEarly(t *target, list, gone []varve.Snapshot, now time.Time) {
	for _, j := range r.deps.Config.Jobs {
		series, _, err := Series(j, r.deps.Machine)
		if err != nil || !slices.Contains(j.Stores, t.conf.Name) {
			continue
		}
		var own []varve.Snapshot
		for _, s := range list {
			if s.Series == series {
				own = append(own, s)
			}
		}
		early := 0
		kept := keeps(own, r.deps.Config.Policy(j, t.conf), now)
		for _, s := range gone {
			if s.Series == series && kept[s.ID] {
				early++
			}
		}
		if early > 0 {
			r.note("store %s: for want of room %d snapshots of %s went that keep would have kept", t.conf.Name, early, series)
		}
	}
}

// limit returns how many bytes the snapshots of a store may need. What was forgotten there and is not pruned yet is as good as free, but for
// the share that pruning leaves.
func (t *target) limit(ctx context.Context) (int64, error) {
	limit := int64(1<<63 - 1)
	if t.conf.MaxSize > 0 {
		limit = int64(t.conf.MaxSize)
	}
	if t.conf.KeepFree.Bytes == 0 && t.conf.KeepFree.Share == 0 {
		return limit, nil
	}
	if t.place.Space == nil {
		return 0, fmt.Errorf("keep-free: %w", errNoSpace)
	}
	s, err := t.place.Space(ctx)
	if err != nil {
		return 0, err
	}
	lacking := t.conf.KeepFree.Of(s.Total) - s.Free
	if lacking <= 0 {
		return limit, nil
	}
	used, err := t.place.Used(ctx, nil)
	left := int64(float64(t.conf.Prune.MaxUnused) * float64(used.Bytes+used.Idle))
	lacking -= max(used.Idle-left, 0)
	return min(limit, used.Bytes-max(lacking, 0)), err
}

// seriesIn returns the series of all jobs that use a store. Other series in it are somebody else's.
func (r *run) seriesIn(store string) []string {
	var all []string
	for _, j := range r.deps.Config.Jobs {
		for _, s := range j.Stores {
			if s != store {
				continue
			}
			if series, _, err := Series(j, r.deps.Machine); err == nil {
				all = append(all, series)
			}
		}
	}
	return all
}

// checkRoom returns an error that matches ErrRoom where a store has less room than the job wants. What was forgotten before is freed first
// where that is due to be done some time.
func (r *run) checkRoom(ctx context.Context, t *target) error {
	want := r.job.Guard.MinFree
	if want.Bytes == 0 && want.Share == 0 {
		return nil
	}
	if t.place.Space == nil {
		return fmt.Errorf("guard min-free: %w", errNoSpace)
	}
	s, err := t.place.Space(ctx)
	if err == nil && lacks(s, want.Of(s.Total)) && t.conf.Prune.Every > 0 && r.mayPrune(ctx, t) {
		r.prune(ctx, t)
		s, err = t.place.Space(ctx)
	}
	if err == nil && lacks(s, want.Of(s.Total)) {
		err = fmt.Errorf("%d bytes are free, and %d are wanted: %w: %w", s.Free, want.Of(s.Total), ErrRoom, disk.ErrNoSpace)
	}
	return err
}

func lacks(s disk.Space, want int64) bool { return s.Free < want }

func idsOf(list []varve.Snapshot) []varve.SnapshotID {
	var ids []varve.SnapshotID
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// keeps returns the snapshots of a series that a policy keeps; all where the policy is empty or cannot be applied.
func keeps(list []varve.Snapshot, p retention.Policy, now time.Time) map[varve.SnapshotID]bool {
	kept := map[varve.SnapshotID]bool{}
	plan, err := retention.Plan(list, p, now)
	for _, d := range plan {
		if d.Keep {
			kept[d.Snapshot.ID] = true
		}
	}
	if err != nil {
		for _, s := range list {
			kept[s.ID] = true
		}
	}
	return kept
}
