package rsync

import (
	"errors"
	"fmt"
	"strings"
)

// What is wrong with a command line.
var (
	errOpenQuote  = errors.New("a quote is not closed")
	errLoneEscape = errors.New(`a "\" at the end escapes nothing`)
	errNUL        = errors.New("NUL byte")
)

// splitWords takes a command line apart as a shell would, without being one: quotes and backslashes are undone, everything that
// would make a shell do something else is an error. Wildcards and "~" stay as they are.
func splitWords(line string) ([]string, error) {
	if strings.IndexByte(line, 0) >= 0 {
		return nil, errNUL
	}
	s := splitter{rest: line}
	for s.rest != "" {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	s.end()
	return s.words, nil
}

// splitter is where splitWords has got to.
type splitter struct {
	rest  string
	words []string
	word  strings.Builder
	open  bool // word has begun, even if it is empty
}

// step deals with the next byte, escape or quoted part.
func (s *splitter) step() error {
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch {
	case c == ' ' || c == '\t':
		s.end()
		return nil
	case c == '#' && !s.open:
		return fmt.Errorf("%q begins a comment", c)
	case strings.IndexByte("$`;|&<>()\n", c) >= 0:
		return fmt.Errorf("%q means something to a shell, and there is none here", c)
	}
	s.open = true
	switch c {
	case '\\':
		return s.escape()
	case '\'':
		return s.single()
	case '"':
		return s.double()
	}
	s.word.WriteByte(c)
	return nil
}

// end ends a word.
func (s *splitter) end() {
	if s.open {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.open = false
}

// escape takes over the byte after a backslash.
func (s *splitter) escape() error {
	if s.rest == "" {
		return errLoneEscape
	}
	s.word.WriteByte(s.rest[0])
	s.rest = s.rest[1:]
	return nil
}

func (s *splitter) single() error {
	text, rest, closed := strings.Cut(s.rest, "'")
	if !closed {
		return errOpenQuote
	}
	s.word.WriteString(text)
	s.rest = rest
	return nil
}

func (s *splitter) double() error {
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return nil
		case c == '$' || c == '`':
			return fmt.Errorf("%q means something to a shell, and there is none here", c)
		case c == '\\' && s.rest != "" && strings.IndexByte("$`\"\\", s.rest[0]) >= 0:
			c = s.rest[0]
			s.rest = s.rest[1:]
		}
		s.word.WriteByte(c)
	}
	return errOpenQuote
}
