package hook

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Harmless returns text with everything written out that a terminal could obey, and whatever is not UTF-8. Newlines stay, tabs become
// spaces, and a carriage return before a newline goes.
func Harmless(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var b strings.Builder
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\n', strconv.IsPrint(r):
			b.WriteRune(r)
		case r == '\t':
			b.WriteByte(' ')
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[n:]
	}
	return b.String()
}

// Line returns text as Harmless does, newlines written out as well.
func Line(text string) string { return strings.ReplaceAll(Harmless(text), "\n", `\n`) }

// lineSize is how long the value of a variable may be, in bytes.
const lineSize = 4 << 10

// oneLine makes the VALUE of NAME=VALUE harmless.
func oneLine(v string) string {
	v = Line(v)
	if len(v) > lineSize {
		v = strings.ToValidUTF8(v[:lineSize], "") + "..."
	}
	return v
}

// LastLines returns the last n lines of text that are not empty, made harmless, joined by " / ".
func LastLines(text string, n int) string {
	var last []string
	lines := strings.Split(Harmless(text), "\n")
	for i := len(lines) - 1; i >= 0 && len(last) < n; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			last = append([]string{line}, last...)
		}
	}
	return strings.Join(last, " / ")
}

// halfSize is how many bytes of the beginning and of the end of an output are kept each.
const halfSize = 32 << 10

// ends keeps the beginning and the end of what is written to it.
type ends struct {
	mu    sync.Mutex
	first []byte
	last  []byte
	cut   int64 // bytes between the two
}

// Write takes all of p.
func (e *ends) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(p)
	room := min(halfSize-len(e.first), n)
	e.first = append(e.first, p[:room]...)
	e.last = append(e.last, p[room:]...)
	if over := len(e.last) - halfSize; over > 0 {
		e.cut += int64(over)
		e.last = append(e.last[:0], e.last[over:]...)
	}
	return n, nil
}

// String returns what was kept, as it came, and says how much is missing.
func (e *ends) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cut == 0 {
		return string(e.first) + string(e.last)
	}
	return fmt.Sprintf("%s\n... %d bytes left out ...\n%s", e.first, e.cut, e.last)
}
