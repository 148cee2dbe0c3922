package compare

import (
	"cmp"
	"slices"
	"strings"

	"varve"
)

// Part is what lies in one source of a snapshot. The numbers are those of a varve.Difference, as far as they were entered.
type Part struct {
	// Source is one of varve.SaveOptions.Sources; empty for what lies in none of several, or in the only one.
	Source              string
	Files, Before, Lost int64

	path string
}

// Parts returns a part for each of several sources, absolute paths, and one for all else. Of a single source there is nothing to tell that
// all does not tell.
func Parts(sources []string) []Part {
	var parts []Part
	if len(sources) > 1 {
		for _, s := range sources {
			parts = append(parts, Part{Source: s, path: strings.Trim(s, "/")})
		}
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(len(b.path), len(a.path)) })
	return append(parts, Part{})
}

// In returns the index in parts of the one that the path of an entry lies in: of several, that with the longest path.
func In(parts []Part, path string) int {
	for i := range parts {
		if varve.Within(path, parts[i].path) {
			return i
		}
	}
	return -1 // which the last one keeps from happening
}

// few is up to how many files a source may lose that still has some: of five, four are nothing to worry about.
const few = 10

// Worst enters in d the source that lost the largest share of its files.
func Worst(parts []Part, d *varve.Difference) {
	share := func(lost, before int64) float64 { return float64(lost) / float64(max(before, 1)) }
	for _, p := range parts {
		if p.Source != "" && (p.Lost > few || p.Files == 0) && share(p.Lost, p.Before) > share(d.WorstLost, d.WorstBefore) {
			d.Worst, d.WorstLost, d.WorstBefore = p.Source, p.Lost, p.Before
		}
	}
}
