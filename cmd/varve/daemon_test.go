package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemonProcess is a daemon that runs.
type daemonProcess struct {
	*testing.T
	cmd    *exec.Cmd
	socket *net.UnixConn // where systemd would listen
	out    bytes.Buffer
	errs   *bufio.Reader
	config string
}

// startDaemon starts a daemon with a configuration, and waits until it is ready.
func startDaemon(t *testing.T, config, text string) *daemonProcess {
	t.Helper()
	short, err := os.MkdirTemp("", "varve-notify-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	path := filepath.Join(short, "socket")
	d := &daemonProcess{T: t, config: config}
	if d.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.socket.Close() })
	d.write(text)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	d.errs = bufio.NewReader(r)
	d.cmd = child(t, []string{"NOTIFY_SOCKET=" + path}, "daemon", "--config", config)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, w
	if err := errors.Join(d.cmd.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill() }) // an error says that it has ended
	d.hear("READY=1")
	return d
}

// write puts a text in the place of the configuration.
func (d *daemonProcess) write(text string) {
	d.Helper()
	next := d.config + ".new"
	if err := errors.Join(os.WriteFile(next, []byte(text), 0o600), os.Rename(next, d.config)); err != nil {
		d.Fatal(err)
	}
}

// hear waits until systemd is told something that begins like this.
func (d *daemonProcess) hear(want string) {
	d.Helper()
	if err := d.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.Fatal(err)
	}
	var buf [4096]byte
	for {
		n, err := d.socket.Read(buf[:])
		if err != nil {
			rest, _ := d.errs.ReadString(0)
			d.Fatalf("waiting for %q: %v; it printed %s", want, err, rest)
		}
		if strings.HasPrefix(string(buf[:n]), want) {
			return
		}
	}
}

func (d *daemonProcess) signal(s os.Signal) {
	d.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.Fatal(err)
	}
}

// end waits for the daemon to end well, and returns what it had to say since.
func (d *daemonProcess) end() string {
	d.Helper()
	rest, _ := d.errs.ReadString(0) // up to the end
	if err := d.cmd.Wait(); err != nil || d.out.Len() > 0 {
		d.Errorf("it ended with %v, and printed %s%s", err, &d.out, rest)
	}
	return rest
}

// daemonGround makes a source and a store for a daemon, and returns a configuration without jobs.
func daemonGround(t *testing.T) (config, stores, dir, store string) {
	t.Helper()
	t.Setenv("VARVE_STATE_DIR", t.TempDir())
	dir, store = source(t)
	call(t, exitGood, "init", "-s", store)
	config = filepath.Join(filepath.Dir(store), "varve.toml")
	return config, fmt.Sprintf("[store.usb]\nplace = %q\n", store), dir, store
}

func TestADaemonRunsWhatIsDueReadsAnewAndEndsWell(t *testing.T) {
	config, stores, dir, store := daemonGround(t)
	job := func(name string) string {
		return fmt.Sprintf("[job.%s]\nsources = [%q]\nstores = [\"usb\"]\nschedule = \"every 12h\"\n", name, dir)
	}
	d := startDaemon(t, config, stores+job("home"))
	d.hear("STATUS=runs home")
	d.hear("STATUS=home is due at ")
	d.write(stores + job("home") + job("more"))
	d.signal(syscall.SIGHUP)
	d.hear("STATUS=runs more")
	d.hear("STATUS=home is due at ")
	out, _ := call(t, exitGood, "snapshots", "-s", store)
	if strings.Count(out, "testhost:home") != 1 || strings.Count(out, "testhost:more") != 1 {
		t.Errorf("snapshots:\n%s", out)
	}
	if _, errs := call(t, exitBusy, "daemon", "--config", config); !strings.Contains(errs, "another daemon runs the jobs of it") || !strings.Contains(errs, "hint: one is enough") {
		t.Errorf("a second daemon: %s", errs)
	}
	d.write(stores + "[job.home]\nsuorces = []\n")
	d.signal(syscall.SIGHUP)
	line, err := d.errs.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "varve: warning: the configuration stays as it was: ") || !strings.Contains(line, "varve.toml:3:6: has nothing to back up") {
		t.Errorf("%s, %v", line, err)
	}
	d.signal(syscall.SIGTERM)
	if rest := d.end(); strings.Contains(rest, "interrupted") {
		t.Errorf("it printed %s", rest)
	}
}

func TestADaemonThatIsToldToEndEndsItsJobInGoodOrder(t *testing.T) {
	config, stores, dir, _ := daemonGround(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fifo, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(f)
	d := startDaemon(t, config, stores+fmt.Sprintf("[job.home]\nsources = [%q]\nstores = [\"usb\"]\nschedule = \"hourly\"\n"+
		"[job.home.hook]\nbefore = \"echo begins >%s; exec sleep 1000\"\nfinally = \"echo ends >%s\"\n", dir, fifo, fifo))
	if !said.Scan() || said.Text() != "begins" {
		t.Fatalf("%q, %v", said.Text(), said.Err())
	}
	// A job that another process runs is left alone.
	if _, errs := call(t, exitBusy, "run", "home", "--config", config); !strings.Contains(errs, "another run goes on") {
		t.Errorf("%s", errs)
	}
	d.signal(syscall.SIGTERM)
	if !said.Scan() || said.Text() != "ends" {
		t.Errorf("%q, %v", said.Text(), said.Err())
	}
	if rest := d.end(); rest != "" {
		t.Errorf("it printed %s", rest)
	}
	if out, _ := call(t, exitFailed, "status", "--json", "--config", config); !strings.Contains(out, `"result":"interrupted"`) {
		t.Errorf("status: %s", out)
	}
}

func TestADaemonRemembersARunThatTheDiskDoesNot(t *testing.T) {
	config, stores, dir, store := daemonGround(t)
	if err := os.WriteFile(config, []byte(stores+fmt.Sprintf("[job.home]\nsources = [%q]\nstores = [\"usb\"]\nschedule = \"every 6h\"\n", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, errs := testApp()
	root := a.rootCommand()
	a.secrets = a.newSecrets("")
	if err := root.PersistentFlags().Set(configFlag, config); err != nil {
		t.Fatal(err)
	}
	conf, path, err := a.loadConfig(root)
	if err != nil {
		t.Fatal(err)
	}
	j, err := a.newJobs(t.Context(), conf, path)
	if err != nil {
		t.Fatal(err)
	}
	w := &daemonWork{configured: j, unsaved: unsavedRuns{}}
	defer w.Close()
	if due := w.Agenda().Due; len(due) != 1 {
		t.Fatalf("due: %q", due)
	}
	// A directory has the name of the record: neither is it read, nor written.
	key, err := a.configKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(os.Getenv("VARVE_STATE_DIR"), "history-"+key, "job-home.json/x"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.Agenda()
	w.Agenda()
	if n := strings.Count(errs.String(), "read history job-home"); n != 1 {
		t.Errorf("it was told %d times that the history is lost: %s", n, errs)
	}
	w.Run(t.Context(), "home")
	if agenda := w.Agenda(); len(agenda.Due) > 0 || agenda.Next != "home" {
		t.Errorf("after a run that nothing remembers: %+v", agenda)
	}
	if out, _ := call(t, exitGood, "snapshots", "-s", store); strings.Count(out, "testhost:home") != 1 {
		t.Errorf("snapshots:\n%s", out)
	}
}
