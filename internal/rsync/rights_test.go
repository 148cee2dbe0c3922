//go:build linux

package rsync

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// canLeaveNetwork reports whether a thread may have a network of its own.
func canLeaveNetwork() bool {
	can := make(chan bool)
	go func() {
		runtime.LockOSThread() // for good
		can <- syscall.Unshare(syscall.CLONE_NEWNET) == nil
	}()
	return <-can
}

func TestThatRsyncIsNotKeptFromTheNetworkIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err   error
		rules *ruleset
		told  bool
	}{
		{nil, &ruleset{}, false},
		{syscall.EPERM, &ruleset{net: true}, false},
		{syscall.EPERM, &ruleset{}, true},
		{syscall.EPERM, nil, false}, // it is told that rsync is not confined at all
	} {
		if w := openNetwork(tt.err, tt.rules); (w != "") != tt.told {
			t.Errorf("%v, %+v: %q", tt.err, tt.rules, w)
		}
	}
}

func TestRootThatCannotGiveUpItsRightsRunsNoRsyncUnlessToldTo(t *testing.T) {
	t.Parallel()
	needRoot(t)
	needRsync(t)
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		skip(t, err.Error())
	}
	for _, uncaged := range []bool{false, true} {
		s := newShelf(t)
		program := filepath.Join(t.TempDir(), "rsync")
		write(t, program, "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'rsync  version 3.5.0  protocol version 32'; exit 0; }\necho it runs >&2\nexit 1\n")
		ok(t, os.Chmod(program, 0o755))
		cmd := s.serverCommand(t, "rsync --server -logDtpre.iLsfxCIvu . x")
		cmd.Args = append([]string{setpriv, "--bounding-set=-setpcap", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = setpriv
		cmd.Env = append(cmd.Env, envProgram+"="+program)
		if uncaged {
			cmd.Env = append(cmd.Env, envUncaged+"=1")
		}
		_, out := s.run(t, cmd)
		if !strings.Contains(out, "root's capabilities cannot be taken from rsync") || strings.Contains(out, "it runs") != uncaged {
			t.Errorf("uncaged %v: %s", uncaged, out)
		}
	}
}
