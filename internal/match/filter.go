package match

import (
	"errors"
	"fmt"
	"strings"
)

// What a line of an rsync filter file can have wrong with it.
var (
	errDirective = errors.New(`not supported in a filter file; supported are "- PATTERN", "+ PATTERN", a PATTERN alone, a lone "!", ` +
		`and comments after "#" or ";"`)
	errClear = errors.New(`"!" drops all rules before it and stands alone; write "- !NAME" for a name that begins with it`)
)

// isFilterLine reports whether a line shows that its file is an rsync filter file.
func isFilterLine(line string) bool {
	return line == "!" || strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "+ ")
}

// parseFilter reads one line of an rsync filter file. The pattern "dir/***" becomes two rules.
func parseFilter(line, origin string) ([]*Rule, error) {
	if err := checkDirective(line); err != nil {
		return nil, fmt.Errorf("%s: rule %q: %w", origin, line, err)
	}
	pattern, include := strings.CutPrefix(line, "+ ")
	if !include {
		pattern = strings.TrimPrefix(line, "- ")
	}
	var rules []*Rule
	d := rsyncPlain
	if strings.ContainsAny(pattern, "*?[") {
		d = rsyncWild
	}
	for _, pattern := range withContents(pattern) {
		r := &Rule{text: line, origin: origin, include: include}
		if err := r.compileFilter(pattern, d); err != nil {
			return nil, fmt.Errorf("%s: rule %q: %w", origin, line, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// withContents writes the pattern "dir/***" out as the directory and what it holds; others stay as they are.
func withContents(pattern string) []string {
	stem := strings.TrimRight(pattern, "*")
	if len(stem) < 2 || !strings.HasSuffix(stem, "/") || len(pattern)-len(stem) < 3 {
		return []string{pattern}
	}
	return []string{stem, stem + "**"}
}

// compileFilter compiles an rsync pattern. With a "/" or a "**" inside it is compared with the end of a path rather than with the
// name, and with a "/" in front with all of the path.
func (r *Rule) compileFilter(pattern string, d dialect) error {
	pattern, r.dirOnly = strings.CutSuffix(pattern, "/")
	pattern, anchored := strings.CutPrefix(pattern, "/")
	r.path = anchored || strings.Contains(pattern, "/") || strings.Contains(pattern, "**")
	if after, ok := strings.CutPrefix(strings.TrimLeft(pattern, "*"), "/"); ok && !anchored && strings.HasPrefix(pattern, "**") {
		pattern = after // a floating pattern begins at every element anyway
	}
	return r.compile(pattern, d, r.path && !anchored)
}

// checkDirective returns an error where a line of a filter file is a directive of rsync's that would not do here what it says.
func checkDirective(line string) error {
	if isFilterLine(line) {
		return nil
	}
	if line[0] == '!' {
		return errClear
	}
	word, _, more := strings.Cut(line, " ")
	keyword, modifiers, _ := strings.Cut(word, ",")
	if !more {
		if word == ":C" || word == "-C" {
			return errDirective
		}
		return nil
	}
	switch keyword {
	case "include", "exclude", "merge", "dir-merge", "hide", "show", "protect", "risk", "clear":
		return errDirective
	case "":
		return nil
	}
	if strings.IndexByte("-+.:HSPR", keyword[0]) >= 0 && strings.Trim(keyword[1:]+modifiers, "-+Cenwsrpx/!") == "" {
		return errDirective
	}
	return nil
}
