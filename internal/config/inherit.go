package config

import "slices"

// merged are the tables of stores and jobs that are filled from the defaults key by key; other values are taken whole.
var merged = map[string]bool{"guard": true, "hook": true, "verify": true, "prune": true, "drill": true}

// exclusive are keys of which a store has one. Where it has, no other one is taken from the defaults.
var exclusive = []string{"passphrase-file", "passphrase-command", "key-file"}

// inherit fills every store and job of a file from the defaults.
func inherit(root *node) {
	defaults := root.table["defaults"]
	if defaults == nil || defaults.kind != aTable {
		return
	}
	for _, what := range []string{"store", "job"} {
		from, to := defaults.table[what], root.table[what]
		if from == nil || to == nil || from.kind != aTable || to.kind != aTable {
			continue
		}
		for _, name := range to.keys {
			if one := to.table[name]; one.kind == aTable {
				one.fill(from, true)
			}
		}
	}
}

// fill takes over the keys that n lacks; deep says that some tables in it are filled, too.
func (n *node) fill(from *node, deep bool) {
	taken := false
	for _, key := range exclusive {
		taken = taken || n.table[key] != nil
	}
	for _, key := range from.keys {
		value, own := from.table[key], n.table[key]
		switch {
		case own == nil && !(taken && slices.Contains(exclusive, key)):
			n.put(key, value.inherited())
		case own != nil && deep && merged[key] && own.kind == aTable && value.kind == aTable:
			own.fill(value, false)
		}
	}
}

// inherited returns a copy of n, which is not its owner's own.
func (n *node) inherited() *node {
	c := *n
	c.own = false
	return &c
}
