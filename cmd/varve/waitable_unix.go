//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// waitable returns f as a file whose Close ends reads and writes that wait; f is not used any more.
func waitable(f *os.File) (*os.File, error) {
	fd, err := syscall.Dup(int(f.Fd()))
	if err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
