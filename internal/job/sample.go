package job

import (
	"context"
	"slices"

	"varve"
)

// sample returns the newest, the oldest and the largest regular file of a source and, besides, so many others, each as likely as any
// other. Each object comes once, in listing order, under its first name; empty files and those without a digest prove nothing.
func sample(ctx context.Context, src varve.Source, n int, random func(n int64) int64) ([]varve.Entry, error) {
	var chosen []varve.Entry
	var newest, oldest, largest *varve.Entry
	met := int64(0)
	for e, err := range src.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		if e.Kind != varve.Regular || e.SameAs != "" || e.Err != nil || e.Size == 0 || e.Digest == (varve.Digest{}) {
			continue
		}
		met++
		if len(chosen) < n {
			chosen = append(chosen, e)
		} else if at := random(met); at < int64(n) {
			chosen[at] = e
		}
		if newest == nil || later(e.MTime, newest.MTime) {
			newest = &e
		}
		if oldest == nil || later(oldest.MTime, e.MTime) {
			oldest = &e
		}
		if largest == nil || e.Size > largest.Size {
			largest = &e
		}
	}
	for _, e := range []*varve.Entry{newest, oldest, largest} {
		if e != nil {
			chosen = append(chosen, *e)
		}
	}
	slices.SortStableFunc(chosen, func(a, b varve.Entry) int { return varve.ComparePaths(a.Path, b.Path) })
	return slices.CompactFunc(chosen, func(a, b varve.Entry) bool { return a.Path == b.Path }), nil
}

func later(a, b varve.Time) bool { return a.Sec > b.Sec || a.Sec == b.Sec && a.Nsec > b.Nsec }
