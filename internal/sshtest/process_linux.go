package sshtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes says how sshd is started.
func attributes(private bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if private {
		a.Unshareflags = syscall.CLONE_NEWNS
	}
	return a
}

// asUser says that a program is to run as this user.
func asUser(uid int) *syscall.SysProcAttr {
	if uid < 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
}

// descendants returns the processes that this one has started, and those that they have, where the kernel tells.
func descendants(pid int) []*os.Process {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var found []*os.Process
	for word := range strings.FieldsSeq(string(text)) {
		id, err := strconv.Atoi(word)
		if err != nil {
			continue
		}
		if p, err := os.FindProcess(id); err == nil {
			found = append(append(found, p), descendants(id)...)
		}
	}
	return found
}

func pause(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
