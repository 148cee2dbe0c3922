package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func closeOnExec(fd int) { syscall.CloseOnExec(fd) }

// peakMemory is in bytes; Linux counts in KiB.
func peakMemory(s *os.ProcessState) int64 {
	if r, ok := s.SysUsage().(*syscall.Rusage); ok {
		return r.Maxrss * 1024
	}
	return 0
}

// killWithChildren makes cmd end with everything it started when its context is done.
func killWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
}

// space is what a file system holds, in bytes.
type space struct{ used, free int64 }

func spaceOf(dir string) (space, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return space{}, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return space{used: int64(st.Blocks-st.Bfree) * st.Bsize, free: int64(st.Bavail) * st.Bsize}, nil
}

// blocks returns how many bytes of disk a file takes.
func blocks(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

func sameDevice(a, b os.FileInfo) bool {
	sa, okA := a.Sys().(*syscall.Stat_t)
	sb, okB := b.Sys().(*syscall.Stat_t)
	return okA && okB && sa.Dev == sb.Dev
}
