package main

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// output is standard output, buffered; several goroutines may write. It remembers the first failure.
type output struct {
	mu  sync.Mutex
	buf *bufio.Writer
}

func newOutput(w io.Writer) *output { return &output{buf: bufio.NewWriterSize(w, 1<<16)} }

// Write writes p as a whole.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// Flush passes on what is buffered and returns the first failure there was.
func (o *output) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Flush()
}

// emit prints v as JSON on a line of its own.
func (a *app) emit(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// screen is standard error: lines that stay, and at most one line of status below them that is overwritten. Several goroutines
// may use it. That nobody reads it is no reason to fail.
type screen struct {
	w     io.Writer
	width func() int

	mu    sync.Mutex
	shown bool
}

// Write prints p, which ends in a newline.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	return s.w.Write(p)
}

// line prints text and a newline.
func (s *screen) line(text string) { _, _ = io.WriteString(s, text+"\n") }

// object prints v as JSON on a line of its own.
func (s *screen) object(v any) {
	enc := json.NewEncoder(s)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// status shows text in the place of the last status, cut to the width of the terminal.
func (s *screen) status(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for room := s.width() - 1; utf8.RuneCountInString(text) > room; {
		runes := []rune(text)
		text = string(runes[:max(room, 0)])
	}
	_, _ = io.WriteString(s.w, "\r"+text+"\x1b[K")
	s.shown = true
}

// clear takes the status away.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

func (s *screen) erase() {
	if s.shown {
		_, _ = io.WriteString(s.w, "\r\x1b[K")
		s.shown = false
	}
}

// limited prints warnings of one kind: the first ones as they come, the others as a number.
type limited struct {
	app   *app
	limit int // -1 for none
	count int
}

// maxWarnings is how many lines of one kind are printed without --verbose.
const maxWarnings = 20

func (a *app) newLimited() *limited {
	if a.verbose > 0 {
		return &limited{app: a, limit: -1}
	}
	return &limited{app: a, limit: maxWarnings}
}

// warn prints a warning if there is room.
func (l *limited) warn(parts ...string) {
	l.count++
	if l.limit < 0 || l.count <= l.limit {
		l.app.warn("%s", strings.Join(parts, ": "))
	}
}

// close tells how many were not printed.
func (l *limited) close(what string) {
	if more := l.count - l.limit; l.limit >= 0 && more > 0 {
		l.app.warn("%d more %s; -v lists them", more, what)
	}
}
