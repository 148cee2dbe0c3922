//go:build unix

package ssh

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBytesTravelBothWaysAndTheEndIsTold(t *testing.T) {
	c := dial(t, `head -c 100000`, Options{})
	sent := strings.Repeat("0123456789", 10000)
	go c.Write([]byte(sent))
	got, err := io.ReadAll(c)
	if err != nil || string(got) != sent {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
	if err := c.Fault(); err != nil {
		t.Errorf("a good end counts as a fault: %v", err)
	}
}

func TestArgumentsKeepTheHostApartFromOptions(t *testing.T) {
	for name, test := range map[string]struct {
		target  Target
		service Service
		options Options
		want    string
	}{
		"subsystem": {Target{Host: "nas"}, Subsystem("sftp"), Options{}, "BatchMode=yes -s -- nas sftp"},
		"full":      {Target{"joe", "::1", 23}, Subsystem("sftp"), Options{}, "BatchMode=yes -p 23 -l joe -s -- ::1 sftp"},
		"command": {Target{User: `DOM\joe@example.org`, Host: "nas"}, Command("varve", "serve", "it's"), Options{Interactive: true},
			`ServerAliveCountMax=3 -l DOM\joe@example.org -- nas varve serve 'it'\''s'`},
	} {
		args, err := arguments(test.target, test.service, test.options)
		if got := strings.Join(args, " "); err != nil || !strings.HasSuffix(got, test.want) {
			t.Errorf("%s: %s, %v; want … %s", name, got, err, test.want)
		}
	}
}

func TestTheRealSSHUnderstandsTheArguments(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip("no ssh here")
	}
	args, err := arguments(Target{"joe", "nas.example", 23}, Subsystem("sftp"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssh", append([]string{"-F", "none", "-G"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, line := range []string{
		"user joe", "hostname nas.example", "port 23", "batchmode yes", "connecttimeout 30", "serveralivecountmax 3",
		"serveraliveinterval 15", "escapechar none", "forwardagent no", "forwardx11 no", "requesttty false", "clearallforwardings yes",
		"sessiontype subsystem",
	} {
		if !slices.Contains(strings.Split(string(out), "\n"), line) {
			t.Errorf("ssh does not see %q", line)
		}
	}
}

func TestWhatCouldBeAnOptionOrAShellWordIsRefused(t *testing.T) {
	for _, target := range []Target{
		{}, {Host: "-oProxyCommand=x"}, {Host: "a b"}, {Host: "a\nb"}, {Host: "a\x00"}, {Host: "a\x1b[2J"}, {Host: "$(id)"}, {Host: "a;b"},
		{Host: "`id`"}, {Host: "joe@a"}, {Host: "ssh://a"}, {Host: "a", User: "-l"}, {Host: "a", User: "a b"}, {Host: "a", User: "a'b"},
		{Host: "a", User: `a\`}, {Host: "a", User: "a\u202eb"}, {Host: "a", Port: -1}, {Host: "a", Port: 65536},
	} {
		if c, err := Dial(context.Background(), target, Subsystem("sftp"), Options{Command: []string{"/bin/true"}}); err == nil {
			c.Close()
			t.Errorf("%q was dialled", target)
		}
	}
	for _, service := range []Service{{}, Command(), Command(""), Command("a", "b\x00c"), Subsystem("-N"), Subsystem("a b")} {
		if c, err := Dial(context.Background(), somewhere, service, Options{Command: []string{"/bin/true"}}); err == nil {
			c.Close()
			t.Errorf("%q was asked for", service)
		}
	}
}

func TestAMissingProgramIsToldByDial(t *testing.T) {
	for _, interactive := range []bool{false, true} {
		_, err := Dial(context.Background(), somewhere, Subsystem("sftp"), Options{Command: []string{"/no/such/ssh"}, Interactive: interactive})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("interactive %v: %v", interactive, err)
		}
	}
}

func TestAFileThatIsNoProgramIsToldByDial(t *testing.T) {
	path := t.TempDir() + "/ssh"
	if err := os.WriteFile(path, []byte("\x7fELF no program at all"), 0o700); err != nil {
		t.Fatal(err)
	}
	if c, err := Dial(context.Background(), somewhere, Subsystem("sftp"), Options{Command: []string{path}}); err == nil {
		c.Close()
		t.Error("what is no program was started")
	}
}

func TestADialThatIsCalledOffStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Dial(ctx, somewhere, Subsystem("sftp"), Options{Command: []string{"/bin/true"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCloseLetsSSHEndByItself(t *testing.T) {
	mark := t.TempDir() + "/mark"
	c := dial(t, `cat >/dev/null; echo done >"`+mark+`"`, Options{})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("it was ended by force: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := c.Write([]byte{1}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestCloseEndsSSHAndItsChildrenByForce(t *testing.T) {
	c := dial(t, `trap "" TERM HUP; sleep 1000 & echo $$; echo $!; wait; sleep 1000`, Options{Grace: 50 * time.Millisecond})
	r := bufio.NewReader(c)
	leader, child := number(t, r), number(t, r)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, leader)
	awaitGone(t, child)
	if err := c.Fault(); err != nil {
		t.Errorf("being closed counts as a fault: %v", err)
	}
}

func TestCloseWakesAReader(t *testing.T) {
	c := dial(t, `cat >/dev/null`, Options{})
	failed := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		failed <- err
	}()
	c.Close()
	if err := <-failed; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAConnectionThatSSHLeavesBehindHoldsNobodyUp(t *testing.T) {
	c := dial(t, `sleep 1000 </dev/null >/dev/null & echo $!; exit 3`, Options{})
	r := bufio.NewReader(c)
	left := number(t, r)
	defer func() {
		syscall.Kill(left, syscall.SIGKILL)
		awaitGone(t, left)
	}()
	if _, err := r.ReadByte(); err == nil || !strings.Contains(err.Error(), "code 3") {
		t.Errorf("got %v", err)
	}
	if !running(left) {
		t.Error("what ssh left behind was ended")
	}
}

func TestWithoutATerminalSSHHasASessionOfItsOwn(t *testing.T) {
	c := dial(t, `echo $$; ps -o sid= -p $$ 2>/dev/null || cut -d" " -f6 /proc/$$/stat; cat`, Options{})
	r := bufio.NewReader(c)
	if pid, session := number(t, r), number(t, r); pid != session {
		t.Errorf("process %d is in session %d", pid, session)
	}
}

func TestInteractiveSSHSharesOurGroupAndOutlivesAnInterrupt(t *testing.T) {
	c := dial(t, `echo $$; exec cat`, Options{Interactive: true})
	r := bufio.NewReader(c)
	pid := number(t, r)
	if group, err := syscall.Getpgid(pid); err != nil || group != syscall.Getpgrp() {
		t.Errorf("it is in group %d, %v", group, err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("still here\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != "still here\n" {
		t.Errorf("%q, %v", line, err)
	}
}
