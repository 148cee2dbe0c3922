package ssh

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// dregs is how long what ssh has left behind, such as a shared connection, may keep its standard error open.
	dregs = 200 * time.Millisecond
	// parting is how long ssh may take from the end of its output to its own; only then it is known why.
	parting = 10 * time.Second
	// silence is how long nothing may come once the program is to end, and glance how often that is looked at.
	silence, glance = 1500 * time.Millisecond, 100 * time.Millisecond
)

// Conn is a running ssh: what is written goes to the service at the other side, and what is read comes from it. Read and Write may
// be called at the same time, and Close at any time.
type Conn struct {
	target Target
	cmd    *exec.Cmd
	in     *os.File // our end of ssh's standard input
	out    *os.File // our end of ssh's standard output
	words  tail     // ssh's standard error
	grace  time.Duration
	heard  atomic.Int64 // when something came last, in nanoseconds after begin
	begin  time.Time

	ended   chan struct{} // closed when ssh has ended
	status  error         // of ssh; to be read when ended is closed
	close   sync.Once
	closing chan struct{} // closed when Close was called
	cut     bool          // ssh had not ended before that; to be read when closing is closed
	watcher sync.WaitGroup
}

// start starts cmd and looks after it.
func start(t Target, cmd *exec.Cmd, o Options) (*Conn, error) {
	in, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ssh: %w", err), in.Close(), ours.Close())
	}
	c := &Conn{
		target: t, cmd: cmd, in: ours, out: out, grace: o.Grace, begin: time.Now(),
		ended: make(chan struct{}), closing: make(chan struct{}),
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = in, theirs, &c.words, dregs
	started := make(chan error)
	go c.run(started)
	err = <-started
	in.Close()
	theirs.Close()
	if err != nil {
		ours.Close()
		out.Close()
		<-c.ended
		return nil, fmt.Errorf("ssh: %w", err)
	}
	if o.Stopped != nil {
		c.watcher.Go(func() { c.watch(o.Stopped) })
	}
	return c, nil
}

// watch ends ssh when the program is to end and nothing comes from the other side.
func (c *Conn) watch(stopped <-chan struct{}) {
	select {
	case <-stopped:
	case <-c.ended:
		return
	}
	since, tick := time.Now(), time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.ended:
			return
		}
		quiet := min(time.Since(since), time.Since(c.begin)-time.Duration(c.heard.Load()))
		switch {
		case quiet >= 2*silence:
			kill(c.cmd.Process)
		case quiet >= silence:
			terminate(c.cmd.Process)
		}
	}
}

// run starts ssh and waits for it on one thread, which it keeps: on Linux ssh is told to end when the thread ends that has started
// it. Close waits for run.
func (c *Conn) run(started chan<- error) {
	defer close(c.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err == nil {
		c.status = c.cmd.Wait()
	}
}

// Read reads what the service writes. At the end of it the error is io.EOF where all is well, and Fault's where it is not.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if err == nil || n > 0 {
		c.heard.Store(int64(time.Since(c.begin)))
		return n, nil
	}
	return 0, c.reason(err)
}

// Write writes to the service. The error is Fault's where ssh has ended.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	if err != nil {
		err = c.reason(err)
	}
	return n, err
}

// reason returns why Read or Write failed with err: what is wrong with ssh explains more than err, once it has ended.
func (c *Conn) reason(err error) error {
	select {
	case <-c.closing:
	case <-c.ended:
	case <-time.After(parting):
	}
	if isClosed(c.closing) {
		return fs.ErrClosed
	}
	if fault := c.Fault(); fault != nil {
		return fault
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("ssh %v: %w", c.target, err)
}

// Fault returns why ssh has ended: ErrHostKey, ErrLogin, ErrUnreachable, ErrCommand, or what it said last. It is nil while ssh
// runs, where it ended well, and where Close ended it.
func (c *Conn) Fault() error {
	select {
	case <-c.ended:
	default:
		return nil
	}
	code := exitCode(c.status)
	if code == 0 || isClosed(c.closing) && c.cut {
		return nil
	}
	return fmt.Errorf("ssh %v: %w", c.target, diagnose(code, c.words.String()))
}

// Status returns the exit code of ssh, which is that of the program on the other side unless it is 255; -1 while it runs, and where a
// signal ended it.
func (c *Conn) Status() int {
	select {
	case <-c.ended:
		return exitCode(c.status)
	default:
		return -1
	}
}

// exitCode returns the exit code of ssh; -1 where a signal ended it.
func exitCode(status error) int {
	var exit *exec.ExitError
	if errors.As(status, &exit) {
		return exit.ExitCode()
	}
	return 0 // also where something that ssh left behind kept its standard error open
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Close ends ssh and returns when it has ended: by closing the pipe, then by asking it to end, at last by force. It may be called
// again. The error is always nil: how ssh ended is Fault's affair.
func (c *Conn) Close() error {
	c.close.Do(func() {
		c.cut = !isClosed(c.ended)
		close(c.closing)
		c.in.Close()
		c.out.Close()
	})
	defer c.watcher.Wait()
	for _, end := range []func(*os.Process){terminate, kill} {
		select {
		case <-c.ended:
			return nil
		case <-time.After(c.grace):
			end(c.cmd.Process)
		}
	}
	<-c.ended
	return nil
}
