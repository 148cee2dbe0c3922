//go:build unix

package hook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func stream(t *testing.T, c Command) *Stream {
	t.Helper()
	s, err := Output(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAStreamEndsOnlyIfTheCommandSucceeds(t *testing.T) {
	out, err := io.ReadAll(stream(t, Command{Shell: "echo warning >&2; echo dump"}))
	if err != nil || string(out) != "dump\n" {
		t.Errorf("%q, %v", out, err)
	}
	s := stream(t, Command{Name: "dump", Shell: "echo dump; echo no such table >&2; exit 3"})
	out, err = io.ReadAll(iotest.OneByteReader(s))
	var exit *exec.ExitError
	if string(out) != "dump\n" || !errors.As(err, &exit) || err.Error() != "dump: exit status 3: no such table" {
		t.Errorf("%q, %v", out, err)
	}
	if _, again := s.Read(make([]byte, 1)); again == nil || again == io.EOF {
		t.Errorf("asked again: %v", again)
	}
}

func TestAStreamOfACommandThatClosesItsOutputAndFailsLater(t *testing.T) {
	_, err := io.ReadAll(stream(t, Command{Shell: "echo dump; exec >&-; read nothing; exit 9"}))
	if err == nil || !strings.Contains(err.Error(), "exit status 9") {
		t.Errorf("%v", err)
	}
	_, err = io.ReadAll(stream(t, Command{Shell: "echo dump; kill -9 $$"}))
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("killed: %v", err)
	}
}

func TestAStreamCarriesEveryByte(t *testing.T) {
	want := bytes.Repeat([]byte("a line\x00\xff\n"), 300_000)
	got, err := io.ReadAll(stream(t, Command{Argv: []string{"cat"}, Stdin: want}))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAStreamThatTakesTooLongFails(t *testing.T) {
	c := Command{Shell: "echo dump; sleep 1000", Timeout: 200 * time.Millisecond}
	s, err := Output(t.Context(), c)
	if err == nil { // it began in time
		defer s.Close()
		_, err = io.ReadAll(s)
	}
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
}

func TestAStreamEndsWithItsContextThoughSomebodyHoldsTheOutput(t *testing.T) {
	setsid, err := exec.LookPath("setsid")
	if err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := Output(ctx, Command{Shell: setsid + " sleep 1 & echo dump"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestClosingAStreamEndsTheCommand(t *testing.T) {
	s := stream(t, Command{Shell: "yes"})
	if _, err := io.ReadFull(s, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read after Close: %v", err)
	}
}
