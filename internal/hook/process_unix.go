//go:build unix

package hook

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner finds out who the command is run as.
func (c Command) owner() (owner, error) {
	who := owner{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if c.User == "" {
		return who, nil
	}
	u, err := user.Lookup(c.User)
	if err != nil {
		return owner{}, fmt.Errorf("run as %s: %w", Line(c.User), err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return owner{}, fmt.Errorf("run as %s: find its groups: %w", Line(c.User), err)
	}
	to, err := numbers(append([]string{u.Uid, u.Gid}, groups...))
	if err != nil {
		return owner{}, fmt.Errorf("run as %s: %w", Line(c.User), err)
	}
	if to[0] == who.uid {
		return who, nil
	}
	if who.uid != 0 {
		return owner{}, fmt.Errorf("run as %s: only root can", Line(c.User))
	}
	return owner{name: u.Username, home: u.HomeDir, shell: "/bin/sh", uid: to[0], gid: to[1], groups: to[2:], other: true}, nil
}

func numbers(texts []string) ([]uint32, error) {
	list := make([]uint32, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, err
		}
		list[i] = uint32(n)
	}
	return list, nil
}

// apart lets cmd run as who, in a process group of its own which ends as a whole.
func apart(cmd *exec.Cmd, who owner) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if who.other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid, Groups: who.groups}
	}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	return nil
}

// kill ends what is left of the group of cmd, which has ended just now. The number stays taken while anybody is in the group, and nobody
// can have got it anew in so short a time.
func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // an error says that nobody is left
