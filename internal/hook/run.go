package hook

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Run runs a command to its end and returns what it wrote to standard output and standard error: the first and the last 32 KiB, as they
// came; Harmless makes them fit to be shown. The error names the command, matches ErrTimeout or the cause of ctx where that ended it, and
// else tells the exit status; it ends with the last lines of the output.
func Run(ctx context.Context, c Command) (output string, err error) {
	run, end := c.within(ctx)
	defer end()
	cmd, err := c.prepare(run)
	if err != nil {
		return "", c.unstarted(run, err)
	}
	var out ends
	cmd.Stdout, cmd.Stderr = &out, &out
	if len(c.Stdin) > 0 {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	if err := cmd.Start(); err != nil {
		return "", c.unstarted(run, err)
	}
	status := cmd.Wait()
	if run.Err() != nil {
		kill(cmd)
	}
	return out.String(), c.outcome(run, status, out.String())
}

// unstarted returns err, which kept the command from being started within ctx, with its name.
func (c Command) unstarted(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return c.fault(context.Cause(ctx), "")
	case c.IsZero():
		return fmt.Errorf("run command: %w", err)
	}
	return c.fault(err, "")
}

// Stream is the standard output of a command that is running. One goroutine may read it, and close it.
type Stream struct {
	command Command
	cmd     *exec.Cmd
	ctx     context.Context // ends the command
	cancel  context.CancelFunc
	undo    func() bool
	out     *os.File
	words   ends // standard error

	ended  chan struct{} // closed when the command was waited for
	status error         // of the command; to be read when ended is closed
	close  sync.Once
}

// Output starts a command whose standard output is read from the Stream. The command ends with ctx at the latest. The caller closes the
// stream.
func Output(ctx context.Context, c Command) (*Stream, error) {
	s := &Stream{command: c, ended: make(chan struct{})}
	s.ctx, s.cancel = c.within(ctx)
	if err := s.start(); err != nil {
		defer s.cancel()
		return nil, c.unstarted(s.ctx, err)
	}
	s.undo = context.AfterFunc(s.ctx, func() { s.out.SetReadDeadline(time.Unix(1, 0)) }) // a pipe takes deadlines, or is closed
	go s.wait()
	return s, nil
}

func (s *Stream) start() (err error) {
	if s.cmd, err = s.command.prepare(s.ctx); err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	s.out, s.cmd.Stdout, s.cmd.Stderr = out, in, &s.words
	if len(s.command.Stdin) > 0 {
		s.cmd.Stdin = bytes.NewReader(s.command.Stdin)
	}
	err = s.cmd.Start()
	in.Close() // the command has its own
	if err != nil {
		out.Close()
	}
	return err
}

// wait waits for the command. Close waits for it.
func (s *Stream) wait() {
	defer close(s.ended)
	s.status = s.cmd.Wait()
	if s.ctx.Err() != nil {
		kill(s.cmd)
	}
}

// Read returns what the command prints. The error is io.EOF only where the output has ended and the command has succeeded; where it failed
// the error is that of Run, with the last lines of standard error.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.out.Read(p)
	if n > 0 || err == nil {
		return n, nil
	}
	if err != io.EOF {
		why := cmp.Or(context.Cause(s.ctx), err)
		s.cancel() // nothing more can come of it
		<-s.ended
		return 0, s.command.fault(why, s.words.String())
	}
	<-s.ended
	return 0, cmp.Or(s.command.outcome(s.ctx, s.status, s.words.String()), io.EOF)
}

// Close ends the command, unless it has ended, and returns when it has. The error is always nil.
func (s *Stream) Close() error {
	s.close.Do(func() {
		s.cancel()
		<-s.ended
		s.undo()
		s.out.Close()
	})
	return nil
}
