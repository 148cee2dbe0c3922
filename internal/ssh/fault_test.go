//go:build unix

package ssh

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestEveryFaultIsToldByItsName(t *testing.T) {
	for _, test := range []struct {
		say  string
		code int
		want error
	}{
		{"No ED25519 host key is known for host and you have requested strict checking.\r\nHost key verification failed.\r\n", 255, ErrHostKey},
		{"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nme@host: Permission denied (publickey,password).", 255, ErrHostChanged},
		{"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key for h has changed and you have requested strict checking.\nHost key verification failed.",
			255, ErrHostChanged},
		{"me@host: Permission denied (publickey).\r\n", 255, ErrLogin},
		{"Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures\nDisconnected from 192.0.2.1", 255, ErrLogin},
		{"ssh: connect to host h port 22: Connection refused", 255, ErrUnreachable},
		{"ssh: connect to host h port 22: Connection timed out", 255, ErrUnreachable},
		{"ssh: connect to host h port 22: No route to host", 255, ErrUnreachable},
		{"ssh: Could not resolve hostname h: Name or service not known", 255, ErrUnreachable},
		{"Timeout, server h not responding.", 255, ErrUnreachable},
		{"kex_exchange_identification: Connection closed by remote host", 255, ErrUnreachable},
		{"client_loop: send disconnect: Broken pipe", 255, ErrUnreachable},
		{"me@jump: Permission denied (publickey).\nkex_exchange_identification: Connection closed by remote host", 255, ErrLogin},
		{"subsystem request failed on channel 0", 255, ErrCommand},
		{"sh: 1: varve: not found", 127, ErrCommand},
		{"sh: 1: varve: Permission denied", 126, ErrCommand},
		{"This service allows sftp connections only.", 1, ErrCommand},
	} {
		c := dial(t, fmt.Sprintf("cat >&2 <<'END'\n%s\nEND\nexit %d", test.say, test.code), Options{})
		_, err := c.Read(make([]byte, 10))
		if !errors.Is(err, test.want) {
			t.Errorf("%q with %d: %v", test.say, test.code, err)
		}
		for _, other := range []error{ErrHostKey, ErrLogin, ErrUnreachable, ErrCommand} {
			if !errors.Is(test.want, other) && errors.Is(err, other) {
				t.Errorf("%q also means %v", test.say, other)
			}
		}
		c.Close()
		if again := c.Fault(); again == nil || again.Error() != err.Error() {
			t.Errorf("the fault is %v after close, was %v", again, err)
		}
	}
}

func TestAnUnknownFaultIsToldInItsLastWords(t *testing.T) {
	for script, want := range map[string]string{
		`echo first >&2; echo "Permission denied (says a program)" >&2; exit 1`: "ssh me@host.example: Permission denied (says a program)",
		`exit 5`:                          "ssh me@host.example: ended with code 5",
		`kill -9 $$`:                      "ssh me@host.example: ended by a signal",
		`echo tired >&2; kill -9 $$`:      "ssh me@host.example: ended by a signal: tired",
		`echo what is this >&2; exit 255`: "ssh me@host.example: what is this",
	} {
		c := dial(t, script, Options{})
		_, err := io.ReadAll(c)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
		for _, sentinel := range []error{ErrHostKey, ErrLogin, ErrUnreachable, ErrCommand} {
			if errors.Is(err, sentinel) {
				t.Errorf("%s means %v", script, sentinel)
			}
		}
	}
}

func TestALongLineIsCut(t *testing.T) {
	if err := diagnose(1, "short\n"+strings.Repeat("ü", 3000)); len(err.Error()) != lineMax || strings.Trim(err.Error(), "ü") != "" {
		t.Errorf("got %d bytes", len(err.Error()))
	}
}

func TestAWriterLearnsTheFaultToo(t *testing.T) {
	c := dial(t, `exec <&-; echo "ssh: connect to host h port 22: Connection refused" >&2; exit 255`, Options{})
	var err error
	for err == nil {
		_, err = c.Write(make([]byte, 4096))
	}
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestFaultIsNilWhileSSHRuns(t *testing.T) {
	c := dial(t, `echo a warning >&2; cat`, Options{})
	if err := c.Fault(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheOtherSideSaysCannotCommandTheTerminal(t *testing.T) {
	c := dial(t, `printf 'a\033]0;title\007\rb\302\205\377\tc' >&2; exit 1`, Options{})
	_, err := io.ReadAll(c)
	if err == nil || !strings.HasSuffix(err.Error(), `b\u0085\xff c`) {
		t.Errorf("got %q", err)
	}
	var words tail
	words.Write([]byte("\x1b[31mred\u202e\n"))
	if got := words.String(); got != `\x1b[31mred\u202e`+"\n" {
		t.Errorf("got %q", got)
	}
}

func TestOnlyTheEndOfWhatIsSaidIsKept(t *testing.T) {
	var words tail
	for i := range 5000 {
		fmt.Fprintf(&words, "line %d\n", i)
	}
	words.Write([]byte("end"))
	if got := words.String(); len(got) != tailSize || !strings.HasSuffix(got, "line 4999\nend") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-20:])
	}
	words.Write([]byte(strings.Repeat("x", 3*tailSize) + "y"))
	if got := words.String(); len(got) != tailSize || !strings.HasSuffix(got, "xy") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-20:])
	}
}
