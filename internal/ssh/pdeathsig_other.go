//go:build unix && !linux

package ssh

import "syscall"

// dying does nothing: when we end, ssh's standard input does, and so does ssh.
func dying(a *syscall.SysProcAttr) *syscall.SysProcAttr { return a }
