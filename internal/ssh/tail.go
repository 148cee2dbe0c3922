package ssh

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// tailSize is how many bytes of ssh's standard error are kept.
const tailSize = 8 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

// Write takes all of p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	p = p[max(0, n-tailSize):]
	if over := len(t.data) + len(p) - tailSize; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	t.data = append(t.data, p...)
	return n, nil
}

// String returns what was kept. Lines stay lines; everything else that a terminal could obey is written out.
func (t *tail) String() string {
	t.mu.Lock()
	rest := string(t.data)
	t.mu.Unlock()
	var b strings.Builder
	for rest != "" {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case strconv.IsPrint(r), r == '\n', r == '\r':
			b.WriteRune(r)
		case r == '\t':
			b.WriteByte(' ')
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		rest = rest[n:]
	}
	return b.String()
}
