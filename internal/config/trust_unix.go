//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"varve/internal/ssh"
)

// trusted returns why a file is no configuration for a user: somebody else could have written the commands in it, which are run as that
// user. The error ends with what mends that. Pipes belong to whoever has opened them.
func trusted(path string, info fs.FileInfo, uid int) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return nil
	}
	var causes, cures []string
	mend := func(cause string, words ...string) {
		line, err := ssh.Quote(append(words, path))
		if err != nil { // no file has such a path
			line = strings.Join(words, " ")
		}
		causes, cures = append(causes, cause), append(cures, line)
	}
	if st.Uid != 0 && st.Uid != uint32(uid) {
		owner := "root"
		if uid != 0 {
			owner = fmt.Sprint(uid)
		}
		mend(fmt.Sprintf("it belongs to user %d", st.Uid), "chown", owner)
	}
	if info.Mode().Perm()&0o022 != 0 {
		mend("others than its owner may write to it", "chmod", "go-w")
	}
	if causes == nil {
		return nil
	}
	return fmt.Errorf("%s; it names commands to run: %s", strings.Join(causes, ", and "), strings.Join(cures, " && "))
}
