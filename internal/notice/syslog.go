package notice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// daemon is syslog's facility for services.
const daemon = 3 << 3

// sockets are where systems have syslog.
var sockets = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

// HasSyslog reports whether this machine seems to have a log.
func HasSyslog() bool { return slices.ContainsFunc(sockets, isSocket) }

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeSocket != 0
}

// log tells the journal or syslog: the title, and on trouble what is wrong and to be done.
func (s *Sender) log(ctx context.Context, r *Report) error {
	lines := []string{r.Title()}
	if r.Event.level() < 5 {
		for _, l := range []string{r.Error, r.Hint} {
			if l != "" {
				lines = append(lines, line(l))
			}
		}
	}
	if s.opts.Journal != nil {
		return Journal(s.opts.Journal, r.Event.level(), lines...)
	}
	return s.syslog(ctx, r.Event.level(), lines)
}

// Journal writes lines as systemd's journal reads them from standard error, with a level as syslog counts: 3 error, 4 warning, 5 notice, 6
// information.
func Journal(w io.Writer, level int, lines ...string) error {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "<%d>%s\n", level, line(l))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// syslog sends lines to the system's log.
func (s *Sender) syslog(ctx context.Context, level int, lines []string) error {
	conn, err := s.dialLog(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	for _, l := range lines {
		text := fmt.Sprintf("<%d>%s varve[%d]: %s", daemon|level, s.opts.Now().Format(time.Stamp), os.Getpid(), l)
		if conn.RemoteAddr().Network() == "unix" {
			text += "\n"
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return temporary{err}
		}
	}
	return nil
}

// dialLog opens the socket of syslog.
func (s *Sender) dialLog(ctx context.Context) (net.Conn, error) {
	paths := sockets
	if s.opts.Log != "" {
		paths = []string{s.opts.Log}
	}
	var errs []error
	for _, path := range paths {
		for _, network := range []string{"unixgram", "unix"} {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, path)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, fmt.Errorf("no syslog: %w", errors.Join(errs...))
}
