package mux

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// alone returns a client whose other side is the test itself, after the greetings.
func alone(t testing.TB) (*Session, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := readHello(bufio.NewReaderSize(far, 16)) // not more than the greeting
		if err == nil {
			_, err = far.Write(hello{1, 1, "test"}.append(nil))
		}
		done <- err
	}()
	s, err := Client(t.Context(), near, Options{})
	must(t, err)
	must(t, <-done)
	return s, far
}

// frame returns a frame with a payload of n bytes.
func frame(kind byte, stream uint32, n int) []byte {
	return append(appendHeader(nil, kind, n, stream), make([]byte, n)...)
}

func TestABreachEndsTheSessionAndIsNamed(t *testing.T) {
	open := frame(frameOpen, 2, 0)
	flood := []byte{}
	for i := range uint32(MaxStreams + 1) {
		flood = append(flood, frame(frameOpen, 2+2*i, 0)...)
	}
	credit := bytes.Repeat(append(appendHeader(nil, frameCredit, 4, 2), 0xff, 0xff, 0xff, 0x7f), 2)
	for name, c := range map[string]struct {
		frames []byte
		says   string
	}{
		"no type":              {frame(0, 2, 0), "unknown type 0"},
		"unknown type":         {frame(99, 2, 0), "unknown type 99"},
		"too long":             {frame(frameData, 2, MaxFrame+1), "65537 bytes"},
		"no data":              {append(open, frame(frameData, 2, 0)...), "0 bytes"},
		"bye with a payload":   {frame(frameBye, 0, 1), "1 bytes"},
		"credit too short":     {append(open, frame(frameCredit, 2, 3)...), "3 bytes"},
		"no credit":            {append(open, frame(frameCredit, 2, 4)...), "credit of 0"},
		"too much credit":      {append(open, credit...), "credit of 2147483647"},
		"open on stream 0":     {frame(frameOpen, 0, 0), "on stream 0"},
		"beat on a stream":     {frame(frameBeat, 2, 0), "on stream 2"},
		"never opened":         {frame(frameData, 2, 1), "never opened"},
		"never opened here":    {frame(frameData, 1, 1), "never opened"},
		"opened for us":        {frame(frameOpen, 1, 0), "opens stream 1"},
		"opened twice":         {append(open, open...), "opens stream 2 after stream 2"},
		"opened backwards":     {append(frame(frameOpen, 6, 0), frame(frameOpen, 4, 0)...), "opens stream 4"},
		"data after the end":   {append(append(open, frame(frameEnd, 2, 0)...), frame(frameData, 2, 1)...), "after its end"},
		"two ends":             {append(append(open, frame(frameEnd, 2, 0)...), frame(frameEnd, 2, 0)...), "second end"},
		"too many streams":     {flood, "more than 256"},
		"more than the window": {append(append(open, frame(frameData, 2, MaxFrame)...), frame(frameData, 2, 1)...), "may send 0"},
	} {
		t.Run(name, func(t *testing.T) {
			s, conn := alone(t)
			defer conn.Close()
			go conn.Write(c.frames)
			<-s.Context().Done()
			if err := context.Cause(s.Context()); !errors.Is(err, ErrBreach) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("ends with: %v", err)
			}
			must(t, s.Close())
		})
	}
}

func TestWhoProvokesAnswersAndReadsNoneIsCutOff(t *testing.T) {
	s, conn := alone(t)
	defer s.Close()
	defer conn.Close()
	for id := uint32(2); ; id += 2 {
		if _, err := conn.Write(frame(frameOpen, id, 0)); err != nil {
			break
		}
		st, err := s.Accept(t.Context())
		if err != nil {
			break
		}
		must(t, st.Close())
	}
	<-s.Context().Done()
	if err := context.Cause(s.Context()); !errors.Is(err, ErrBreach) || !strings.Contains(err.Error(), "provokes") {
		t.Errorf("ends with: %v", err)
	}
}

func TestFramesOfAStreamThatWasGivenUpAreIgnored(t *testing.T) {
	client, server := pair(t)
	near, far := couple(t, client, server)
	must(t, far.Close())
	for _, kind := range []byte{frameEnd, frameReset} {
		client.mu.Lock()
		client.queue(kind, near.id)
		client.data = append(client.data, frame(frameData, near.id, 100)...)
		client.mu.Unlock()
	}
	couple(t, client, server)
}

