package ssh

import "syscall"

// dying lets the process end when the thread ends that starts it.
func dying(a *syscall.SysProcAttr) *syscall.SysProcAttr {
	a.Pdeathsig = syscall.SIGTERM
	return a
}
