package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"varve/internal/disk/osfs"
)

// buffer is a bytes.Buffer for several goroutines that calls seen after every write.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen func(text string)
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.text.Write(p)
	if b.seen != nil {
		b.seen(b.text.String())
	}
	return n, err
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// testApp returns an app with its own outputs, without a terminal, on the real disk.
func testApp() (a *app, out, errs *buffer) {
	out, errs = &buffer{}, &buffer{}
	a = &app{
		in: strings.NewReader(""), out: newOutput(out), screen: &screen{w: errs, width: func() int { return 80 }},
		now: time.Now, env: testEnv, host: func() (string, error) { return "testhost", nil },
		open: osfs.Open, program: lastingProgram, hangups: make(chan os.Signal, 1), signals: make(chan os.Signal, 1), workFactor: 1,
	}
	return a, out, errs
}

// testEnv is the environment of tests: nothing but where what is known of vaults is kept, which is nobody's home.
func testEnv(name string) string {
	if name == "VARVE_CACHE_DIR" || name == "VARVE_STATE_DIR" {
		return os.Getenv(name)
	}
	return ""
}

// call runs a command line that must end with a code, and returns what it printed.
func call(t *testing.T, want int, args ...string) (out, errs string) {
	t.Helper()
	a, o, e := testApp()
	if got := run(t.Context(), a, args); got != want {
		t.Fatalf("varve %s: exit code %d, want %d; it printed:\n%s%s", strings.Join(args, " "), got, want, o, e)
	}
	return o.String(), e.String()
}

// source makes a directory with one file and returns both paths.
func source(t *testing.T) (dir, store string) {
	t.Helper()
	work := t.TempDir()
	dir = filepath.Join(work, "src")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "one"), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(work, "store")
}

func TestAnInterruptedCommandEndsWith130(t *testing.T) {
	dir, store := source(t)
	call(t, exitGood, "backup", "--init", "-s", store, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"backup", "-s", store, dir}, {"backup", "-n", "-s", store, dir}, {"verify", "-s", store},
		{"restore", "-s", store, "latest", "-t", filepath.Join(t.TempDir(), "out")}, {"snapshots", "-s", store},
	} {
		a, _, errs := testApp()
		if code := run(ctx, a, args); code != exitInterrupted {
			t.Errorf("varve %v: exit code %d, want %d: %s", args, code, exitInterrupted, errs)
		}
		if text := errs.String(); text != "varve: interrupted\n" {
			t.Errorf("varve %v printed %q", args, text)
		}
	}
}

func TestTheFirstSignalCancelsAndTheSecondExits(t *testing.T) {
	a, _, _ := testApp()
	codes := make(chan int, 2)
	ctx, stop := a.watchSignals(func(code int) { codes <- code })
	defer stop()
	kill := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	<-ctx.Done()
	if len(codes) > 0 {
		t.Fatal("the first signal exits")
	}
	kill()
	if code := <-codes; code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}

func TestAHangupEndsInGoodOrderHoweverOftenItComes(t *testing.T) {
	a, _, _ := testApp()
	ctx, stop := a.watchSignals(func(code int) { t.Errorf("it exits with %d", code) })
	for range 3 {
		if signal.Ignored(syscall.SIGHUP) { // the tests run under nohup
			a.hangups <- syscall.SIGHUP
		} else if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
	}
	stop()
}

func TestASignalPrintsALineOfProgressWithoutATerminal(t *testing.T) {
	a, _, errs := testApp()
	printed := make(chan struct{})
	var once sync.Once
	errs.seen = func(string) { once.Do(func() { close(printed) }) }
	m := a.newMeter()
	m.add(3, 2048)
	a.signals <- syscall.SIGUSR1
	err := a.watch(m, func() error {
		<-printed
		return nil
	})
	if err != nil || !strings.HasPrefix(errs.String(), "3 files, 2.0 KiB, ") {
		t.Errorf("%v, printed %q", err, errs)
	}
}

func TestProgressOnATerminalIsClearedAtTheEnd(t *testing.T) {
	a, _, errs := testApp()
	a.errTTY = true
	drawn := make(chan struct{})
	var once sync.Once
	errs.seen = func(string) { once.Do(func() { close(drawn) }) }
	err := a.watch(a.newMeter(), func() error {
		<-drawn
		a.warn("something")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text := errs.String()
	if !strings.HasPrefix(text, "\r0 files, 0 B") || !strings.Contains(text, "\r\x1b[Kvarve: warning: something\n") {
		t.Errorf("printed %q", text)
	}
	if last := text[strings.LastIndexByte(text, '\n')+1:]; strings.HasSuffix(last, "files") || last != "" && !strings.HasSuffix(last, "\r\x1b[K") {
		t.Errorf("at the end stands %q", last)
	}
}

func TestAPanicIsAFailureAndNotTheRuntimesOwnCode(t *testing.T) {
	a, _, errs := testApp()
	a.env = func(string) string { panic("test") }
	if code := run(t.Context(), a, []string{"snapshots"}); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.HasPrefix(errs.String(), "varve: internal error: test\n") {
		t.Errorf("printed %q", errs)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	dir, store := source(t)
	call(t, exitGood, "backup", "--init", "-s", store, dir)
	for _, args := range [][]string{{"snapshots", "-s", store}, {"cat", "-s", store, "latest:" + dir + "/one"}, {"version"}, {"ls", "-s", store, "latest"}} {
		a, _, _ := testApp()
		a.out = newOutput(fullDisk{})
		if code := run(t.Context(), a, args); code != exitFailed {
			t.Errorf("varve %v: exit code %d", args, code)
		}
	}
}

func TestABusySeriesIs11(t *testing.T) {
	dir, store := source(t)
	call(t, exitGood, "init", store)
	call(t, exitGood, "backup", "-s", store, "--series", "s", dir)
	locks, err := osfs.Open(filepath.Join(store, ".varve", "locks"))
	if err != nil {
		t.Fatal(err)
	}
	defer locks.Close()
	lease, err := locks.Lock("s")
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	_, errs := call(t, exitBusy, "backup", "-s", store, "--series", "s", dir)
	if !strings.Contains(errs, "in use by another varve process") || !strings.Contains(errs, "\nhint: ") {
		t.Errorf("printed %q", errs)
	}
	call(t, exitGood, "backup", "-s", store, "--series", "t", dir)
}

func TestTheListOfSourcesMayComeFromStandardInput(t *testing.T) {
	dir, store := source(t)
	call(t, exitGood, "init", store)
	a, _, errs := testApp()
	a.in = strings.NewReader(dir + "/one\n")
	if code := run(t.Context(), a, []string{"backup", "-s", store, "--files-from", "-"}); code != exitGood {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	a, _, _ = testApp()
	a.in = io.MultiReader(strings.NewReader(dir+"/one\n"), failing{})
	if code := run(t.Context(), a, []string{"backup", "-s", store, "--files-from", "-"}); code != exitFailed {
		t.Errorf("exit code %d though the list could not be read", code)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("test") }
