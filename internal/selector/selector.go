// Package selector finds the snapshot that a user means.
//
// These forms are understood; where a text fits several, the first of them counts:
//
//	latest            the newest snapshot, by Order
//	latest~2          the second before it
//	3B                the third newest: 1B is latest
//	now               the newest that is not dated in the future
//	1h78m 10D 1Y2W    the newest at or before now minus that: s, m (minutes), h, D, W, M (30 days), Y (365 days)
//	@1763632800       the newest at or before that many seconds since 1970
//	2026-11-20        the newest of that day or before
//	2026-11-20T10:20  the newest of that minute or before; seconds, a fraction and a zone (Z, +02:00) may follow, and a space may
//	                  stand for the T
//	3f9a, 3F9A        the ID that begins with these hexadecimal digits
//	1763632800        9 to 11 digits with which no ID begins: as with @
//
// A time stands for the end of the smallest unit that is written: who writes a date wants what that day's backups saw, and a time
// copied from a list finds the snapshot it was copied from. Times without a zone are local. Units have one case alone: 10D is ten
// days, 10d an ID.
//
// # Not for
//
// The package opens nothing; it chooses among snapshots that were listed already.
package selector

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"varve"
)

// Select returns the snapshot that expr means, in one of the forms of the package comment. Local time is that of the location of
// now. Every error matches varve.ErrNoSnapshot, names expr and says what exists, or which forms are understood.
func Select(snapshots []varve.Snapshot, expr string, now time.Time) (varve.Snapshot, error) {
	q, err := parse(expr, now)
	if err != nil {
		return varve.Snapshot{}, fmt.Errorf("snapshot %q: %w: %w", expr, err, varve.ErrNoSnapshot)
	}
	if len(snapshots) == 0 {
		return varve.Snapshot{}, fmt.Errorf("snapshot %q: there are no snapshots at all: %w", expr, varve.ErrNoSnapshot)
	}
	found, missing := q.find(snapshots, now.Location())
	if missing != "" {
		return varve.Snapshot{}, fmt.Errorf("snapshot %q: %s; there are %s: %w", expr, missing, inventory(snapshots, now.Location()),
			varve.ErrNoSnapshot)
	}
	return found, nil
}

// find returns the snapshot q asks for, or says why there is none.
func (q query) find(snapshots []varve.Snapshot, loc *time.Location) (found varve.Snapshot, missing string) {
	if q.prefix != "" {
		found, missing = withID(snapshots, q.prefix)
		if missing != unknownID {
			return found, missing
		}
		if !q.timed {
			return found, missing + q.hint
		}
	}
	if q.timed {
		return newestUntil(snapshots, q.end, loc)
	}
	if q.back >= len(snapshots) {
		return varve.Snapshot{}, "does not go back as far"
	}
	return Order(snapshots)[q.back], ""
}

const unknownID = "no ID begins with these digits"

// withID returns the one snapshot whose ID begins with prefix, in lower case.
func withID(snapshots []varve.Snapshot, prefix string) (found varve.Snapshot, missing string) {
	var candidates []varve.Snapshot
	for _, s := range snapshots {
		if strings.HasPrefix(s.ID.String(), prefix) {
			candidates = append(candidates, s)
		}
	}
	switch len(candidates) {
	case 0:
		return varve.Snapshot{}, unknownID
	case 1:
		return candidates[0], ""
	}
	const shown = 5
	var names []string
	for _, s := range candidates[:min(shown, len(candidates))] {
		names = append(names, s.ID.String()[:min(32, max(8, len(prefix)+4))])
	}
	if more := len(candidates) - shown; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return varve.Snapshot{}, fmt.Sprintf("ambiguous, could be %s", strings.Join(names, ", "))
}

// newestUntil returns the snapshot with the latest Time not after end; of several, the one with the highest Seq.
func newestUntil(snapshots []varve.Snapshot, end time.Time, loc *time.Location) (found varve.Snapshot, missing string) {
	missing = "none at or before " + end.In(loc).Format(time.RFC3339)
	for _, s := range snapshots {
		if !s.Time.After(end) && (missing != "" || newer(s, found)) {
			found, missing = s, ""
		}
	}
	return found, missing
}

// newer reports whether a has the later Time; what is of the same Time has an order nevertheless.
func newer(a, b varve.Snapshot) bool {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq), strings.Compare(b.Series, a.Series),
		slices.Compare(a.ID[:], b.ID[:])) > 0
}

// inventory says how many snapshots there are, and from when.
func inventory(snapshots []varve.Snapshot, loc *time.Location) string {
	byTime := func(a, b varve.Snapshot) int { return a.Time.Compare(b.Time) }
	oldest := slices.MinFunc(snapshots, byTime).Time.In(loc).Format(time.RFC3339)
	newest := slices.MaxFunc(snapshots, byTime).Time.In(loc).Format(time.RFC3339)
	return fmt.Sprintf("%d, the oldest of %s, the newest of %s", len(snapshots), oldest, newest)
}

// Order returns the snapshots, newest first. Within a series the sequence decides, so that a wrong clock does not hide what came
// last; between series, each time, the one whose next snapshot has the later Time.
func Order(snapshots []varve.Snapshot) []varve.Snapshot {
	series := map[string][]varve.Snapshot{}
	for _, s := range snapshots {
		series[s.Series] = append(series[s.Series], s)
	}
	var rest [][]varve.Snapshot // of each series what is left, the newest last
	for _, list := range series {
		slices.SortFunc(list, func(a, b varve.Snapshot) int {
			return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.Time.Compare(b.Time), slices.Compare(a.ID[:], b.ID[:]))
		})
		rest = append(rest, list)
	}
	ordered := make([]varve.Snapshot, 0, len(snapshots))
	for len(rest) > 0 {
		next := 0
		for i := range rest {
			if newer(rest[i][len(rest[i])-1], rest[next][len(rest[next])-1]) {
				next = i
			}
		}
		last := len(rest[next]) - 1
		ordered = append(ordered, rest[next][last])
		if rest[next] = rest[next][:last]; last == 0 {
			rest = slices.Delete(rest, next, next+1)
		}
	}
	return ordered
}
