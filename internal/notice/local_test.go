//go:build unix

package notice

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// socket is a unixgram socket.
func socket(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// short returns a directory with a short path, for sockets.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "varve-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestSyslogHearsWithThePriorityOfTheEvent(t *testing.T) {
	path := filepath.Join(short(t), "log")
	conn := socket(t, path)
	opts := options()
	opts.Log = path
	for event, priority := range map[Event]int{Success: 30, Recovered: 29, Incomplete: 28, Failure: 27} {
		r := hostile()
		r.Event, r.Job = event, "home"
		if err := send(t, opts, Channel{Kind: Syslog}, r); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("<%d>Nov 20 02:00:00 varve[%d]: %s", priority, os.Getpid(), r.Title())
		if got := receive(t, conn); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		for range 2 {
			if event == Incomplete || event == Failure {
				harmless(t, receive(t, conn))
			}
		}
	}
	opts.Log = path + "-not"
	if err := send(t, opts, Channel{Kind: Syslog}, failed()); err == nil {
		t.Error("no syslog, and no error")
	}
}

func TestTheJournalGetsLevelsOnStandardError(t *testing.T) {
	var b bytes.Buffer
	opts := options()
	opts.Journal = &b
	if err := send(t, opts, Channel{Kind: Syslog}, failed()); err != nil {
		t.Fatal(err)
	}
	if want := "<3>Backup home on web1 FAILED\n<3>store usb: no space left\n<3>free some space\n"; b.String() != want {
		t.Errorf("%q", &b)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	right := fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	for value, want := range map[string]bool{right: true, "1:2": false, "": false} {
		if got := UnderJournal(f, func(string) string { return value }); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}

func TestSystemdIsToldHowTheServiceDoes(t *testing.T) {
	for _, name := range []string{filepath.Join(short(t), "notify"), fmt.Sprintf("@varve-test-%d-%d", os.Getpid(), time.Now().UnixNano())} {
		conn := socket(t, name)
		env := map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": fmt.Sprint(os.Getpid())}
		s := NewService(func(name string) string { return env[name] })
		for want, err := range map[string]func() error{"READY=1": s.Ready, "STOPPING=1": s.Stopping, "WATCHDOG=1": s.Alive,
			`STATUS=saving\nREADY=1`: func() error { return s.Status("saving\nREADY=1") }} {
			if err := err(); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, conn); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		if s.Watchdog() != 30*time.Second {
			t.Errorf("watchdog: %v", s.Watchdog())
		}
	}
}

func TestWithoutSystemdNobodyIsTold(t *testing.T) {
	for _, env := range []map[string]string{{}, {"WATCHDOG_USEC": "-1"}, {"WATCHDOG_USEC": "99999999999999999"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}} {
		s := NewService(func(name string) string { return env[name] })
		if err := errors.Join(s.Ready(), s.Status("x")); err != nil || s.Watchdog() != 0 {
			t.Errorf("%v: %v, %v", env, err, s.Watchdog())
		}
	}
	var none *Service
	if none.Ready() != nil || none.Watchdog() != 0 {
		t.Error("nil tells somebody")
	}
	s := NewService(func(name string) string { return map[string]string{"NOTIFY_SOCKET": "vsock:2:1"}[name] })
	if s.Ready() == nil {
		t.Error("told over a socket that it does not know")
	}
}

func metrics() *Metrics {
	return &Metrics{
		Jobs: []JobMetrics{{Job: "home", Run: now, Success: now.Add(-time.Hour), Result: "failed", Duration: 1500 * time.Millisecond, Files: 3, Bytes: 1 << 50, Overdue: true},
			{Job: "new \"\\\n"}},
		Copies: []CopyMetrics{{Job: "home", Store: "usb", Good: now}},
		Stores: []StoreMetrics{{Store: "usb", Used: 12, Free: -1, Verified: now, Damage: 2}},
	}
}

func TestPrometheusReadsTheMetrics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "varve.prom")
	r := failed()
	r.Metrics = metrics()
	if err := send(t, options(), Channel{Kind: Prometheus, Path: path}, r); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var samples []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			samples = append(samples, strings.TrimSpace(line))
		}
	}
	want := []string{
		`varve_job_last_run_timestamp_seconds{job_name="home"} 1795140000`,
		`varve_job_last_success_timestamp_seconds{job_name="home"} 1795136400`,
		`varve_job_last_result{job_name="home",result="failed"} 1`,
		`varve_job_overdue{job_name="home"} 1`,
		`varve_job_overdue{job_name="new \"\\\n"} 0`,
		`varve_job_duration_seconds{job_name="home"} 1.5`,
		`varve_job_files{job_name="home"} 3`,
		`varve_job_bytes{job_name="home"} 1125899906842624`,
		`varve_job_added_bytes{job_name="home"} 0`,
		`varve_job_skipped{job_name="home"} 0`,
		`varve_job_vanished{job_name="home"} 0`,
		`varve_job_changed{job_name="home"} 0`,
		`varve_copy_last_good_timestamp_seconds{job_name="home",store="usb"} 1795140000`,
		`varve_copy_overdue{job_name="home",store="usb"} 0`,
		`varve_store_last_verify_timestamp_seconds{store="usb"} 1795140000`,
		`varve_store_used_bytes{store="usb"} 12`,
		`varve_store_damage{store="usb"} 2`,
	}
	if d := cmp.Diff(want, samples); d != "" {
		t.Error(d)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAFileForPrometheusIsReplacedOrLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "varve.prom")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := send(t, options(), Channel{Kind: Prometheus, Path: path}, failed()); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "old" {
		t.Errorf("without metrics: %q", text)
	}
	r := failed()
	r.Metrics = metrics()
	if err := send(t, options(), Channel{Kind: Prometheus, Path: filepath.Join(dir, "no", "x.prom")}, r); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := send(t, options(), Channel{Kind: Prometheus, Path: dir}, r); err == nil {
		t.Error("a directory was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "..", ".varve-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
