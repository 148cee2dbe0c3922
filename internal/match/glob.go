package match

import "strings"

// glob is a pattern taken apart.
type glob []token

// token matches a part of a path.
type token struct {
	op  op
	c   byte // for opByte
	set *set // for opSet
}

type op uint8

const (
	opByte op = iota // the byte c
	opAny            // one byte, not "/"
	opSet            // one byte of set, which never holds "/"
	opStar           // any number of bytes, none of them "/"
	opDeep           // any number of bytes
	opDirs           // nothing, or bytes up to and including a "/"; stands only where an element begins
)

// dialect says how a pattern is read.
type dialect uint8

const (
	gitignore  dialect = iota // "**" spans directories where it is a whole element
	rsyncWild                 // "**" spans directories everywhere
	rsyncPlain                // every byte stands for itself: rsync's reading of a pattern without wildcards
)

// parseGlob takes a pattern apart.
func parseGlob(pattern string, d dialect) (glob, error) {
	switch {
	case pattern == "":
		return nil, errEmpty
	case strings.IndexByte(pattern, 0) >= 0:
		return nil, errNUL
	}
	var g glob
	for i := 0; i < len(pattern); {
		t, n, err := nextToken(pattern, i, d)
		if err != nil {
			return nil, err
		}
		g = append(g, t)
		i += n
	}
	return g, nil
}

// nextToken returns the token at pattern[i:] and how many bytes of the pattern it takes.
func nextToken(pattern string, i int, d dialect) (token, int, error) {
	c := pattern[i]
	switch {
	case d == rsyncPlain:
	case c == '?':
		return token{op: opAny}, 1, nil
	case c == '*':
		t, n := parseStars(pattern, i, d)
		return t, n, nil
	case c == '[':
		s, n, err := parseSet(pattern[i+1:])
		if d == rsyncWild && strings.Contains(pattern[i+1:i+1+n], "/") {
			err = errSetSlash
		}
		return token{op: opSet, set: s}, n + 1, err
	case c == '\\' && i+1 == len(pattern):
		return token{}, 0, errBackslash
	case c == '\\':
		return token{c: pattern[i+1]}, 2, nil
	}
	return token{c: c}, 1, nil
}

// parseStars reads the run of "*" at pattern[i:]. In gitignore a run of two and more is opDeep at the end of a pattern, opDirs
// together with the "/" that follows it, and otherwise no more than one "*".
func parseStars(pattern string, i int, d dialect) (token, int) {
	rest := strings.TrimLeft(pattern[i:], "*")
	n := len(pattern) - i - len(rest)
	begins := i == 0 || pattern[i-1] == '/'
	switch {
	case n == 1:
		return token{op: opStar}, n
	case d == rsyncWild:
		return token{op: opDeep}, n
	case begins && strings.HasPrefix(rest, "/"):
		return token{op: opDirs}, n + 1
	case begins && (rest == "" || strings.HasPrefix(rest, `\/`)):
		return token{op: opDeep}, n
	}
	return token{op: opStar}, n
}

// checkElements returns an error where g has an element that no path has.
func (g glob) checkElements() error {
	start := 0
	for i := 0; i <= len(g); i++ {
		switch {
		case i < len(g) && g[i].op == opDirs:
			start = i + 1
		case i == len(g) || g[i].is('/'):
			if err := g[start:i].checkElement(); err != nil {
				return err
			}
			start = i + 1
		}
	}
	return nil
}

func (g glob) checkElement() error {
	switch text, isLiteral := g.text(); {
	case !isLiteral:
		return nil
	case text == "":
		return errSlashes
	case text == "." || text == "..":
		return errDot
	}
	return nil
}

// text returns what g matches where that is one text only.
func (g glob) text() (text string, isLiteral bool) {
	b := make([]byte, 0, len(g))
	for _, t := range g {
		if t.op != opByte {
			return "", false
		}
		b = append(b, t.c)
	}
	return string(b), true
}

func (t *token) is(c byte) bool { return t.op == opByte && t.c == c }

// accepts reports whether t, which is none of the stars, matches the byte c.
func (t *token) accepts(c byte) bool {
	switch t.op {
	case opByte:
		return c == t.c
	case opAny:
		return c != '/'
	default:
		return t.set.has(c)
	}
}

// match reports whether g matches all of s.
//
// Of all stars only the last opStar and, before it, the last opDeep or opDirs are ever tried again with more bytes: whatever an
// earlier star could reach by taking more, the later one reaches as well. So the time is polynomial in the lengths of g and s,
// and nothing is allocated.
func (g glob) match(s string) bool {
	star, deep := retry{token: -1}, retry{token: -1}
	for p, i := 0, 0; p < len(g) || i < len(s); {
		switch {
		case p < len(g) && g[p].op == opStar:
			star = retry{p, i}
			p++
		case p < len(g) && g[p].op > opStar:
			star, deep = retry{token: -1}, retry{p, i}
			p++
		case p < len(g) && i < len(s) && g[p].accepts(s[i]):
			p, i = p+1, i+1
		case star.more(g, s):
			p, i = star.token+1, star.at
		case deep.more(g, s):
			star.token = -1
			p, i = deep.token+1, deep.at
		default:
			return false
		}
	}
	return true
}

// retry is a star that may take more bytes.
type retry struct {
	token int // its index; -1 where there is none
	at    int // where in the text what follows the star was tried last
}

// more lets the star take as few more bytes as it can; false where it cannot take more.
func (r *retry) more(g glob, s string) bool {
	if r.token < 0 || r.at >= len(s) {
		return false
	}
	switch g[r.token].op {
	case opDeep:
		r.at++
	case opDirs:
		n := strings.IndexByte(s[r.at:], '/')
		r.at += n + 1
		return n >= 0
	default:
		r.at++
		return s[r.at-1] != '/'
	}
	return true
}
