//go:build !linux

package sshtest

import (
	"os"
	"syscall"
)

// attributes says how sshd is started. Without mount namespaces there is nothing to say, and no user is made up.
func attributes(bool) *syscall.SysProcAttr { return nil }

// asUser says nothing: only Linux has other users here.
func asUser(int) *syscall.SysProcAttr { return nil }

func descendants(int) []*os.Process { return nil }

func pause(*os.Process) error  { return nil }
func resume(*os.Process) error { return nil }
