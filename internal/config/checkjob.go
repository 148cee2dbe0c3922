package config

import (
	"slices"
	"strings"

	"varve"
)

// job checks one job, and puts its paths into their shortest form.
func (c *checker) job(n *node, j *Job) {
	c.sources(n, j)
	c.commands(n, j)
	c.names(n, "stores", j.Stores, "store")
	n.on("stores", aList, func(list *node) {
		if len(list.items) == 0 {
			c.fault(list, "names no store")
		}
	})
	c.labels(n, j)
	c.excludes(n, j)
	n.on("guard", aTable, func(guard *node) {
		c.paths(guard, "mounted", j.Guard.Mounted)
		c.paths(guard, "marker", j.Guard.Marker)
	})
	for _, call := range []*Call{&j.Hook.Before, &j.Hook.After, &j.Hook.Failed, &j.Hook.Finally} {
		if call.Timeout == 0 {
			call.Timeout = hookTimeout
		}
	}
	c.policies(n, j)
	if late := n.table["overdue"]; late != nil && late.own && j.Schedule.Never() {
		c.faultKey(late, "overdue has no meaning without a schedule")
	}
}

// sources checks what is backed up.
func (c *checker) sources(n *node, j *Job) {
	if n.kind != aTable {
		return
	}
	at := n.table["sources"]
	if at == nil {
		at = n
	}
	if len(j.Sources) == 0 && len(j.Commands) == 0 && (at == n || at.kind == aList) {
		c.fault(at, "has nothing to back up: name sources, or a command")
	}
	before := len(c.found)
	c.shorten(n, "sources", j.Sources, c.options.place)
	if len(c.found) == before && c.options.Sources != nil && len(j.Sources) > 0 {
		c.check(n.table["sources"], c.options.Sources(j.Sources))
	}
	if value := n.table["snapshot"]; value != nil && value.own && j.Snapshot != None && !slices.ContainsFunc(j.Sources, local) {
		c.fault(value, "no source is on this machine")
	}
}

// local reports whether a place that was checked is on this machine.
func local(place string) bool { return len(place) > 0 && place[0] == '/' }

// commands checks that the files of commands can all be in one snapshot.
func (c *checker) commands(n *node, j *Job) {
	n.on("command", aList, func(list *node) {
		at := map[string]int{}
		for i, one := range j.Commands {
			if _, taken := at[one.Path]; taken {
				c.fault(list.items[i], "%q is there twice", one.Path)
			}
			at[one.Path] = i
		}
		for i, one := range j.Commands {
			if slices.ContainsFunc(j.Sources, func(source string) bool { return source == one.Path || strings.HasPrefix(source, one.Path+"/") }) {
				c.fault(list.items[i], "%q is a source, or a directory that one lies in", one.Path)
			}
			for up := varve.Parent(one.Path); up != ""; up = varve.Parent(up) {
				if _, file := at[up]; file {
					c.fault(list.items[i], "%q and %q cannot both be files", up, one.Path)
				}
			}
		}
	})
}

// labels checks the names that snapshots get.
func (c *checker) labels(n *node, j *Job) {
	n.on("series", aString, func(value *node) { c.check(value, checkLabel(j.Series)) })
	n.on("host", aString, func(value *node) { c.check(value, checkLabel(j.Host)) })
	c.each(n, "tags", j.Tags, checkTag)
	n.on("tags", aList, func(list *node) { c.once(list, j.Tags) })
}

// excludes checks what is left out.
func (c *checker) excludes(n *node, j *Job) {
	c.each(n, "exclude", j.Exclude, checkPattern)
	c.paths(n, "exclude-from", j.ExcludeFrom)
	c.each(n, "exclude-if-present", j.ExcludeIfPresent, checkMark)
}

// policies checks for which stores it is said what stays.
func (c *checker) policies(n *node, j *Job) {
	n.on("keep-in", aTable, func(value *node) {
		for _, name := range value.keys {
			if !slices.Contains(j.Stores, name) {
				c.faultKey(value.table[name], "the job has no store %q", name)
			}
		}
	})
}

// checkSeries finds jobs whose snapshots would be taken for those of one.
func (c *checker) checkSeries() {
	type place struct{ series, store string }
	taken := map[place]string{}
	for _, j := range c.config.Jobs {
		for _, store := range j.Stores {
			if j.Series == "" {
				continue
			}
			at := place{j.Series, store}
			if other := taken[at]; other != "" && other != j.Name {
				c.table("job", j.Name).on("series", aString, func(value *node) {
					c.fault(value, "is the series of the job %s, too, in the same store", other)
				})
			}
			taken[at] = j.Name
		}
	}
}
