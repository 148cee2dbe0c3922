package retention

import (
	"slices"
	"sort"
	"time"

	"varve"
)

// trusted returns the indices of the snapshots whose times can be trusted, ascending, and gives all others a reason to be kept.
// list is one series in the order of its sequence, the last of it not later than now, so that at least one can be trusted.
//
// The good snapshots alone decide about the longest run, so that an incomplete or suspect one changes nothing for them; it is trusted
// where its time lies between those of its neighbours on the run. Where none is good, the run is made of those that there are.
func trusted(list []varve.Snapshot, now time.Time, reasons [][]string) []int {
	var past, good []int
	for i, s := range list {
		if s.Time.After(now) {
			reasons[i] = append(reasons[i], "dated in the future")
			continue
		}
		past = append(past, i)
		if s.State.Good() {
			good = append(good, i)
		}
	}
	if len(good) == 0 {
		good = past
	}
	run := longestRun(list, good)
	var counted []int
	for _, i := range past {
		_, onRun := slices.BinarySearch(run, i)
		_, competes := slices.BinarySearch(good, i)
		if onRun || !competes && fits(list, run, i) {
			counted = append(counted, i)
			continue
		}
		reasons[i] = append(reasons[i], "dated out of order")
	}
	return counted
}

// fits reports whether the time of the snapshot with index i lies between those of the snapshots before and after it on the run.
func fits(list []varve.Snapshot, run []int, i int) bool {
	next := sort.SearchInts(run, i)
	if next > 0 && list[i].Time.Before(list[run[next-1]].Time) {
		return false
	}
	return next == len(run) || !list[i].Time.After(list[run[next]].Time)
}

// longestRun returns the longest subsequence of the indices along which times do not decrease. Among several, it is the one that
// ends last, and then, backwards, the one with the later times: of 2026, 1970, 2027 the second is left out.
func longestRun(list []varve.Snapshot, indices []int) []int {
	// levels[k] holds, ascending, the indices at which the longest run that ends there has k+1 members. Their times decrease.
	var levels [][]int
	for _, i := range indices {
		k := sort.Search(len(levels), func(k int) bool {
			level := levels[k]
			return list[level[len(level)-1]].Time.After(list[i].Time)
		})
		if k == len(levels) {
			levels = append(levels, nil)
		}
		levels[k] = append(levels[k], i)
	}
	run := make([]int, len(levels))
	for k, level := range slices.Backward(levels) {
		run[k] = level[len(level)-1]
		if k+1 < len(run) {
			next := list[run[k+1]].Time
			run[k] = level[sort.Search(len(level), func(n int) bool { return !list[level[n]].Time.After(next) })]
		}
	}
	return run
}
