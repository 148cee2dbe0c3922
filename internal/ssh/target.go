package ssh

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
)

// Target is where the other side is.
type Target struct {
	User string // empty: what ssh's own configuration says
	Host string // a name, an address, or an alias in ssh's configuration
	Port int    // 0: what ssh's own configuration says
}

// String returns t as user@host:port, without what is not set.
func (t Target) String() string {
	text := t.Host
	if t.Port != 0 {
		text = net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	}
	if t.User != "" {
		text = t.User + "@" + text
	}
	return text
}

// metacharacters can end or change a word in a shell. ssh's configuration may hand host and user to one.
const metacharacters = "'`\"$;&<>|(){}"

// Check refuses what ssh could take for something else than a user, a host and a port.
func (t Target) Check() error {
	switch {
	case t.Host == "":
		return errors.New("no host")
	case !harmlessWord(t.Host) || strings.ContainsAny(t.Host, `/@\`):
		return fmt.Errorf("%q cannot be a host", t.Host)
	case !harmlessWord(t.User) || strings.HasSuffix(t.User, `\`):
		return fmt.Errorf("%q cannot be a user", t.User)
	case t.Port < 0 || t.Port > 65535:
		return fmt.Errorf("%d cannot be a port", t.Port)
	}
	return nil
}

func harmlessWord(word string) bool {
	return !strings.HasPrefix(word, "-") && !strings.ContainsAny(word, metacharacters) &&
		!strings.ContainsFunc(word, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// Service is what runs at the other side.
type Service struct {
	subsystem string
	command   []string
}

// Subsystem is a service that sshd knows by name, such as "sftp".
func Subsystem(name string) Service { return Service{subsystem: name} }

// Command is a program and its arguments, each of which arrives there as it is if the login shell is a Bourne shell.
func Command(words ...string) Service { return Service{command: words} }

// words returns what comes behind the host in ssh's arguments, and whether it names a subsystem.
func (s Service) words() (words []string, subsystem bool, err error) {
	if s.subsystem != "" {
		if !harmlessWord(s.subsystem) {
			return nil, false, fmt.Errorf("ssh: %q cannot be a subsystem", s.subsystem)
		}
		return []string{s.subsystem}, true, nil
	}
	if len(s.command) == 0 || s.command[0] == "" {
		return nil, false, errors.New("ssh: no command")
	}
	line, err := Quote(s.command)
	return []string{line}, false, err
}
