package job

import (
	"context"
	"errors"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
)

// count looks what the stores that can be read have of the job once the run is through with their snapshots.
func (r *run) count(ctx context.Context) {
	for _, t := range r.targets {
		if t.place == nil || t.blind || ctx.Err() != nil {
			continue
		}
		list, err := t.place.Store.Snapshots(ctx)
		if err != nil && !errors.Is(err, varve.ErrDamaged) {
			continue // what was counted before stays, with its time
		}
		r.memory.Look(t.conf.Name, heldOf(list, r.report.Series, r.clock.now))
		if err == nil {
			t.sum = sumOf(list)
		}
	}
}

// heldOf counts the snapshots of a series that a store has at a time.
func heldOf(list []varve.Snapshot, series string, now time.Time) history.Held {
	h := history.Held{Time: now}
	last := uint64(0)
	for _, s := range list {
		if s.Series != series {
			continue
		}
		h.Snapshots++
		switch s.State {
		case varve.Suspect:
			h.Suspect++
		case varve.Incomplete:
			h.Incomplete++
		}
		if !s.State.Good() && s.Seq >= last {
			h.Doubtful, last = s.ID, s.Seq
		}
	}
	return h
}

// sumOf returns how many bytes the content of a tree takes, whose snapshots these are: what each of them has stored. -1 where some are gone,
// since what they stored may be there for others.
func sumOf(list []varve.Snapshot) int64 {
	sum, seqs, last := int64(0), map[string]uint64{}, map[string]uint64{}
	for _, s := range list {
		sum += s.Added + s.Beside
		seqs[s.Series]++
		last[s.Series] = max(last[s.Series], s.Seq)
	}
	for series, n := range seqs {
		if n != last[series] {
			return -1
		}
	}
	return max(sum, -1)
}

// size returns how many bytes the store takes, as far as that is known without reading it; -1 where it is not. A vault is asked once a day:
// today is what was found out before on this day. Of a store with a limit nothing counts but what that has measured, which is more than
// content.
func (t *target) size(ctx context.Context, today *history.Size) int64 {
	limited := t.conf.MaxSize > 0 || t.conf.KeepFree != config.Room{}
	switch verify := t.report.Verify; {
	case limited || t.used >= 0:
		return t.used
	case t.place.Packed != nil:
		if today != nil && today.Used >= 0 || ctx.Err() != nil {
			return -1
		}
		if n, err := t.place.Packed(ctx); err == nil {
			return n
		}
		return -1
	case verify != nil && verify.Error == "" && verify.Share == 1:
		return verify.Bytes
	}
	return t.sum
}

// Added is how many bytes of content a store had to store anew for a job.
type Added struct {
	// Last is of the last run that gave it anything, Week and Month of all runs of the last 7 and 30 days; -1 where that is not known.
	Last  int64 `json:"last"`
	Week  int64 `json:"week"`
	Month int64 `json:"month"`
}

func addedOf(h *history.Job, store string, now time.Time) Added {
	or := func(bytes int64, known bool) int64 {
		if !known {
			return -1
		}
		return bytes
	}
	return Added{or(h.Added(store)), or(h.AddedSince(store, now.AddDate(0, 0, -7))), or(h.AddedSince(store, now.AddDate(0, 0, -30)))}
}
