package rsync

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Location is a directory of an rsync daemon.
type Location struct {
	// User is the name to log in with; empty for none.
	User string
	// Host is a name or an address, without brackets.
	Host string
	// Port is a TCP port; 0 for 873.
	Port int
	// Module is the daemon's name for a directory tree.
	Module string
	// Path is the directory in the module, without a slash at either end; empty for all of it.
	Path string
}

const defaultPort = 873

// What a location can have wrong with it.
var (
	errNotDaemon = errors.New("not rsync://[USER@]HOST[:PORT]/MODULE[/PATH] or [USER@]HOST::MODULE[/PATH]")
	errModule    = errors.New("no module is named")
	errWildcard  = errors.New(`the daemon would expand "*", "?", "[" and "\"`)
	errPassword  = errors.New("a password does not belong into a location")
	errName      = errors.New(`names may not be empty, ".", "..", begin with "-" or hold control characters`)
)

// IsLocation reports whether text looks like a location of an rsync daemon, and not like a path or a place reached by ssh.
func IsLocation(text string) bool {
	if hasScheme(text) {
		return true
	}
	host, _, found := strings.Cut(text, "::")
	if _, address, hasAt := strings.Cut(host, "@"); hasAt {
		host = address
	}
	return found && host != "" && !strings.ContainsAny(host, "/:[") || strings.HasPrefix(host, "[") && strings.Contains(text, "]::")
}

func hasScheme(text string) bool {
	const scheme = "rsync://"
	return len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme)
}

// ParseLocation reads rsync://[USER@]HOST[:PORT]/MODULE[/PATH] or [USER@]HOST::MODULE[/PATH]. Nothing in it is escaped, as rsync
// has it. An IPv6 address stands in brackets.
func ParseLocation(text string) (Location, error) {
	l, err := parseLocation(text)
	if err == nil {
		err = l.check()
	}
	if err != nil {
		return Location{}, fmt.Errorf("location %q: %w", text, err)
	}
	return l, nil
}

func parseLocation(text string) (l Location, err error) {
	var host, path string
	if hasScheme(text) {
		host, path, _ = strings.Cut(text[len("rsync://"):], "/")
		if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
			if l.Port, err = parsePort(host[i+1:]); err != nil {
				return l, err
			}
			host = host[:i]
		}
	} else {
		at := strings.LastIndex(bracketed(text), "::")
		if at < 0 {
			return l, errNotDaemon
		}
		host, path = text[:at], text[at+len("::"):]
	}
	if user, rest, found := strings.Cut(host, "@"); found {
		if l.User, host = user, rest; user == "" {
			return l, errNotDaemon
		}
	}
	if l.Host, err = parseHost(host); err != nil {
		return l, err
	}
	l.Module, l.Path, _ = strings.Cut(path, "/")
	l.Path = strings.TrimRight(l.Path, "/")
	return l, nil
}

// bracketed returns the part of HOST::PATH in which the two colons stand.
func bracketed(text string) string {
	from := strings.IndexByte(text, ']') + 1
	if i := strings.Index(text[from:], "::"); i >= 0 {
		return text[:from+i+len("::")]
	}
	return ""
}

func parsePort(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 || !digits(text, 5) {
		return 0, fmt.Errorf("%q is not a port", text)
	}
	return n, nil
}

// parseHost takes the brackets off an address.
func parseHost(host string) (string, error) {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	switch {
	case opened != closed, !opened && strings.ContainsRune(host, ':'):
		return "", errNotDaemon
	case opened && net.ParseIP(zoneless(inner)) == nil:
		return "", fmt.Errorf("%q is not an address", inner)
	}
	return inner, nil
}

func zoneless(address string) string {
	address, _, _ = strings.Cut(address, "%")
	return address
}

func (l *Location) check() error {
	switch {
	case strings.ContainsRune(l.User, ':'):
		return errPassword
	case l.Module == "":
		return errModule
	case !all(l.Host, ".-_:%", 300) || l.Host[0] == '-':
		return fmt.Errorf("%q is not a host", l.Host)
	case strings.ContainsAny(l.Module+l.Path, `*?[\`):
		return errWildcard
	}
	names := append([]string{l.Module}, strings.Split(l.Path, "/")...)
	if l.Path == "" {
		names = names[:1]
	}
	if l.User != "" {
		names = append(names, l.User)
	}
	for _, n := range names {
		if n == "" || n == "." || n == ".." || n[0] == '-' || strings.ContainsFunc(n, isControl) {
			return errName
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// String returns l as a URL.
func (l Location) String() string {
	var b strings.Builder
	b.WriteString("rsync://")
	if l.User != "" {
		b.WriteString(l.User + "@")
	}
	if strings.ContainsRune(l.Host, ':') {
		b.WriteString("[" + l.Host + "]")
	} else {
		b.WriteString(l.Host)
	}
	if l.Port != 0 {
		b.WriteString(":" + strconv.Itoa(l.Port))
	}
	b.WriteString("/" + l.Module)
	if l.Path != "" {
		b.WriteString("/" + l.Path)
	}
	return b.String()
}
