// Package match decides which paths a backup leaves out, by the rules of gitignore(5).
//
// A [Rule] is one pattern, read from the command line, from a file of patterns, or from the ignore file of a directory. A
// [Matcher] holds the rules that are in force in one directory of a walk and tells for every path which rule decides:
//
//	m := match.New(rules, sources)           at the root
//	m = m.Below("home/u", rulesOfIgnoreFile) in home/u and below
//	excluded, by := m.Match("home/u/cache", true)
//
// Rules of the command line go before those of ignore files, deeper ignore files before shallower ones, and of one list the last
// rule that matches decides. What lies below an excluded directory is excluded with it: a walk does not descend, and
// [Matcher.MatchPath] asks for every directory on the way.
//
// The package is not for choosing what to restore or to list, and it opens no file: what decides by content, such as cache
// directory tags, sizes or marker files, is the walk's.
//
// Paths are those of varve: elements of raw bytes joined by "/", relative to the root of the file system, which is "". Bytes are
// compared as they are: case matters, and no encoding is assumed.
package match

import (
	"slices"
	"strings"

	"varve"
)

// Matcher holds the rules in force in one directory. It is immutable and may be used by several goroutines. Make one with New.
type Matcher struct {
	sources []string
	command layer
	files   []layer // of the ignore files on the way, the deepest last
}

// layer is one list of rules and where it holds.
type layer struct {
	dir   string   // only what lies below it is matched
	bases []string // the directories that anchored patterns are relative to, dir first
	rules []*Rule
}

// Decision is what a Matcher says of a path and the directories it lies in.
type Decision struct {
	Excluded bool
	// Path is where it was decided: the path that was asked for, or the topmost excluded directory that it lies in.
	Path string
	// By is the rule that decided; nil where none matched.
	By *Rule
}

// New returns the Matcher of a walk with the rules of its command line, in the order in which they were given. sources are the
// paths that are walked, relative to "/" and without a leading slash; "", the whole file system, is also what an empty list
// stands for. Anchored patterns are relative to each source and to "/": with the source home/u, both /cache and /home/u/cache
// exclude home/u/cache.
func New(rules []*Rule, sources []string) *Matcher {
	m := &Matcher{command: layer{bases: []string{""}, rules: rules}}
	for _, source := range sources {
		source = strings.Trim(source, "/")
		m.sources = append(m.sources, source)
		if !slices.Contains(m.command.bases, source) {
			m.command.bases = append(m.command.bases, source)
		}
	}
	if len(sources) == 0 {
		m.sources = []string{""}
	}
	return m
}

// Below returns m with the rules of dir's own ignore file added; m itself where there are none. They hold for what lies below
// dir, and anchored patterns are relative to dir.
func (m *Matcher) Below(dir string, rules []*Rule) *Matcher {
	if len(rules) == 0 {
		return m
	}
	below := *m
	below.files = append(slices.Clip(m.files), layer{dir: dir, bases: []string{dir}, rules: rules})
	return &below
}

// Match reports whether path itself is excluded, and by which rule; by may also be a rule that includes it again, and is nil
// where no rule matched. It does not ask for the directories that path lies in. A source and the directories on the way to it
// were asked for by name: no rule excludes them.
func (m *Matcher) Match(path string, isDir bool) (excluded bool, by *Rule) {
	by = m.command.decide(path, isDir)
	for i := len(m.files) - 1; by == nil && i >= 0; i-- {
		by = m.files[i].decide(path, isDir)
	}
	if by == nil || m.leadsToSource(path) {
		return false, nil
	}
	return !by.include, by
}

// MatchPath decides path as a walk from the root would: every directory on the way is asked for first. m is the Matcher of the
// whole walk, as New returned it. ignoreFile returns the rules of a directory's ignore file, none where it has no such file; it
// is asked for the directories that the sources hold, down to the one that path lies in. Its errors are returned as they are.
func (m *Matcher) MatchPath(path string, isDir bool, ignoreFile func(dir string) ([]*Rule, error)) (Decision, error) {
	for dir := ""; ; {
		if m.inSource(dir) {
			rules, err := ignoreFile(dir)
			if err != nil {
				return Decision{}, err
			}
			m = m.Below(dir, rules)
		}
		at := child(dir, path)
		excluded, by := m.Match(at, isDir || at != path)
		if excluded || at == path {
			return Decision{Excluded: excluded, Path: at, By: by}, nil
		}
		dir = at
	}
}

// child returns the path of the object directly in dir that is path or leads to it.
func child(dir, path string) string {
	start := len(dir) + 1
	if dir == "" {
		start = 0
	}
	if i := strings.IndexByte(path[min(start, len(path)):], '/'); i >= 0 {
		return path[:start+i]
	}
	return path
}

// leadsToSource reports whether path is a source or a directory on the way to one.
func (m *Matcher) leadsToSource(path string) bool {
	for _, source := range m.sources {
		if varve.Within(source, path) {
			return true
		}
	}
	return false
}

// inSource reports whether path is a source or lies in one.
func (m *Matcher) inSource(path string) bool {
	for _, source := range m.sources {
		if varve.Within(path, source) {
			return true
		}
	}
	return false
}

// decide returns the last rule that matches path; nil where none does.
func (l *layer) decide(path string, isDir bool) *Rule {
	if len(l.rules) == 0 {
		return nil
	}
	if _, ok := below(path, l.dir); !ok {
		return nil
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	for i := len(l.rules) - 1; i >= 0; i-- {
		if r := l.rules[i]; (isDir || !r.dirOnly) && r.matches(path, name, l.bases) {
			return r
		}
	}
	return nil
}

// below returns path relative to dir, where path lies below it.
func below(path, dir string) (rel string, ok bool) {
	switch {
	case dir == "":
		return path, path != ""
	case len(path) > len(dir)+1 && path[len(dir)] == '/' && path[:len(dir)] == dir:
		return path[len(dir)+1:], true
	}
	return "", false
}
