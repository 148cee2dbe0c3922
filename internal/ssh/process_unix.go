//go:build unix

package ssh

import (
	"os"
	"os/exec"
	"syscall"
)

// apart returns the command that runs program in a session of its own, without a terminal and without anybody to ask.
func apart(program string, args []string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = dying(&syscall.SysProcAttr{Setsid: true})
	cmd.Env = append(os.Environ(), noQuestions)
	return cmd
}

// sharing returns the command that runs program in our process group with the keyboard's signals ignored.
func sharing(program string, args []string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", `trap "" INT QUIT; exec "$@"`, "sh", program}, args...)...)
	cmd.SysProcAttr = dying(&syscall.SysProcAttr{})
	return cmd
}

// terminate asks p to end, and its group where it leads one.
func terminate(p *os.Process) { signal(p, syscall.SIGTERM) }

// kill ends p, and its group where it leads one.
func kill(p *os.Process) { signal(p, syscall.SIGKILL) }

// signal finds the group by the number of its leader. That the leader has not been waited for is what keeps the number from
// being used again: signal is called only before Conn.run has seen the end, or a moment after it, when nobody can have got it.
func signal(p *os.Process, s syscall.Signal) {
	if group, err := syscall.Getpgid(p.Pid); err == nil && group == p.Pid {
		_ = syscall.Kill(-group, s) // gone meanwhile: all is well
	}
	_ = p.Signal(s)
}
