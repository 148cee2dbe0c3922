package ssh

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels that callers branch on.
var (
	// ErrHostKey says that the other side's host key is not known, or is another one than before. No retry can heal it.
	ErrHostKey = errors.New("the host key was not accepted")
	// ErrHostChanged says that the other side's host key is another one than before. It matches ErrHostKey.
	ErrHostChanged = fmt.Errorf("%w, it is another one than before", ErrHostKey)
	// ErrLogin says that the other side did not let the user in. No retry can heal it.
	ErrLogin = errors.New("login refused")
	// ErrUnreachable says that there is no connection to the other side, or no more: no such host, refused, timed out, reset.
	ErrUnreachable = errors.New("no connection")
	// ErrCommand says that the other side does not run what was asked for: no such program, no such subsystem.
	ErrCommand = errors.New("the other side cannot run it")
)

// Exit codes of ssh: its own failure, and those of a shell at the other side that cannot run a program.
const (
	exitSelf       = 255
	exitNotRunning = 126
	exitNotFound   = 127
)

// sign is a part of a message, by which a kind of fault is known.
type sign struct {
	text string
	err  error
}

// signs are parts of OpenSSH's messages, the most telling first: with some host keys the login fails next.
var signs = []sign{
	{"has changed and you have requested strict checking", ErrHostChanged},
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", ErrHostChanged},
	{"Host key verification failed", ErrHostKey},
	{"host key is known for", ErrHostKey},
	{"you have requested strict checking", ErrHostKey},
	{"Permission denied (", ErrLogin},
	{"Too many authentication failures", ErrLogin},
	{"No supported authentication methods available", ErrLogin},
	{"subsystem request failed", ErrCommand},
	{"exec request failed", ErrCommand},
	{"shell request failed", ErrCommand},
	{"Could not resolve hostname", ErrUnreachable},
	{"Connection refused", ErrUnreachable},
	{"Connection timed out", ErrUnreachable},
	{"Operation timed out", ErrUnreachable},
	{"No route to host", ErrUnreachable},
	{"Network is unreachable", ErrUnreachable},
	{"Host is down", ErrUnreachable},
	{"not responding", ErrUnreachable},
	{"Connection reset", ErrUnreachable},
	{"Connection closed", ErrUnreachable},
	{"Connection to ", ErrUnreachable}, // "timed out", "closed by remote host"
	{"Broken pipe", ErrUnreachable},
	{"banner exchange", ErrUnreachable},
}

// diagnose returns the error that exit code and standard error of ssh mean. Only ssh itself ends with 255, unless the other side
// plays at being it; what that could gain is another sentence in a message.
func diagnose(code int, text string) error {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	last := find(lines, "")
	switch {
	case code == exitSelf:
		for _, s := range signs {
			if line := find(lines, s.text); line != "" {
				return fmt.Errorf("%w: %s", s.err, line)
			}
		}
	case code == exitNotFound, code == exitNotRunning, strings.Contains(text, "This service allows sftp connections only"):
		return join(ErrCommand, last)
	}
	switch {
	case code < 0:
		return join(errors.New("ended by a signal"), last)
	case last != "":
		return errors.New(last)
	}
	return fmt.Errorf("ended with code %d", code)
}

// lineMax is how many bytes of a line get into an error.
const lineMax = 500

// find returns the last line that contains text, at most lineMax bytes of it; empty where there is none.
func find(lines []string, text string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if line := lines[i]; strings.Contains(line, text) {
			return strings.ToValidUTF8(line[:min(len(line), lineMax)], "")
		}
	}
	return ""
}

func join(err error, words string) error {
	if words == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, words)
}
