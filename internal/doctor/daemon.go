package doctor

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"varve/internal/location"
	"varve/internal/rsync"
)

// daemon looks at a module of an rsync daemon.
func (e *exam) daemon(s location.Spec) {
	at, err := rsync.ParseLocation(s.String())
	if err != nil {
		e.wrong("place", "rsync://[USER@]HOST[:PORT]/MODULE[/PATH]", "%s", reason(err))
		return
	}
	e.note("place", "", "an rsync daemon can be a source of a tree, and nothing else")
	if !e.rsyncProgram() || !e.begin("daemon") {
		return
	}
	address := net.JoinHostPort(at.Host, strconv.Itoa(cmp.Or(at.Port, rsyncPort)))
	said, err := e.module(address, at.Module)
	var denied *refusal
	if err != nil && !errors.As(err, &denied) {
		e.wrong("daemon", "does it run there? Is the port open in the firewalls on the way?", "%s: %s", address, reason(err))
		return
	}
	e.good("daemon", "%s answers: %s", address, said.greeting)
	switch {
	case denied != nil:
		e.wrong("module", "the names that it tells of: "+command("rsync", "rsync://"+address+"/"), "the daemon refuses %s: %s", at.Module, denied.words)
	case said.password && at.User == "":
		e.warn("module", "name a user, rsync://USER@HOST/MODULE; the password comes from --rsync-password-file or RSYNC_PASSWORD",
			"%s exists and wants a password", at.Module)
	case said.password:
		e.good("module", "%s exists and wants a password, which was not tried", at.Module)
	default:
		e.good("module", "%s exists", at.Module)
	}
}

// mendedRsync is the release in which weaknesses were mended that the other side can use.
var mendedRsync = rsync.Version{Major: 3, Minor: 5}

// rsyncProgram looks at the rsync program of this machine. False where there is none.
func (e *exam) rsyncProgram() bool {
	if !e.begin("rsync") {
		return false
	}
	out, _, err := e.ask("rsync", "--version")
	if errors.Is(err, exec.ErrNotFound) {
		e.wrong("rsync", "install it, "+mendedRsync.String()+" or newer", "%v", err)
		return false
	}
	v, unread := rsync.ParseVersion(out)
	switch {
	case err != nil || unread != nil:
		e.wrong("rsync", "install one, "+mendedRsync.String()+" or newer", "rsync --version says nothing that could be understood: %v", errors.Join(err, unread))
		return false
	case v.Before(mendedRsync):
		e.warn("rsync", "install "+mendedRsync.String()+" or newer", "%s has published weaknesses that the other side can use (a distribution may have mended it)", v)
	default:
		e.good("rsync", "%s", v)
	}
	return true
}

const (
	rsyncPort = 873
	// maxGreeting bounds what a daemon may say before it comes to the point, in bytes.
	maxGreeting = 64 << 10
	rsyncMark   = "@RSYNCD: "
	rsyncError  = "@ERROR"
)

// answer is what a daemon says of a module.
type answer struct {
	greeting string
	password bool
}

// refusal is a daemon's word that it does not serve a module.
type refusal struct{ words string }

func (r *refusal) Error() string { return r.words }

// module asks a daemon whether it has a module. The error is a *refusal where it says no.
func (e *exam) module(address, module string) (answer, error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.o.Patience/2)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	limit, _ := ctx.Deadline() // there is one
	if err := conn.SetDeadline(limit); err != nil {
		return answer{}, err
	}
	defer context.AfterFunc(e.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	return askModule(conn, module)
}

// askModule speaks the beginning of the daemon's protocol: a greeting each way, the module's name, lines of welcome, and the answer.
func askModule(conn io.ReadWriter, module string) (a answer, err error) {
	in := bufio.NewReader(io.LimitReader(conn, maxGreeting))
	line, err := in.ReadString('\n')
	if err != nil {
		return a, fmt.Errorf("no greeting: %w", err)
	}
	if !strings.HasPrefix(line, rsyncMark) {
		return a, fmt.Errorf("not an rsync daemon: it says %.60q", line)
	}
	a.greeting = strings.TrimSpace(line)
	if _, err := io.WriteString(conn, rsyncMark+"31.0 sha512 sha256 sha1 md5 md4\n"+module+"\n"); err != nil {
		return a, err
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return a, fmt.Errorf("no answer: %w", err)
		}
		line = strings.TrimSpace(line)
		said, marked := strings.CutPrefix(line, rsyncMark)
		switch {
		case strings.HasPrefix(line, rsyncError):
			return a, &refusal{words: strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(line, rsyncError), ":"))}
		case marked && said == "EXIT":
			return a, &refusal{words: "it ends the conversation"}
		case marked && said == "OK":
			return a, nil
		case marked && strings.HasPrefix(said, "AUTHREQD"):
			a.password = true
			return a, nil
		}
	}
}
