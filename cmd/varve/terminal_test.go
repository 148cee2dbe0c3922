package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// person sits at a terminal and answers each question with the next line of what he has to say.
type person struct {
	t       *testing.T
	keys    *os.File // the other end of the terminal
	path    string
	mu      sync.Mutex
	shown   bytes.Buffer
	answers []string
	done    chan struct{}
	asked   func() // where set, it is called at each question instead of an answer
}

// newPerson returns somebody at a terminal of his own, and skips the test where there can be none.
func newPerson(t *testing.T, answers ...string) *person {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil && os.Getenv("VARVE_TEST_STRICT") != "1" {
		t.Skipf("no pseudo terminals: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, keys: keys, answers: answers, done: make(chan struct{})}
	p.control(func(fd int) error {
		n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
		p.path = fmt.Sprintf("/dev/pts/%d", n)
		return errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	})
	// As long as one holds it open, the terminal stays while others come and go.
	held, err := os.OpenFile(p.path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	go p.answer()
	t.Cleanup(func() {
		_ = held.Close() // nothing of it is needed any more
		_ = keys.Close()
		<-p.done
	})
	return p
}

func (p *person) control(f func(fd int) error) {
	p.t.Helper()
	conn, err := p.keys.SyscallConn()
	if err == nil {
		var failed error
		err = errors.Join(conn.Control(func(fd uintptr) { failed = f(int(fd)) }), failed)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// answer reads what is shown, and types the next answer after each question, until the terminal is closed.
func (p *person) answer() {
	defer close(p.done)
	buf := make([]byte, 4096)
	for {
		n, err := p.keys.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.shown.Write(buf[:n])
		question := strings.HasSuffix(p.shown.String(), ": ")
		var next string
		if question && len(p.answers) > 0 {
			next, p.answers = p.answers[0], p.answers[1:]
		}
		p.mu.Unlock()
		if question && p.asked != nil {
			p.asked()
		} else if next != "" {
			_, _ = p.keys.WriteString(next) // a test that waits for it will say so
		}
	}
}

// saw returns what was shown so far.
func (p *person) saw() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown.String()
}

func (p *person) open() (*os.File, error) {
	return os.OpenFile(p.path, os.O_RDWR|unix.O_NOCTTY, 0)
}

// callWith runs a command line at the terminal of p.
func callWith(t *testing.T, p *person, want int, args ...string) (out, errs string) {
	t.Helper()
	a, o, e := testApp()
	a.tty = p.open
	if got := run(t.Context(), a, args); got != want {
		t.Fatalf("varve %s: exit code %d, want %d; it printed:\n%s%s%s", strings.Join(args, " "), got, want, o, e, p.saw())
	}
	return o.String(), e.String()
}

func TestAPassphraseIsAskedForTwiceAndNotShown(t *testing.T) {
	dir, store := source(t)
	p := newPerson(t, "correct horse\r", "correct horse\r", "correct horse\r")
	out, _ := callWith(t, p, exitGood, "init", "--kind", "vault", store)
	if !strings.Contains(out, "VARVE RECOVERY SHEET") {
		t.Errorf("printed %q", out)
	}
	callWith(t, p, exitGood, "backup", "-s", store, dir)
	if text := p.saw(); strings.Contains(text, "horse") || strings.Count(text, "passphrase: ") != 1 || strings.Count(text, "once more: ") != 1 ||
		!strings.Contains(text, "passphrase of "+store+": ") {
		t.Errorf("the terminal shows %q", text)
	}
}

func TestTwoPassphrasesThatDifferMakeNothing(t *testing.T) {
	_, store := source(t)
	for _, answers := range [][]string{{"one\r", "two\r"}, {"\r"}} {
		callWith(t, newPerson(t, answers...), exitWrongKey, "init", "--kind", "vault", store)
		if _, err := os.Stat(store); !os.IsNotExist(err) {
			t.Errorf("%q: the store: %v", answers, err)
		}
	}
}

// vaultOf makes a vault with a passphrase.
func vaultOf(t *testing.T, store, passphrase string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(file, []byte(passphrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	call(t, exitGood, "init", "--kind", "vault", "--passphrase-file", file, store)
}

func TestAWrongPassphraseIsAskedForAgain(t *testing.T) {
	_, store := source(t)
	vaultOf(t, store, "right")
	_, errs := callWith(t, newPerson(t, "wrong\r", "right\r"), exitGood, "snapshots", "-s", store)
	if errs != "varve: that passphrase does not open it\n" {
		t.Errorf("printed %q", errs)
	}
	p := newPerson(t, "a\r", "b\r", "c\r", "right\r")
	callWith(t, p, exitWrongKey, "snapshots", "-s", store)
	if n := strings.Count(p.saw(), "passphrase of "); n != passphraseTries {
		t.Errorf("asked %d times", n)
	}
}

func TestWhoEndsAQuestionEndsTheProgram(t *testing.T) {
	_, store := source(t)
	vaultOf(t, store, "right")
	for name, key := range map[string]string{"Ctrl-C": "\x03", "Ctrl-D": "\x04"} {
		p := newPerson(t, key)
		_, errs := callWith(t, p, exitInterrupted, "snapshots", "-s", store)
		if errs != "varve: interrupted\n" {
			t.Errorf("%s: printed %q", name, errs)
		}
	}
}

func TestASignalEndsAQuestionAndTheTerminalIsAsBefore(t *testing.T) {
	_, store := source(t)
	vaultOf(t, store, "right")
	p := newPerson(t)
	settings := func() (s unix.Termios) {
		f, err := p.open()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		now, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return *now
	}
	before := settings()
	ctx, cancel := context.WithCancel(t.Context())
	p.asked = func() { cancel() }
	a, _, errs := testApp()
	a.tty = p.open
	if code := run(ctx, a, []string{"snapshots", "-s", store}); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if after := settings(); after != before {
		t.Errorf("the terminal is now\n%+v, and was\n%+v", after, before)
	}
}
