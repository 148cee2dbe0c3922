package daemon

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/notice"
)

// systemd is the socket on which it listens.
func systemd(t *testing.T, watchdog string) (*net.UnixConn, *notice.Service) {
	t.Helper()
	dir, err := os.MkdirTemp("", "varve-notify-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	env := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": watchdog}
	return conn, notice.NewService(func(name string) string { return env[name] })
}

// message returns what systemd is told next.
func message(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var buf [4096]byte
	n, err := conn.Read(buf[:])
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// long is a job that runs until systemd has heard of it often enough.
type long struct {
	world
	listen func()
}

func (l *long) Run(ctx context.Context, name string) {
	l.listen()
	l.world.Run(ctx, name)
}

func TestSystemdHearsHowTheDaemonIsDoing(t *testing.T) {
	conn, service := systemd(t, "40000")
	var heard []string
	l := &long{world: world{T: t, now: begin, ends: 2, jobs: []*job{{name: "home", at: begin, every: 24 * time.Hour}}}}
	l.listen = func() {
		for alive := 0; alive < 4; { // the first is of the time before
			m := message(t, conn)
			heard = append(heard, m)
			if m == "WATCHDOG=1" {
				alive++
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	err := Run(ctx, Options{Load: func(context.Context) (Work, error) { return l, nil }, Wait: l.wait, Now: func() time.Time { return l.now }, Service: service})
	if err != nil {
		t.Fatal(err)
	}
	for m := ""; m != "STOPPING=1"; heard = append(heard, m) {
		m = message(t, conn)
	}
	said := slices.DeleteFunc(heard, func(m string) bool { return m == "WATCHDOG=1" })
	if got := strings.Join(said, "; "); got != "READY=1; STATUS=runs home; STATUS=home is due at 2026-11-21 01:00; STOPPING=1" {
		t.Errorf("%s", got)
	}
	if l.waits[1] != 20*time.Millisecond {
		t.Errorf("it waits for %s, and the watchdog for 40ms", l.waits[1])
	}
}

func TestThatSystemdCannotBeToldIsToldOnce(t *testing.T) {
	w := &world{T: t, now: begin, ends: 5, jobs: []*job{{name: "home", at: begin, every: time.Minute}}}
	env := map[string]string{"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "nobody")}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	err := Run(ctx, Options{Load: w.load, Wait: w.wait, Now: func() time.Time { return w.now },
		Service: notice.NewService(func(name string) string { return env[name] }), Warn: func(err error) { w.warns = append(w.warns, err.Error()) }})
	if err != nil || len(w.warns) != 1 || !strings.HasPrefix(w.warns[0], "tell systemd: ") {
		t.Errorf("%v, %q", err, w.warns)
	}
}
