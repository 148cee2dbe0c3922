package sshtest

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long a process may take to get ready, and to end, and how soon it is asked again to end.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
	stopPause    = 50 * time.Millisecond
)

// child is a running sshd.
type child struct {
	process *os.Process
	log     *record
	exited  chan struct{}
	err     error // how it exited
	closed  chan struct{}
	pipe    *os.File
}

// spawn starts a program whose standard error goes to log, in a mount namespace of its own where it is private.
func spawn(argv []string, private bool, log *record) (*child, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = w
	cmd.SysProcAttr = attributes(private)
	c := &child{log: log, exited: make(chan struct{}), closed: make(chan struct{}), pipe: r}
	started := make(chan error)
	go func() {
		// The kernel kills the child when the thread that started it ends, so that it does not outlive the test in any case.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.exited)
		err := cmd.Start()
		w.Close()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-c.exited
		r.Close()
		return nil, err
	}
	c.process = cmd.Process
	go func() {
		defer close(c.closed)
		log.fill(r)
	}()
	return c, nil
}

// listens waits until it does; false where it ended or took too long.
func (c *child) listens() bool {
	select {
	case <-c.log.ready:
		return true
	case <-c.closed:
	case <-time.After(startTimeout):
	}
	return false
}

// stop ends the program and all that it has started, and waits for them.
func (c *child) stop() error {
	// A process that is stopped starts no others and reaps none, so that their ids stay true.
	_ = pause(c.process) // fails only where it is gone
	started := descendants(c.process.Pid)
	all := append(started, c.process)
	defer func() {
		for _, p := range started {
			_ = p.Release() // cannot fail
		}
	}()
	end := func(sig os.Signal) {
		for _, p := range all {
			_ = p.Signal(sig) // fails only where it is gone
		}
	}
	end(syscall.SIGTERM)
	_ = resume(c.process)
	again := time.NewTicker(stopPause)
	defer again.Stop()
	late := time.After(stopTimeout)
	for {
		select {
		case <-c.closed: // all of them held the pipe
			<-c.exited
			return c.pipe.Close()
		case <-again.C:
			end(syscall.SIGTERM) // a session that gets one right before it begins to wait overlooks it
		case <-late:
			end(os.Kill)
			<-c.exited
			err := errors.Join(errors.New("a session did not end by itself"), c.pipe.Close())
			<-c.closed
			return err
		}
	}
}

// recordLimit is how much a record keeps, in bytes.
const recordLimit = 4 << 20

// record keeps what a program says.
type record struct {
	mark  string
	ready chan struct{} // closed when a line with the mark has come

	mu   sync.Mutex
	text strings.Builder
}

func newRecord(mark string) *record { return &record{mark: mark, ready: make(chan struct{})} }

// fill reads lines until the end, and forgets what is too much.
func (r *record) fill(from io.Reader) {
	lines := bufio.NewReader(from)
	marked := false
	for {
		line, err := lines.ReadString('\n')
		r.mu.Lock()
		if r.text.Len() < recordLimit {
			r.text.WriteString(strings.ReplaceAll(line, "\r", ""))
		}
		r.mu.Unlock()
		if !marked && strings.Contains(line, r.mark) {
			marked = true
			close(r.ready)
		}
		if err != nil {
			return
		}
	}
}

// String returns what was said so far.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) has(text string) bool { return strings.Contains(r.String(), text) }
