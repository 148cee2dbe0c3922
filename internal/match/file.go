package match

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// maxFaults bounds how many wrong lines of one file an error lists.
const maxFaults = 10

// ParseIgnoreFile reads the ignore file of a directory: gitignore patterns, one a line. name is what origins and errors call the
// file. The error joins what is wrong, line by line; the rules of all other lines are returned nevertheless, since git, too,
// passes over a pattern that can never match.
func ParseIgnoreFile(name string, data []byte) ([]*Rule, error) {
	return parseFile(name, data, "#")
}

// ParseExcludeFile reads a file of patterns that a command line names. It is one of two kinds:
//
//   - gitignore patterns, one a line, as in an ignore file. Lines that begin with ";" are comments, too.
//   - an rsync filter file, where at least one line begins with "- " or "+ " or is a lone "!". All lines are read by rsync's rules
//     then: the first match decides, "+ " includes, lines without a prefix exclude, "!" drops the rules before it, and a
//     pattern with a "/" inside matches at any depth. Other rsync directives, such as merge, are errors.
//
// name is what origins and errors call the file. The error joins what is wrong, line by line; the rules of all other lines are
// returned nevertheless.
func ParseExcludeFile(name string, data []byte) ([]*Rule, error) {
	for _, line := range lines(data) {
		if isFilterLine(line) {
			return parseFilterFile(name, data)
		}
	}
	return parseFile(name, data, "#;")
}

// parseFile reads gitignore patterns. Lines that begin with one of the bytes in comments are comments.
func parseFile(name string, data []byte, comments string) ([]*Rule, error) {
	var rules []*Rule
	var f faults
	for number, line := range lines(data) {
		pattern := trimSpaces(line)
		if pattern == "" || strings.IndexByte(comments, line[0]) >= 0 {
			continue
		}
		r, err := Parse(pattern, fmt.Sprintf("%s:%d", name, number))
		if err != nil {
			f.add(err)
			continue
		}
		rules = append(rules, r)
	}
	return rules, f.err(name)
}

// parseFilterFile reads the rules of an rsync filter file. They are returned back to front, so that the last match decides.
func parseFilterFile(name string, data []byte) ([]*Rule, error) {
	var rules []*Rule
	var f faults
	for number, line := range lines(data) {
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line == "!":
			rules = nil
			continue
		}
		read, err := parseFilter(line, fmt.Sprintf("%s:%d", name, number))
		if err != nil {
			f.add(err)
		}
		rules = append(rules, read...)
	}
	slices.Reverse(rules)
	return rules, f.err(name)
}

// lines yields the lines of a file with their numbers, from 1, without line ends. A byte order mark is passed over.
func lines(data []byte) iter.Seq2[int, string] {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	return func(yield func(int, string) bool) {
		number := 0
		for line := range bytes.Lines(data) {
			number++
			line = bytes.TrimSuffix(line, []byte("\n"))
			line = bytes.TrimSuffix(line, []byte("\r"))
			if !yield(number, string(line)) {
				return
			}
		}
	}
}

// trimSpaces cuts off the spaces at the end of a line, up to one that has a "\" in front of it.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = i + 1
	}
	return line[:min(end, len(line))]
}

// faults collects what is wrong with a file.
type faults struct {
	errs []error
	more int
}

func (f *faults) add(err error) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, err)
		return
	}
	f.more++
}

// err returns all faults as one error; nil where there are none.
func (f *faults) err(name string) error {
	if f.more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("%s: %d more lines are wrong", name, f.more))...)
	}
	return errors.Join(f.errs...)
}
