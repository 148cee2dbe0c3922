package job

import (
	"fmt"

	"varve"
	"varve/internal/history"
)

// renamed warns where the job has begun to have another series because this host has another name now, and none of that is in the store
// yet. Otherwise nobody would notice: what is there of the old series would stay for ever, and the first snapshot of the new one is not
// held against it. list is what the store has.
func (r *run) renamed(t *target, list []varve.Snapshot) {
	if r.job.Series != "" || newest(list, r.report.Series) != nil {
		return
	}
	last := lastGoodIn(r.memory, t.conf.Name)
	for i := range list {
		if old := list[i].Series; list[i].ID == last && last != (varve.SnapshotID{}) {
			r.deps.warn(fmt.Errorf("job %s: in store %s the series of the job is %q, and now begins as %q: was the host renamed? To go on with what is there: series = %[3]q",
				r.job.Name, t.conf.Name, old, r.report.Series))
			return
		}
	}
}

// lastGoodIn returns the ID that the newest good snapshot of a job has in a store; zero where that is not known.
func lastGoodIn(h *history.Job, store string) varve.SnapshotID {
	if id := h.GoodID[store]; id != (varve.SnapshotID{}) {
		return id
	}
	if h.Success != nil && h.Success.Store == store {
		return h.Success.Snapshot
	}
	return varve.SnapshotID{}
}
