package adopt

import (
	"cmp"
	"slices"
)

// disorder says of rsnapshot's directories that their times are not in the order in which they were made, as of copies that lost their
// times: as few of them as explain it become Doubtful.
func disorder(list []Found, levels []string) {
	var made []*Found // the oldest first
	for i := range list {
		if f := &list[i]; f.Level != "" && f.Condition != Empty {
			made = append(made, f)
		}
	}
	slices.SortFunc(made, func(a, b *Found) int {
		return cmp.Or(slices.Index(levels, b.Level)-slices.Index(levels, a.Level), cmp.Compare(b.Number, a.Number))
	})
	for i, fits := range ascending(made) {
		if !fits && made[i].Condition == Whole {
			made[i].Condition, made[i].Why = Doubtful, "its time does not fit its number: it is not between those of its neighbours"
		}
	}
}

// ascending says which of them make the longest list whose times ascend.
func ascending(list []*Found) []bool {
	length, before := make([]int, len(list)), make([]int, len(list))
	best := -1
	for i := range list {
		length[i], before[i] = 1, -1
		for j := range i {
			if list[j].Time.Before(list[i].Time) && length[j] >= length[i] {
				length[i], before[i] = length[j]+1, j
			}
		}
		if best < 0 || length[i] > length[best] {
			best = i
		}
	}
	fits := make([]bool, len(list))
	for ; best >= 0; best = before[best] {
		fits[best] = true
	}
	return fits
}
