package ssh

import (
	"errors"
	"strings"
)

// Quote returns a line that a Bourne shell takes apart into words again, without expanding anything. An error where a word holds
// a NUL, which no argument can.
func Quote(words []string) (string, error) {
	quoted := make([]string, len(words))
	for i, word := range words {
		if strings.ContainsRune(word, 0) {
			return "", errors.New("ssh: a word of a command holds a NUL")
		}
		quoted[i] = quoteWord(word)
	}
	return strings.Join(quoted, " "), nil
}

func quoteWord(word string) string {
	if word != "" && strings.Trim(word, plainCharacters) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// plainCharacters mean nothing to any shell, wherever they stand.
const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@+:,./-"

// SplitCommand splits a command line into words as a Bourne shell does: at spaces, tabs and newlines that are not quoted with ',
// " or \. It expands nothing: every other character stands for itself. An error where a quote stays open, a NUL is in it, or
// there is no word.
func SplitCommand(text string) ([]string, error) {
	if strings.ContainsRune(text, 0) {
		return nil, errors.New("command line: holds a NUL")
	}
	s := splitter{rest: text}
	for s.rest != "" {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	s.end()
	if len(s.words) == 0 || s.words[0] == "" {
		return nil, errors.New("command line: no program")
	}
	return s.words, nil
}

// splitter is a command line being split.
type splitter struct {
	rest  string
	word  strings.Builder
	begun bool // there is a word, though it may be empty
	words []string
}

// step takes one character, or a quoted stretch.
func (s *splitter) step() error {
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch c {
	case ' ', '\t', '\n':
		s.end()
	case '\'':
		return s.single()
	case '"':
		return s.double()
	case '\\':
		return s.escape()
	default:
		s.add(c)
	}
	return nil
}

func (s *splitter) add(c byte) {
	s.word.WriteByte(c)
	s.begun = true
}

// end ends the word, if there is one.
func (s *splitter) end() {
	if s.begun {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.begun = false
}

func (s *splitter) single() error {
	inside, rest, closed := strings.Cut(s.rest, "'")
	if !closed {
		return errors.New("command line: ' is not closed")
	}
	s.word.WriteString(inside)
	s.begun, s.rest = true, rest
	return nil
}

func (s *splitter) double() error {
	s.begun = true
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return nil
		case c == '\\' && s.rest != "" && strings.IndexByte("$`\"\\\n", s.rest[0]) >= 0:
			if err := s.escape(); err != nil {
				return err
			}
		default:
			s.add(c)
		}
	}
	return errors.New(`command line: " is not closed`)
}

// escape takes the character behind a backslash. A newline there is no character at all.
func (s *splitter) escape() error {
	if s.rest == "" {
		return errors.New(`command line: \ at the end`)
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	if c != '\n' {
		s.add(c)
	}
	return nil
}
