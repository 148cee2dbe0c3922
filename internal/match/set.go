package match

import (
	"fmt"
	"strings"
)

// set is a set of bytes.
type set [4]uint64

// classes are the names that stand between "[:" and ":]", each with pairs of the first and the last byte of a range.
var classes = map[string]string{
	"alnum":  "09AZaz",
	"alpha":  "AZaz",
	"blank":  "\t\t  ",
	"cntrl":  "\x00\x1f\x7f\x7f",
	"digit":  "09",
	"graph":  "!~",
	"lower":  "az",
	"print":  " ~",
	"punct":  "!/:@[`{~",
	"space":  "\t\n\r\r  ",
	"upper":  "AZ",
	"xdigit": "09AFaf",
}

func (s *set) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

func (s *set) add(c byte) { s[c>>6] |= 1 << (c & 63) }

// addRange adds the bytes from first to last; none where last comes before first.
func (s *set) addRange(first, last byte) {
	for c := int(first); c <= int(last); c++ {
		s.add(byte(c))
	}
}

// parseSet reads what follows a "[" and returns the set and how many bytes it takes, the closing "]" included. A "]" that comes
// first is a member, "!" or "^" in front of it turns the set over, and "/" is never in it.
func parseSet(text string) (*set, int, error) {
	p := setParser{text: text}
	negated := p.peek() == '!' || p.peek() == '^'
	if negated {
		p.at++
	}
	for first := true; first || p.peek() != ']'; first = false {
		if err := p.member(); err != nil {
			return nil, 0, err
		}
	}
	if negated {
		for i := range p.set {
			p.set[i] = ^p.set[i]
		}
	}
	p.set['/'>>6] &^= 1 << ('/' & 63)
	return &p.set, p.at + 1, nil
}

// setParser reads the members of a set. The text holds no NUL, so that 0 can stand for its end.
type setParser struct {
	text string
	at   int
	set  set
	prev byte // what a range would begin with; 0 where none can begin
}

func (p *setParser) peek() byte { return p.ahead(0) }

func (p *setParser) ahead(n int) byte {
	if p.at+n >= len(p.text) {
		return 0
	}
	return p.text[p.at+n]
}

// member reads one byte, range or class.
func (p *setParser) member() error {
	switch c := p.peek(); {
	case c == '-' && p.prev != 0 && p.ahead(1) != ']':
		p.at++
		last, err := p.escaped()
		p.set.addRange(p.prev, last)
		p.prev = 0
		return err
	case c == '[' && p.ahead(1) == ':':
		return p.class()
	default:
		c, err := p.escaped()
		p.set.add(c)
		p.prev = c
		return err
	}
}

// escaped reads one byte that may have a "\" in front of it.
func (p *setParser) escaped() (byte, error) {
	if p.peek() == '\\' {
		p.at++
	}
	c := p.peek()
	if c == 0 {
		return 0, errOpen
	}
	p.at++
	return c, nil
}

// class reads "[:name:]"; where no ":]" ends it, the "[" is an ordinary member.
func (p *setParser) class() error {
	name, _, closed := strings.Cut(p.text[p.at+2:], "]")
	if !closed {
		return errOpen
	}
	length := len("[:") + len(name) + len("]")
	name, isClass := strings.CutSuffix(name, ":")
	if !isClass {
		p.set.add('[')
		p.prev = '['
		p.at++
		return nil
	}
	pairs, known := classes[name]
	if !known {
		return fmt.Errorf("there is no character class %q", name)
	}
	for i := 0; i < len(pairs); i += 2 {
		p.set.addRange(pairs[i], pairs[i+1])
	}
	p.prev = 0
	p.at += length
	return nil
}
