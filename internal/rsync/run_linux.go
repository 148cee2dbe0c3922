package rsync

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	// grace is how long rsync may take to save what it has once it is told to end.
	grace = 10 * time.Second
	// mask is the umask of rsync: for what a client sends without --perms.
	mask = 0o022
)

// run runs rsync to its end and returns its exit status. What confines it is bound to a thread, which is not used for anything else
// afterwards. It is never the first thread of varve: what has its restrictions could send signals to all of varve.
func (p *process) run(ctx context.Context) (status int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if syscall.Gettid() != syscall.Getpid() {
			status, err = p.confined(ctx) // locked for good: the thread ends with the goroutine
			return
		}
		status, err = p.run(ctx) // on another thread, since this one is taken
		runtime.UnlockOSThread()
	}()
	<-done
	return status, err
}

// confined confines the calling thread and runs rsync.
func (p *process) confined(ctx context.Context) (int, error) {
	if err := p.confine(); err != nil {
		return statusStart, err
	}
	return p.wait(ctx)
}

// confine confines the calling thread.
func (p *process) confine() error {
	if syscall.Unshare(syscall.CLONE_FS) == nil { // else varve's own umask has to do
		syscall.Umask(mask)
	}
	if w := p.cage.leaveNetwork(p.rules); w != "" {
		p.warn(w)
	}
	if err := p.cage.giveUp(); errors.Is(err, errRights) && p.uncaged {
		p.warn("rsync has all rights of root: " + err.Error())
	} else if err != nil {
		return err
	}
	if p.rules == nil {
		return nil
	}
	return p.rules.enforce() // after this nothing else can be opened, a log neither
}

// wait runs rsync from the calling thread. It ends when that thread does, and so with varve.
func (p *process) wait(ctx context.Context) (int, error) {
	cmd := exec.CommandContext(ctx, p.program, p.args...)
	cmd.Env, cmd.Dir = environment(), p.cage.stage
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.stdin, p.stdout, p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		return statusStart, fmt.Errorf("start rsync: %w", err)
	}
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what may be left of its processes; mostly nothing
	if ctx.Err() != nil {
		return statusSignal, ctx.Err()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return statusGood, nil
	case !errors.As(err, &exit):
		return statusStart, fmt.Errorf("run rsync: %w", err)
	case exit.ExitCode() < 0:
		return statusSignal, signalError(exit.Sys().(syscall.WaitStatus).Signal().String())
	}
	return exit.ExitCode(), nil
}
