package adopt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"varve"
	"varve/internal/disk"
)

// usual are the levels that rsnapshot's own examples have, the finest first.
var usual = []string{"hourly", "daily", "weekly", "monthly", "yearly", "alpha", "beta", "gamma", "delta"}

// Guess proposes styles for a directory, by the names in it: each of them has at least one directory of that name. A style of rsnapshot
// is found by the usual names of levels; others need its configuration.
func Guess(dir disk.FS) ([]Style, error) {
	names, err := dir.Names()
	if err != nil {
		return nil, fmt.Errorf("find snapshots: %w", err)
	}
	found := map[string]Style{}
	levels := map[string]bool{}
	for _, n := range names {
		if n.Kind != 0 && n.Kind != varve.Dir {
			continue
		}
		if s, ok := guessName(n.Name); ok {
			found[s.Names] = s
		}
		level, number, _ := strings.Cut(n.Name, ".")
		levels[level] = levels[level] || number == "0"
	}
	var styles []Style
	for _, s := range found {
		styles = append(styles, s)
	}
	slices.SortFunc(styles, func(a, b Style) int { return strings.Compare(a.Names, b.Names) })
	var present []string
	for _, level := range usual {
		if levels[level] {
			present = append(present, level)
		}
	}
	if len(present) > 0 {
		styles = append(styles, Style{Levels: present, Series: "rsnapshot"})
	}
	return styles, nil
}

// guessName proposes a style for one name.
func guessName(name string) (Style, bool) {
	forms := [...]string{"%F", "%F-%H%M%S", "%FT%T", "%F_%H-%M-%S"}
	for _, form := range forms {
		s := Style{Names: form}
		if p, err := s.compile(); err == nil {
			if _, err := p.read(name, time.UTC); err == nil {
				return s, true
			}
		}
	}
	const date = len("-2006-01-02")
	if len(name) <= date || name[len(name)-date] != '-' {
		return Style{}, false
	}
	s := Prefixed(name[:len(name)-date])
	p, err := s.compile()
	if err == nil {
		_, err = p.read(name, time.UTC)
	}
	return s, err == nil
}
