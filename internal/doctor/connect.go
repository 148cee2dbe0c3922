package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"varve/internal/location"
	"varve/internal/sftp"
	"varve/internal/ssh"
)

// The time in which a connection must come about, and in which a server must say something: ssh's own limit comes first, since it says
// most.
func (e *exam) connectTime() time.Duration { return e.o.Patience * 3 / 2 }
func (e *exam) stallTime() time.Duration   { return e.o.Patience * 5 / 4 }

// startSSH says that ssh is started next, which may ask somebody.
func (e *exam) startSSH(what string) bool {
	if e.o.Location.Reach.Interactive {
		return e.beginLong(what, asked)
	}
	return e.beginLong(what, e.connectTime())
}

// program looks at the ssh program. False where there is none.
func (e *exam) program() bool {
	if !e.begin("ssh") {
		return false
	}
	out, errs, err := e.ask(append(e.sshWords(), "-V")...)
	version, _, _ := strings.Cut(strings.TrimSpace(out+errs), "\n")
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		e.wrong("ssh", "install OpenSSH's client, or name another program with --ssh", "%v", err)
		return false
	case err != nil:
		e.warn("ssh", "does the command of --ssh run by hand?", "%s -V: %v %s", command(e.sshWords()...), err, version)
	case !strings.HasPrefix(version, "OpenSSH"):
		e.note("ssh", "", "%s; varve is used to OpenSSH", version)
	default:
		e.good("ssh", "%s", version)
	}
	return true
}

