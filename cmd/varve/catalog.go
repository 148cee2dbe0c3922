package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"varve"
	"varve/internal/selector"
)

// catalog is what a store lists, as far as filters leave it.
type catalog struct {
	now  func() time.Time
	list []varve.Snapshot
	// damage says that there are snapshots that could not be read; nobody knows of when they are.
	damage error
}

// pick finds the snapshot that an argument names.
func (c *catalog) pick(arg string) (pick, error) {
	expr, path, err := selector.Split(arg)
	if err != nil {
		return pick{}, usage(err)
	}
	snap, err := c.snapshot(expr)
	return pick{snap, path}, err
}

// snapshot finds the snapshot that an argument without a path names. Where some cannot be read only IDs tell for certain.
func (c *catalog) snapshot(expr string) (varve.Snapshot, error) {
	if c.damage != nil && !c.byID(expr) {
		return varve.Snapshot{}, marked{fmt.Sprintf("snapshot %q: cannot tell which is the newest: some are damaged; name the snapshot by its ID",
			expr), varve.ErrDamaged}
	}
	return selector.Select(c.list, expr, c.now())
}

// byID reports whether an argument can only mean the beginning of an ID. A number that may be seconds is one if there is such an ID.
func (c *catalog) byID(expr string) bool {
	if expr == "" || strings.Trim(expr, "0123456789abcdefABCDEF") != "" {
		return false
	}
	number, back := strings.CutSuffix(expr, "B")
	if _, age := parseAge(expr); age || back && isNumber(number) {
		return false
	}
	return !isNumber(expr) || slices.ContainsFunc(c.list, func(s varve.Snapshot) bool { return strings.HasPrefix(s.ID.String(), expr) })
}

// isNumber reports whether text consists of digits.
func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// snapshots finds the snapshots that arguments name, each once.
func (c *catalog) snapshots(args []string) ([]varve.Snapshot, error) {
	var found []varve.Snapshot
	seen := map[varve.SnapshotID]bool{}
	for _, arg := range args {
		s, err := c.snapshot(arg)
		if err != nil {
			return nil, err
		}
		if !seen[s.ID] {
			seen[s.ID] = true
			found = append(found, s)
		}
	}
	return found, nil
}

// without returns the full IDs among arguments that c does not have, and the other arguments.
func (c *catalog) without(args []string) (ids []varve.SnapshotID, rest []string) {
	for _, arg := range args {
		var id varve.SnapshotID
		if id.UnmarshalText([]byte(arg)) != nil || slices.ContainsFunc(c.list, func(s varve.Snapshot) bool { return s.ID == id }) {
			rest = append(rest, arg)
		} else if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, rest
}
