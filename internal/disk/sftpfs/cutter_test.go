package sftpfs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"

	"varve/internal/sshtest"
)

// scissors cut a connection at one packet, counted over all connections from the moment at which they are set.
type scissors struct {
	mu      sync.Mutex
	answers bool // answers are counted, which the client does not get although the server did what they say; else requests, which the server does not get
	left    int  // packets until the cut; 0 for none
	every   int
	cuts    int
}

// set makes the n-th packet from now on be lost, and the connection with it.
func (s *scissors) set(answers bool, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers, s.left, s.every = answers, n, 0
}

// unset makes no cut happen and reports whether one did since set.
func (s *scissors) unset() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := s.left == 0
	s.left = 0
	return done
}

// snip counts one packet and reports whether the connection is cut there.
func (s *scissors) snip(answer bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 || answer != s.answers {
		return false
	}
	s.left--
	if s.left > 0 {
		return false
	}
	s.cuts++
	s.left = s.every
	return true
}

// repeat makes every n-th packet be lost from now on.
func (s *scissors) repeat(answers bool, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers, s.left, s.every = answers, n, n
}

func (s *scissors) counted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cuts
}

// line is a connection that scissors cut and a spy changes.
type line struct {
	conn io.ReadWriteCloser
	s    *scissors
	spy  *spy
	out  []byte // part of a request
	in   []byte // part of an answer that was let through
}

// spy sees what goes over the lines.
type spy struct {
	mu sync.Mutex
	// request and answer return what is passed on in the place of a packet; nil where they do nothing.
	request  func(p []byte) []byte
	answer   func(request, p []byte) []byte
	asked    map[uint32][]byte
	requests map[string]int // by type, extended ones by the name of the extension
}

func newSpy() *spy { return &spy{asked: map[uint32][]byte{}, requests: map[string]int{}} }

// Types of requests.
const (
	typeOpen, typeRead, typeLstat, typeFstat   = 3, 5, 7, 8
	typeSetstat, typeReaddir, typeRename       = 9, 12, 18
	typeStatus, typeName, typeAttrs, typeExtra = 101, 104, 105, 200
)

func (s *spy) asks(p []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := strconv.Itoa(int(p[4]))
	if p[4] == typeExtra {
		kind = string(p[13 : 13+binary.BigEndian.Uint32(p[9:])])
	}
	s.requests[kind]++
	s.asked[binary.BigEndian.Uint32(p[5:])] = bytes.Clone(p)
	if s.request != nil {
		return s.request(p)
	}
	return p
}

func (s *spy) answers(p []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer == nil || p[4] < typeStatus {
		return p
	}
	return s.answer(s.asked[binary.BigEndian.Uint32(p[5:])], p)
}

// count returns how many requests of a type there were, and forgets them all.
func (s *spy) count(kinds ...any) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range kinds {
		n += s.requests[fmt.Sprint(kind)]
	}
	return n
}

func (s *spy) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.requests)
}

// frame returns a packet of this type in answer to another one.
func frame(typ byte, to []byte, fields ...[]byte) []byte {
	p := append([]byte{0, 0, 0, 0, typ}, to[5:9]...)
	for _, f := range fields {
		p = append(p, f...)
	}
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func word(s string) []byte { return append(number(uint32(len(s))), s...) }

var errCut = errors.New("cut")

// packet returns the length of the packet that b begins with; 0 where it is not whole.
func packet(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	n := 4 + int(binary.BigEndian.Uint32(b))
	if n > len(b) {
		return 0
	}
	return n
}

func (l *line) Write(p []byte) (int, error) {
	l.out = append(l.out, p...)
	for n := packet(l.out); n > 0; n = packet(l.out) {
		if l.s.snip(false) {
			l.Close()
			return 0, errCut
		}
		if _, err := l.conn.Write(l.spy.asks(l.out[:n:n])); err != nil {
			return 0, err
		}
		l.out = l.out[n:]
	}
	return len(p), nil
}

func (l *line) Read(p []byte) (int, error) {
	if len(l.in) == 0 {
		l.in = make([]byte, 4)
		if _, err := io.ReadFull(l.conn, l.in); err != nil {
			return 0, err
		}
		l.in = append(l.in, make([]byte, binary.BigEndian.Uint32(l.in))...)
		if _, err := io.ReadFull(l.conn, l.in[4:]); err != nil {
			return 0, err
		}
		if l.s.snip(true) {
			l.Close()
			return 0, errCut
		}
		l.in = l.spy.answers(l.in)
	}
	n := copy(p, l.in)
	l.in = l.in[n:]
	return n, nil
}

func (l *line) Close() error { return l.conn.Close() }

// dialCut is dial through scissors.
func dialCut(t *testing.T, s *scissors, o sshtest.SFTPOptions) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) {
		return &line{conn: sshtest.SFTPServer(t, o), s: s, spy: newSpy()}, nil
	}
}

// dialSpied is dial past a spy.
func dialSpied(t *testing.T, s *spy, o sshtest.SFTPOptions) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) {
		return &line{conn: sshtest.SFTPServer(t, o), s: &scissors{}, spy: s}, nil
	}
}