// dial opens one connection to the SFTP subsystem of s.
func (e *exam) dial(ctx context.Context, s location.Spec, reach location.Reach) (*ssh.Conn, error) {
	conn, err := reach.Pipe(ctx, s, ssh.Subsystem("sftp"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if err := e.lines.add(conn); err != nil {
		return nil, err
	}
	return conn, nil
}

var (
	// errUnusable says that ssh was not even started.
	errUnusable = errors.New("cannot be called")
	// errEnded says that what runs on the other side ended, errSilent that it did not end and said nothing.
	errEnded  = errors.New("it ends at once")
	errSilent = errors.New("it says nothing")
)

// session opens one SFTP session.
func (e *exam) session(s location.Spec, reach location.Reach) (*sftp.Session, error) {
	conn, err := e.dial(e.ctx, s, reach)
	if err != nil {
		return nil, err
	}
	stall := e.stallTime()
	if reach.Interactive {
		stall = asked
	}
	session, err := sftp.Open(e.ctx, conn, sftp.Options{Stall: stall})
	if err == nil || foreseen(err) || errors.Is(err, sftp.ErrProtocol) || conn.Status() == itself {
		return session, err
	}
	if conn.Status() < 0 {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil, fmt.Errorf("%w: %w", errEnded, err)
}

// foreseen reports whether err is of a kind that the package ssh knows.
func foreseen(err error) bool {
	for _, kind := range [...]error{ssh.ErrHostKey, ssh.ErrLogin, ssh.ErrUnreachable, ssh.ErrCommand} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// itself is the exit code with which ssh tells of failures of its own; others are those of what runs on the other side.
const itself = 255

// connect opens the first session, and says all that is wrong where that does not work. It returns no session then.
func (e *exam) connect(s location.Spec) (*sftp.Session, settings) {
	if !e.program() || !e.startSSH("connection") {
		return nil, settings{}
	}
	session, err := e.session(s, e.o.Location.Reach)
	if errors.Is(err, errUnusable) {
		e.wrong("ssh", "write the place as HOST:DIR or sftp://USER@HOST:PORT/DIR", "%s", reason(err))
		return nil, settings{}
	}
	c := e.settings(s)
	if err != nil {
		e.refused(s, c, err)
		return nil, c
	}
	e.entered(c)
	e.good("sftp", "the server offers SFTP")
	return session, c
}

// entered says that the login is right, and all before it.
func (e *exam) entered(c settings) {
	e.reached(c)
	e.good("login", "as %s", c.user)
}

// reached says that the address and the host key are right.
func (e *exam) reached(c settings) {
	if c.indirect {
		e.good("address", "%s, by way of another machine or program", c.address())
	} else {
		e.good("address", "%s", c.address())
	}
	e.good("host key", "known as %s", c.knownAs())
}

// refused says why there is no session.
func (e *exam) refused(s location.Spec, c settings, err error) {
	switch {
	case e.ctx.Err() != nil:
	case errors.Is(err, ssh.ErrHostKey):
		e.hostKey(s, c, err)
	case errors.Is(err, ssh.ErrLogin):
		e.reached(c)
		e.login(s, c)
	case errors.Is(err, ssh.ErrCommand):
		e.entered(c)
		e.wrong("sftp", "in sshd_config there: Subsystem sftp internal-sftp\nor, with varve installed there: ssh://"+hostOf(s)+"/DIR",
			"the server does not offer SFTP: %s", reason(err))
	case errors.Is(err, sftp.ErrProtocol), errors.Is(err, errEnded):
		if errors.Is(err, sftp.ErrProtocol) {
			e.entered(c)
		}
		e.wrong("sftp", "must print nothing: "+e.sshLine(s, nil, "true")+"\nif the key's forced command there is varve serve: ssh://"+hostOf(s)+"/DIR",
			"what answers is no SFTP server: %s", reason(err))
	case errors.Is(err, ssh.ErrUnreachable), errors.Is(err, errSilent):
		e.unreachable(c, err)
	default:
		e.wrong("connection", "more is said by: "+e.sshLine(s, []string{"-v"}), "%s", reason(err))
	}
}

// hostOf returns user and host of s as a URL has them.
func hostOf(s location.Spec) string {
	s.Scheme, s.Path = location.SSH, "/"
	return strings.TrimSuffix(strings.TrimPrefix(s.String(), "ssh://"), "/")
}

// unreachable looks for what is between here and there.
func (e *exam) unreachable(c settings, err error) {
	if c.indirect || !e.begin("address") {
		e.wrong("connection", "does the machine on the way run, and this one?", "%s", reason(err))
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, e.o.Patience/3)
	defer cancel()
	if _, failed := net.DefaultResolver.LookupHost(ctx, c.host); failed != nil {
		e.wrong("name", "is it spelt right? An alias belongs into ~/.ssh/config", "%s: %v", c.host, failed)
		return
	}
	line, failed := greeting(ctx, c.address())
	switch {
	case errors.Is(failed, io.EOF), errors.Is(failed, syscall.ECONNRESET):
		e.wrong("connection", shutOut+e.verbosely(c), "%s answers and hangs up at once", c.address())
	case failed != nil:
		e.wrong("address", "does the machine run, and sshd on it? Is the port right, and open in the firewalls on the way?", "%s: %v", c.address(), failed)
	case !strings.HasPrefix(line, "SSH-"):
		e.wrong("address", "is the port right? sftp://HOST:PORT/DIR names another", "%s answers, but not as an SSH server: %.60q", c.address(), line)
	default:
		e.good("address", "%s: %s", c.address(), line)
		e.wrong("connection", shutOut+e.verbosely(c), "an SSH server answers, but not to the end: %s", reason(err))
	}
}

// shutOut is what to do where a server hangs up.
const shutOut = "too many connections or failures shut one out for a while: wait some minutes, then try --connections 1\n"

// verbosely returns the line that says more of a connection.
func (e *exam) verbosely(c settings) string {
	return "more is said by: " + command(append(e.sshWords(), "-v", "-p", c.port, c.user+"@"+c.host)...)
}

// greeting returns the first line that a server at this address sends, empty where it waits in silence; io.EOF where it hangs up.
func greeting(ctx context.Context, address string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if limit, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(limit); err != nil {
			return "", err
		}
	}
	text := make([]byte, 255)
	n, err := io.ReadAtLeast(conn, text, len("SSH-"))
	if n == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
		return "", err
	}
	line, _, _ := strings.Cut(string(text[:n]), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}
