package location

import (
	"errors"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"varve/internal/rsync"
	"varve/internal/ssh"
)

// Scheme says how a place is reached.
type Scheme string

// The schemes of places.
const (
	Local Scheme = ""      // a path on this machine
	SFTP  Scheme = "sftp"  // over SFTP, with nothing of ours on the other side
	SSH   Scheme = "ssh"   // over ssh, varve at both ends
	Rsync Scheme = "rsync" // a module of an rsync daemon
)

// Spec is a place as a user wrote it, taken apart.
type Spec struct {
	Scheme Scheme
	// Target is where the other side is; zero for a local place.
	Target ssh.Target
	// Path is absolute for a local place. On another machine it is absolute or relative to the login directory, which "." stands for; for
	// Rsync it begins with the name of the module.
	Path string
}

// ErrScheme says that a place is written in a form that is understood but not supported.
var ErrScheme = errors.New("this version knows local directories and places over ssh, SFTP and rsync only")

// ErrPlace says that a place is written in a form that makes no sense.
var ErrPlace = errors.New("no place is written like that")

// errEmpty says that no place was named at all.
var errEmpty = errors.New("the name of the place is empty")

// ErrPassword says that a place names a password, which is in no message.
var ErrPassword = errors.New("a password does not belong into a location")

// others are the words before a colon that stand for kinds of places which are not supported.
var others = []string{"s3", "rest", "rclone", "http", "https", "file", "b2", "gs", "azure", "swift", "webdav"}

// Parse takes a place apart.
//
//	path                              local; ./a:b where a name has a colon before its first slash
//	[user@]host:path                  SFTP, as for scp
//	sftp://[user@]host[:port]/path    SFTP; /~/path is relative to the login directory
//	ssh://[user@]host[:port]/path     varve at both ends
//	[user@]host::module/path          an rsync daemon
//	rsync://[user@]host[:port]/module/path
//
// A host in brackets is an IPv6 address. The error matches ErrScheme for other kinds of places, and ErrPlace in any case.
// It does not repeat a place that holds a password.
func Parse(text string) (Spec, error) {
	if text == "" {
		return Spec{}, marked{errEmpty, ErrPlace}
	}
	if hasPassword(text) {
		return Spec{}, marked{ErrPassword, ErrPlace}
	}
	s, err := parse(text)
	if err != nil {
		return Spec{}, marked{fmt.Errorf("place %q: %w", text, err), ErrPlace}
	}
	return s, nil
}

func parse(text string) (Spec, error) {
	if rsync.IsLocation(text) {
		l, err := rsync.ParseLocation(text)
		at := strings.TrimSuffix(l.Module+"/"+l.Path, "/")
		return Spec{Scheme: Rsync, Target: ssh.Target{User: l.User, Host: l.Host, Port: l.Port}, Path: at}, err
	}
	if scheme, rest, ok := strings.Cut(text, "://"); ok && !strings.ContainsAny(scheme, "/:") {
		return parseURL(strings.ToLower(scheme), rest)
	}
	host, rest, found := cutHost(text)
	switch {
	case !found:
		at, err := filepath.Abs(text)
		return Spec{Path: at}, err
	case strings.ToLower(host) == string(SFTP) && strings.Contains(rest, ":"): // as restic has it
		return parse(rest)
	case slices.Contains(others, strings.ToLower(host)):
		return Spec{}, fmt.Errorf("is of the kind %s: %w", strings.ToLower(host), ErrScheme)
	}
	t, err := target(host, "")
	if err != nil {
		return Spec{}, err
	}
	at, err := farPath(rest)
	return Spec{Scheme: SFTP, Target: t, Path: at}, err
}

