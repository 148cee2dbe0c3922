//go:build unix

package notice

import (
	"fmt"
	"os"
	"syscall"
)

// UnderJournal reports whether f, which is standard error, goes to systemd's journal, as JOURNAL_STREAM says; getenv is os.Getenv.
func UnderJournal(f *os.File, getenv func(string) string) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
