package match

import (
	"errors"
	"fmt"
	"strings"
)

// Rule is one pattern, parsed. It is immutable.
type Rule struct {
	text    string
	origin  string
	include bool // what matches is not excluded
	dirOnly bool // only directories match
	path    bool // the pattern is compared with the path below a base, not with the name alone
	shape   shape
	literal string // for the shapes literal and suffix
	glob    glob   // for the shape wild
}

// shape says how a pattern is compared; the frequent simple ones need no glob.
type shape uint8

const (
	wild    shape = iota
	literal       // the pattern has no wildcards
	suffix        // the pattern is "*" and a literal, compared with a name
)

// What a pattern can have wrong with it. Such a pattern could never match anything.
var (
	errEmpty     = errors.New("the pattern is empty")
	errNUL       = errors.New("a pattern cannot hold a NUL byte")
	errBackslash = errors.New(`a "\" at the end escapes nothing`)
	errOpen      = errors.New(`"[" is not closed by "]"`)
	errSetSlash  = errors.New(`"/" between "[" and "]" matches nothing`)
	errDot       = errors.New(`"." and ".." never match: paths do not have such elements`)
	errSlashes   = errors.New(`there is nothing between two "/": no path is like that`)
)

// String returns the pattern as it was written, the "!" of a gitignore rule or the "- " of an rsync rule included.
func (r *Rule) String() string { return r.text }

// Origin returns where the rule was written: the origin given to Parse, or "FILE:LINE" where it was read from a file.
func (r *Rule) Origin() string { return r.origin }

// Parse reads one gitignore pattern as it is given on a command line: it is never a comment, and spaces at its end count. The
// error names origin and pattern and says why the pattern could never match.
func Parse(pattern, origin string) (*Rule, error) {
	r := &Rule{text: pattern, origin: origin}
	rest, include := strings.CutPrefix(pattern, "!")
	rest, r.dirOnly = strings.CutSuffix(rest, "/")
	r.include = include
	r.path = strings.Contains(rest, "/")
	if err := r.compile(strings.TrimPrefix(rest, "/"), gitignore, false); err != nil {
		return nil, fmt.Errorf("%s: pattern %q: %w", origin, pattern, err)
	}
	return r, nil
}

// compile sets how the rule compares. A floating pattern may begin at every element of a path.
func (r *Rule) compile(pattern string, d dialect, floating bool) error {
	g, err := parseGlob(pattern, d)
	if err != nil {
		return err
	}
	if err := g.checkElements(); err != nil {
		return err
	}
	text, isLiteral := g.text()
	switch {
	case floating:
		r.glob = append(glob{{op: opDirs}}, g...)
	case isLiteral:
		r.shape, r.literal = literal, text
	case g[0].op == opStar && !r.path:
		if r.literal, isLiteral = g[1:].text(); isLiteral {
			r.shape = suffix
			return nil
		}
		fallthrough
	default:
		r.glob = g
	}
	return nil
}

// matches reports whether the rule's pattern matches path, whose last element is name. bases are what an anchored pattern is
// relative to.
func (r *Rule) matches(path, name string, bases []string) bool {
	if !r.path {
		return r.compare(name)
	}
	for _, base := range bases {
		if rel, ok := below(path, base); ok && r.compare(rel) {
			return true
		}
	}
	return false
}

func (r *Rule) compare(s string) bool {
	switch r.shape {
	case literal:
		return s == r.literal
	case suffix:
		return strings.HasSuffix(s, r.literal)
	default:
		return r.glob.match(s)
	}
}