// hasPassword reports whether a password seems to stand between a user and a host: something behind a colon, and before an @, that is no
// port. It may hold slashes.
func hasPassword(text string) bool {
	_, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		host, _, daemon := strings.Cut(text, "::")
		return daemon && rsync.IsLocation(text) && strings.Contains(before(host, "@"), ":")
	}
	authority, _, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		return strings.Contains(before(authority, "@"), ":")
	}
	colon := strings.LastIndexByte(authority, ':')
	if colon <= strings.LastIndexByte(authority, ']') || !strings.Contains(rest, "@") {
		return false
	}
	_, err := strconv.ParseUint(authority[colon+1:], 10, 16)
	return err != nil
}

// before returns what stands in text before the last mark; nothing where there is none.
func before(text, mark string) string { return text[:max(strings.LastIndex(text, mark), 0)] }

// cutHost splits what stands before the first colon off, if that is no part of a path.
func cutHost(text string) (host, rest string, found bool) {
	from := 0
	if open := strings.IndexByte(text, '['); open >= 0 && !strings.Contains(text[:open], "/") {
		from = max(strings.IndexByte(text, ']'), 0)
	}
	colon := strings.IndexByte(text[from:], ':') + from
	if colon < from || strings.Contains(text[:colon], "/") {
		return "", "", false
	}
	return text[:colon], text[colon+1:], true
}

// parseURL reads what stands behind a scheme.
func parseURL(scheme, rest string) (Spec, error) {
	s := Spec{Scheme: Scheme(scheme)}
	if s.Scheme != SFTP && s.Scheme != SSH {
		return Spec{}, fmt.Errorf("is of the kind %s: %w", scheme, ErrScheme)
	}
	authority, at, slash := strings.Cut(rest, "/")
	host, port := authority, ""
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		host, port = authority[:colon], authority[colon+1:]
	}
	var err error
	if s.Target, err = target(host, port); err != nil {
		return Spec{}, err
	}
	if slash {
		at = "/" + at
		if home, ok := strings.CutPrefix(at, "/~"); ok && (home == "" || home[0] == '/') {
			at = strings.TrimLeft(home, "/")
		}
	}
	s.Path, err = farPath(at)
	return s, err
}

// farPath returns the path on another machine in its shortest form.
func farPath(text string) (string, error) {
	if strings.ContainsRune(text, 0) {
		return "", errors.New("the path has a NUL byte")
	}
	if text == "~" || strings.HasPrefix(text, "~/") {
		text = strings.TrimLeft(text[1:], "/")
	}
	return path.Clean(text), nil
}

// target reads user, host and port.
func target(host, port string) (ssh.Target, error) {
	t := ssh.Target{Host: host}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		t.User, t.Host = host[:at], host[at+1:]
	}
	if inside, ok := strings.CutPrefix(t.Host, "["); ok {
		t.Host, ok = strings.CutSuffix(inside, "]")
		address, _, _ := strings.Cut(t.Host, "%")
		if !ok || net.ParseIP(address) == nil {
			return t, fmt.Errorf("%q is not an IPv6 address in brackets", host)
		}
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return t, fmt.Errorf("port %q: want a number from 1 to 65535", port)
		}
		t.Port = int(n)
	}
	if t.Host == "" {
		return t, errors.New("names no host")
	}
	return t, t.Check()
}

// String returns s as a user could write it.
func (s Spec) String() string {
	if s.Scheme == Local {
		return s.Path
	}
	host := s.Target.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if s.Target.User != "" {
		host = s.Target.User + "@" + host
	}
	if s.Target.Port != 0 {
		host += ":" + strconv.Itoa(s.Target.Port)
	}
	switch {
	case s.Scheme == Rsync:
		return "rsync://" + host + "/" + s.Path
	case s.Scheme == SFTP && s.Target.Port == 0:
		return host + ":" + s.Path
	case path.IsAbs(s.Path):
		return string(s.Scheme) + "://" + host + s.Path
	case s.Path == ".":
		return string(s.Scheme) + "://" + host + "/~"
	}
	return string(s.Scheme) + "://" + host + "/~/" + s.Path
}
