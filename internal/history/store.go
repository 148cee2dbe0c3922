package history

import (
	"slices"
	"time"

	"varve"
)

// Store is what is remembered of a store.
type Store struct {
	// Known is when the store was met first, Seen when it was there last.
	Known time.Time `json:"known,omitzero"`
	Seen  time.Time `json:"seen,omitzero"`
	// Blind says that the key at hand only adds, so that the store is neither checked nor restored from here.
	Blind bool `json:"blind,omitempty"`
	// Verify and Prune are the last of each, whatever came of it; nil where there was none.
	Verify *Verify `json:"verify,omitempty"`
	Prune  *Prune  `json:"prune,omitempty"`
	// Drills are the last drills of jobs, by name, whatever came of them; Proofs the last that found everything as it should be.
	Drills map[string]*Drill `json:"drills,omitempty"`
	Proofs map[string]*Drill `json:"proofs,omitempty"`
	// Wrong are the last drills of jobs, by name, whose last one did not find everything as it should be. Damage is never less than in one
	// before of the same job that is not made good.
	Wrong map[string]*Drill `json:"wrong,omitempty"`
	// Sizes tell how the store grew, the newest last; at most MaxSizes, one a day.
	Sizes []Size `json:"sizes,omitempty"`
}

// Verify is one check of a store.
type Verify struct {
	Time time.Time `json:"time"`
	// Share of the content was read, from 0 to 1.
	Share float64 `json:"share"`
	// Files, Bytes and Damage count as those of a varve.VerifyReport.
	Files  int64 `json:"files"`
	Bytes  int64 `json:"bytes"`
	Damage int64 `json:"damage"`
	// Error says that checking was impossible.
	Error string `json:"error,omitempty"`
}

// Prune is one prune of a vault.
type Prune struct {
	Time time.Time `json:"time"`
	// Freed is in bytes.
	Freed int64  `json:"freed"`
	Error string `json:"error,omitempty"`
}

// Drill is one rehearsal of a restore.
type Drill struct {
	Time time.Time `json:"time"`
	Job  string    `json:"job"`
	// Snapshot is what was restored from; Files and Bytes were.
	Snapshot varve.SnapshotID `json:"snapshot"`
	Files    int64            `json:"files"`
	Bytes    int64            `json:"bytes"`
	// Rate is in bytes a second, Whole how long a restore of the whole snapshot would take; 0 where nothing was read.
	Rate  float64       `json:"rate"`
	Whole time.Duration `json:"whole"`
	// Damage counts files that came back wrong.
	Damage int64  `json:"damage"`
	Error  string `json:"error,omitempty"`
}

// Size is how large a store was.
type Size struct {
	Time time.Time `json:"time"`
	// Used is what its snapshots take, and Free the room there, in bytes; -1 where it was not found out.
	Used int64 `json:"used"`
	Free int64 `json:"free"`
}

// Meet enters that the store is there now.
func (s *Store) Meet(now time.Time) {
	if s.Known.IsZero() {
		s.Known = now
	}
	s.Seen = now
}

// Rehearse enters a drill. A bad one is made good by one of the same job alone.
func (s *Store) Rehearse(d Drill) {
	if s.Drills == nil {
		s.Drills = map[string]*Drill{}
	}
	s.Drills[d.Job] = &d
	if d.Error == "" && d.Damage == 0 {
		if s.Proofs == nil {
			s.Proofs = map[string]*Drill{}
		}
		s.Proofs[d.Job] = &d
		delete(s.Wrong, d.Job)
		return
	}
	if before := s.Wrong[d.Job]; before != nil {
		d.Damage = max(d.Damage, before.Damage)
	}
	if s.Wrong == nil {
		s.Wrong = map[string]*Drill{}
	}
	s.Wrong[d.Job] = &d
}

// Proven returns the last drill of any job that found everything as it should be; nil where there was none.
func (s *Store) Proven() (last *Drill) {
	for _, d := range s.Proofs {
		if last == nil || d != nil && d.Time.After(last.Time) {
			last = d
		}
	}
	return last
}

// Grow enters how large the store is. Of one day the last size stays, and what it does not know of the one before.
func (s *Store) Grow(z Size) {
	if before := s.SizeOn(z.Time); before != nil {
		if z.Used < 0 && before.Used >= 0 {
			z.Time, z.Used = before.Time, before.Used
		}
		*before = z
		return
	}
	s.Sizes = append(s.Sizes, z)
	if extra := len(s.Sizes) - MaxSizes; extra > 0 {
		s.Sizes = slices.Delete(s.Sizes, 0, extra)
	}
}

// SizeOn returns the size of the day of a time, if that is the last day of which there is one; nil otherwise.
func (s *Store) SizeOn(day time.Time) *Size {
	n := len(s.Sizes)
	if n == 0 || s.Sizes[n-1].Time.Format(time.DateOnly) != day.Format(time.DateOnly) {
		return nil
	}
	return &s.Sizes[n-1]
}

// Size returns how large the store is, as it was found out last, with the Time of that; Free may be of later. nil where nothing is known.
func (s *Store) Size() *Size {
	if len(s.Sizes) == 0 {
		return nil
	}
	z := s.Sizes[len(s.Sizes)-1]
	for i := len(s.Sizes) - 1; i >= 0; i-- {
		if known := &s.Sizes[i]; known.Used >= 0 {
			z.Time, z.Used = known.Time, known.Used
			break
		}
	}
	return &z
}

// Growth returns by how many bytes the store grows in a day, over what is remembered; false where that is less than a day.
func (s *Store) Growth() (bytes int64, known bool) {
	var first, last *Size
	for i := range s.Sizes {
		if z := &s.Sizes[i]; z.Used >= 0 {
			if first == nil {
				first = z
			}
			last = z
		}
	}
	const day = 24 * time.Hour
	if first == nil || last.Time.Sub(first.Time) < day {
		return 0, false
	}
	return int64(float64(last.Used-first.Used) / (float64(last.Time.Sub(first.Time)) / float64(day))), true
}
