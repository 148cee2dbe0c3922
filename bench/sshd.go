package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// farSide is this machine, reached over ssh: an sshd on the loopback interface, with keys and settings of its own, and maybe a delay
// line before it.
type farSide struct {
	dir    string
	user   string
	port   string // of sshd
	sshd   *exec.Cmd
	said   *herald
	exited chan struct{} // closed when sshd has ended
	delay  *delayLine    // nil where the line is short
}

// How long sshd may take to listen, and to end.
const (
	sshdStart = 30 * time.Second
	sshdStop  = 10 * time.Second
)

// startFarSide starts an sshd that keeps what it needs in dir, which is made. It lets in who runs the program, and nobody else.
func startFarSide(ctx context.Context, dir string) (*farSide, error) {
	if !plainPath(dir) {
		return nil, fmt.Errorf("%s: ssh commands want a path of letters, digits and ._-+ alone: choose another with -dir", dir)
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	program, err := sshdProgram()
	if err != nil {
		return nil, err
	}
	f := &farSide{dir: dir, user: me.Username, exited: make(chan struct{})}
	if err := errors.Join(os.Mkdir(dir, 0o700), f.makeKeys(ctx)); err != nil {
		return nil, err
	}
	if err := f.start(ctx, program); err != nil {
		return nil, err
	}
	if err := f.reach(ctx, 0); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// plainPath reports whether no shell and no ssh configuration sees more in a path than a path.
func plainPath(path string) bool {
	return !strings.ContainsFunc(path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+", r)
	})
}

// sshdProgram returns the path of sshd, which wants to be started by an absolute one, and makes the empty directory that it wants of root.
func sshdProgram() (string, error) {
	program := "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		found, err := exec.LookPath("sshd")
		if err != nil {
			return "", err
		}
		if program, err = filepath.Abs(found); err != nil {
			return "", err
		}
	}
	if os.Geteuid() != 0 {
		return program, nil
	}
	return program, os.MkdirAll("/run/sshd", 0o755)
}

// line returns the way to the far side.
func (f *farSide) line() line { return line{config: f.path("ssh_config")} }

func (f *farSide) path(name string) string { return filepath.Join(f.dir, name) }

func (f *farSide) makeKeys(ctx context.Context) error {
	for _, name := range []string{"host", "client"} {
		if _, err := output(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", f.path(name)); err != nil {
			return err
		}
	}
	host, err := os.ReadFile(f.path("host.pub"))
	if err != nil {
		return err
	}
	client, err := os.ReadFile(f.path("client.pub"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(f.path("known_hosts"), []byte(farHost+" "+string(host)), 0o600),
		os.WriteFile(f.path("authorized_keys"), client, 0o600))
}

// start starts sshd and waits until it listens.
func (f *farSide) start(ctx context.Context, program string) error {
	var err error
	if f.port, err = freePort(); err != nil {
		return err
	}
	if err := writeLines(f.path("sshd_config"), f.serverConfig(ctx, program)); err != nil {
		return err
	}
	f.said = &herald{mark: "Server listening", ready: make(chan struct{})}
	f.sshd = exec.CommandContext(context.WithoutCancel(ctx), program, "-D", "-e", "-f", f.path("sshd_config"))
	killWithChildren(f.sshd) // and out of reach of an interrupt at the terminal: programs may need it while they end
	f.sshd.Stderr = f.said
	if err := f.sshd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(f.exited)
		_ = f.sshd.Wait() // it ends by a signal, or has said why
	}()
	select {
	case <-f.said.ready:
		return nil
	case <-f.exited:
	case <-ctx.Done():
	case <-time.After(sshdStart):
	}
	return errors.Join(fmt.Errorf("%s does not listen%s", program, f.said.hint()), f.stop())
}

// freePort returns a TCP port of the loopback interface that nobody listens on.
func freePort() (string, error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listen.Close()
	return strconv.Itoa(listen.Addr().(*net.TCPAddr).Port), nil
}

// serverConfig returns the lines of the sshd_config. Programs are found there as they are here.
func (f *farSide) serverConfig(ctx context.Context, program string) []string {
	lines := []string{
		"Port " + f.port, "ListenAddress 127.0.0.1", "HostKey " + f.path("host"), "AuthorizedKeysFile " + f.path("authorized_keys"),
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "StrictModes no",
		"AllowUsers " + f.user, "UseDNS no", "PidFile none", "PrintMotd no", "MaxStartups 1000", "Subsystem sftp internal-sftp",
		fmt.Sprintf(`SetEnv "PATH=%s"`, os.Getenv("PATH")),
	}
	// Later versions shut out who breaks off too often, as programs do whose time is up.
	const forgiving = "PerSourcePenalties=no"
	if _, err := output(ctx, program, "-t", "-f", "/dev/null", "-h", f.path("host"), "-o", forgiving); err == nil {
		lines = append(lines, strings.Replace(forgiving, "=", " ", 1))
	}
	return lines
}

// reach puts the far side so far away: a round trip takes so much more. It makes sure that it can be reached.
func (f *farSide) reach(ctx context.Context, trip time.Duration) error {
	if err := f.shorten(); err != nil {
		return err
	}
	port := f.port
	if trip > 0 {
		var err error
		if f.delay, err = newDelayLine(net.JoinHostPort("127.0.0.1", f.port), trip); err != nil {
			return err
		}
		if _, port, err = net.SplitHostPort(f.delay.addr); err != nil {
			return err
		}
	}
	err := writeLines(f.line().config, []string{
		"Host " + farHost, "HostName 127.0.0.1", "Port " + port, "User " + f.user, "HostKeyAlias " + farHost,
		"UserKnownHostsFile " + f.path("known_hosts"), "GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking yes", "UpdateHostKeys no",
		"IdentityFile " + f.path("client"), "IdentitiesOnly yes", "IdentityAgent none", "PreferredAuthentications publickey", "BatchMode yes",
	})
	if err != nil {
		return err
	}
	if _, err := output(ctx, "ssh", "-F", f.line().config, farHost, "true"); err != nil {
		return fmt.Errorf("%w (sshd%s)", err, f.said.hint())
	}
	return nil
}

// shorten takes the delay line away.
func (f *farSide) shorten() error {
	if f.delay == nil {
		return nil
	}
	err := f.delay.close()
	f.delay = nil
	return err
}

// stop ends sshd, by its process id. Its sessions have ended with their clients.
func (f *farSide) stop() error {
	err := f.shorten()
	_ = f.sshd.Process.Signal(syscall.SIGTERM) // fails only where it is gone
	select {
	case <-f.exited:
	case <-time.After(sshdStop):
		_ = f.sshd.Process.Kill() // as above
		<-f.exited
	}
	return err
}

func writeLines(name string, lines []string) error {
	return os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// herald remembers the end of what a program says, and tells when it has said a certain thing.
type herald struct {
	mark  string
	ready chan struct{} // closed when it was said

	mu    sync.Mutex
	tail  tail
	heard bool
}

func (h *herald) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, err := h.tail.Write(p)
	if !h.heard && strings.Contains(string(h.tail.text), h.mark) {
		h.heard = true
		close(h.ready)
	}
	return n, err
}

// hint returns the last line, for an error message.
func (h *herald) hint() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tail.hint()
}
