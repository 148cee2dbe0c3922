package rsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a pattern can have that rsync has no words for.
var (
	errBackslash = errors.New(`rsync reads a "\" differently`)
	errStars     = errors.New(`rsync reads more than two "*" in a row differently`)
	errDirs      = errors.New(`more than one "**" in front of other names`)
	errText      = errors.New("it is empty or holds control characters")
	errMany      = errors.New("too many patterns for rsync's command line")
)

// maxRules bounds how many rules stand on a command line.
const maxRules = 2000

// filterRules returns the rules of rsync that leave out what gitignore patterns leave out, as options. Of gitignore patterns the last
// that matches decides, of rsync's rules the first. Where a pattern cannot be expressed there is an error that names it, rather than
// files left out that nobody meant.
func filterRules(patterns []string) ([]string, error) {
	var args []string
	for i := len(patterns) - 1; i >= 0; i-- {
		rules, err := filterRule(patterns[i])
		if err != nil {
			return nil, fmt.Errorf("pattern %q cannot be handed to rsync: %w", patterns[i], err)
		}
		for _, r := range rules {
			args = append(args, "--filter="+r)
		}
	}
	if len(args) > maxRules {
		return nil, errMany
	}
	return args, nil
}

// filterRule translates one pattern.
func filterRule(pattern string) ([]string, error) {
	action := "- "
	rest, include := strings.CutPrefix(pattern, "!")
	if include {
		action = "+ "
	}
	rest, dirs := strings.CutSuffix(rest, "/")
	switch {
	case rest == "" || strings.ContainsFunc(pattern, isControl):
		return nil, errText
	case strings.ContainsRune(rest, '\\'):
		return nil, errBackslash
	case strings.Contains(rest, "***"):
		return nil, errStars
	}
	shapes, err := shapes(rest)
	if err != nil {
		return nil, err
	}
	for i := range shapes {
		shapes[i] = action + shapes[i]
		if dirs {
			shapes[i] += "/"
		}
	}
	return shapes, nil
}

// shapes returns the patterns of rsync that together match what a gitignore pattern matches. A "**" that stands for directories may
// also stand for none, which rsync takes two patterns to say; one that is only a part of a name is a single "*".
func shapes(pattern string) ([]string, error) {
	if !strings.Contains(pattern, "/") {
		return []string{strings.ReplaceAll(pattern, "**", "*")}, nil
	}
	lead, names := "/", strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	for i, n := range names {
		if n != "**" {
			names[i] = strings.ReplaceAll(n, "**", "*")
		}
	}
	if names[0] == "**" && len(names) > 1 { // at any depth
		lead, names = "", names[1:]
	}
	last := len(names) - 1
	whole := lead + strings.Join(names, "/")
	inner := slices.Index(names[:last], "**")
	switch {
	case inner < 0:
		return []string{whole}, nil
	case inner == 0 || slices.Contains(names[inner+1:last], "**"):
		return nil, errDirs
	}
	return []string{lead + strings.Join(slices.Delete(slices.Clone(names), inner, inner+1), "/"), whole}, nil
}