func TestStrayTextBeforeTheGreetingIsShown(t *testing.T) {
	for text, want := range map[string]string{
		"Welcome to \x1b[31mbox\r\nvarve wire\n": `it says "Welcome to \x1b[31mbox"`,
		"varve: command not found\n":             `it says "varve: command not found"`,
		"varve wi":                               `it says "varve wi"`,
		"":                                       "without a word",
		"\n":                                     `it says ""`,
		strings.Repeat("long ", 1000):            `long long`,
	} {
		near, far := net.Pipe()
		go func() {
			io.WriteString(far, text)
			far.Close()
		}()
		_, err := Client(t.Context(), near, Options{Program: "p"})
		if !errors.Is(err, ErrNotVarve) || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%.50q: %v", text, err)
		}
	}
}

func TestProgramsOfDifferentAgeAgreeOrSayWhichOneIsBehind(t *testing.T) {
	for _, c := range []struct {
		a, b    [2]uint16
		version uint16
		behind  string // as the first one says
	}{
		{[2]uint16{1, 1}, [2]uint16{1, 1}, 1, ""},
		{[2]uint16{1, 3}, [2]uint16{2, 5}, 3, ""},
		{[2]uint16{4, 4}, [2]uint16{2, 5}, 4, ""},
		{[2]uint16{1, 2}, [2]uint16{3, 4}, 0, "upgrade varve on this side"},
		{[2]uint16{5, 6}, [2]uint16{3, 4}, 0, "upgrade varve on the other side"},
	} {
		near, far := net.Pipe()
		done := make(chan *Session)
		go func() {
			s, _ := Server(context.Background(), far, Options{Oldest: c.b[0], Newest: c.b[1], Program: "other \x1b"})
			done <- s
		}()
		s, err := Client(t.Context(), near, Options{Oldest: c.a[0], Newest: c.a[1]})
		other := <-done
		if c.version == 0 {
			if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), c.behind) || strings.Contains(err.Error(), "\x1b") || other != nil {
				t.Errorf("%v and %v: %v", c.a, c.b, err)
			}
			continue
		}
		must(t, err)
		if s.Version() != c.version || other.Version() != c.version || s.Peer() != `other \x1b` {
			t.Errorf("%v and %v: %d and %d with %s", c.a, c.b, s.Version(), other.Version(), s.Peer())
		}
		s.Close()
		other.Close()
	}
}

func TestAGreetingThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	if _, err := Client(t.Context(), near, Options{Beat: time.Millisecond}); !errors.Is(err, ErrLost) {
		t.Errorf("no greeting: %v", err)
	}
	near, far2 := net.Pipe()
	defer far2.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Client(ctx, near, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// FuzzSession holds that whatever arrives, the session ends with an error and hands on no more than its windows allow.
func FuzzSession(f *testing.F) {
	f.Add([]byte{})
	f.Add(frame(frameOpen, 2, 0))
	f.Add(append(frame(frameOpen, 2, 0), frame(frameData, 2, 5)...))
	f.Add(append(append(frame(frameOpen, 2, 0), frame(frameEnd, 2, 0)...), frame(frameBye, 0, 0)...))
	f.Add(append(frame(frameOpen, 2, 0), frame(frameReset, 2, 0)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.NewReader(append(hello{1, 1, ""}.append(nil), data...))
		s, err := Client(t.Context(), &script{Reader: in}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		<-s.Context().Done()
		total := 0
		for {
			st, err := s.Accept(t.Context())
			if err != nil {
				break
			}
			total += st.buf.n
		}
		for _, st := range s.waiting {
			total += st.buf.n
		}
		if total > len(data) || len(s.waiting) > MaxStreams {
			t.Fatalf("%d bytes in %d streams", total, len(s.waiting))
		}
		if err := context.Cause(s.Context()); err == nil {
			t.Fatal("ended without a reason")
		}
		s.Close()
	})
}

// FuzzHello holds that whatever comes first is a greeting or refused.
func FuzzHello(f *testing.F) {
	f.Add(hello{1, 2, "varve 1"}.append(nil))
	f.Add([]byte("Welcome\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readHello(bufio.NewReader(bytes.NewReader(data)))
		if err == nil && !bytes.HasPrefix(data, h.append(nil)) {
			t.Fatalf("%q is read as %+v", data, h)
		}
	})
}

// script is a connection that says what was written down, and takes everything.
type script struct{ io.Reader }

func (*script) Write(p []byte) (int, error) { return len(p), nil }
func (*script) Close() error                { return nil }
