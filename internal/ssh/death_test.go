//go:build unix

package ssh

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// helperVariable makes the test binary a program that dials the command in it, passes on what comes, and waits to be killed.
const helperVariable = "VARVE_SSH_TEST_DIALS"

func helper() {
	c, err := Dial(context.Background(), somewhere, Subsystem("sftp"), Options{Command: strings.Fields(os.Getenv(helperVariable))})
	if err != nil {
		fmt.Println(err)
		return
	}
	io.Copy(os.Stdout, c)
}

func TestSSHDoesNotOutliveUs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child that does not read its standard input")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+strings.Join(fake(t, `echo $$; exec sleep 1000`), " "))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := number(t, bufio.NewReader(out))
	if !running(pid) {
		t.Error("ssh ended before us")
	}
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	awaitGone(t, pid)
}
