//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package index

import (
	"os"
	"syscall"
)

// locks says whether lockFile does anything.
const locks = true

// lockFile makes others see that somebody is writing f; false says that this is not possible.
func lockFile(f *os.File) bool { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) == nil }

// removeAbandoned removes a file that nobody is writing any more.
func removeAbandoned(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }() // nothing was written to it
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.Remove(path) // somebody will try again
	}
}
