package sshtest

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
)

// Ordinary is the uid and gid of the ordinary user whom the rig knows: nobody's.
const Ordinary = 65534

// Options say what kind of server is wanted. The zero value lets the user who runs the test, mostly root, log in and do all.
type Options struct {
	// User is the name of an ordinary user with the ids Ordinary, made up for this server, who logs in; empty for the user who runs
	// the test. Needs root and mount namespaces.
	User string
	// Chroot locks the user up in a directory of root's, in which only the directory "data" is theirs, with nothing but SFTP, as
	// rented storage does. Needs root and mount namespaces.
	Chroot bool
	// Internal makes sshd serve SFTP itself; else it runs the program sftp-server, by way of the user's shell.
	Internal bool
	// SFTPArgs are further arguments of either, such as "-R", or "-P" and "setstat,fsetstat".
	SFTPArgs []string
	// ForceCommand is run by the user's shell whatever was asked for; empty for none.
	ForceCommand string
	// MaxSessions is how many sessions one connection may have; 0 for what sshd has by itself, which is 10.
	MaxSessions int
	// MaxConns is how many connections may be open at once: others are reset. 0 for no limit.
	MaxConns int
	// Config are further lines for sshd_config. They come first and so win. Match is not possible.
	Config []string
}

// Server is an sshd on the loopback interface. It ends with its test.
type Server struct {
	// Addr is where it listens, as host:port.
	Addr string
	// User is who logs in.
	User string
	// Dir is a directory on this machine, empty at first, in which that user may do everything.
	Dir string
	// Home is Dir as the other side names it. SFTP sessions start there, others only where Options.User is set.
	Home string
	// HostKey is the server's public host key, as in a .pub file.
	HostKey string

	dir   string // what the rig itself keeps: keys, configuration
	opts  Options
	proxy *Proxy
	keys  int // made by AddKey
	child *child
}

// tries is how often a free port is looked for. Another process may take it before sshd does.
const tries = 5

// Start starts a server.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{opts: o, User: o.User}
	program := s.check(t)
	s.furnish(t)
	s.makeKeys(t)
	log := s.launch(t, program)
	t.Cleanup(func() {
		if err := s.child.stop(); err != nil {
			t.Errorf("stop sshd: %v", err)
		}
		if t.Failed() {
			t.Logf("sshd said:\n%s", log)
		}
	})
	if o.MaxConns > 0 {
		s.proxy = NewProxy(t, s.Addr, Faults{MaxConns: o.MaxConns})
		s.Addr = s.proxy.Addr
	}
	s.writeClientConfig(t, "client")
	return s
}

// private says that sshd needs a mount namespace of its own.
func (s *Server) private() bool {
	return s.opts.User != "" || s.opts.Chroot || (os.Getuid() == 0 && rootIsLocked())
}

// check returns the path of sshd. It ends the test where the machine cannot do what is asked.
func (s *Server) check(t testing.TB) string {
	t.Helper()
	program, err := find("sshd", "/usr/sbin", "/usr/local/sbin", "/sbin")
	if err != nil {
		missing(t, "no sshd: %v", err)
	}
	for _, name := range []string{"ssh", "ssh-keygen"} {
		if _, err := find(name); err != nil {
			missing(t, "no ssh: %v", err)
		}
	}
	if s.private() && os.Getuid() != 0 {
		missing(t, "only root can make up users and lock them up")
	}
	if s.User == "" {
		me, err := user.LookupId(strconv.Itoa(os.Getuid()))
		if err != nil {
			missing(t, "sshd lets nobody in who has no name: %v", err)
		}
		s.User = me.Username
	}
	if os.Getuid() == 0 {
		if err := makeEmpty(emptyDir); err != nil {
			missing(t, "the empty directory of sshd: %v", err)
		}
	}
	return program
}

// makeEmpty makes a directory that only its owner may write to, whatever the umask, unless it is there.
func makeEmpty(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return errors.Join(err, os.Chmod(dir, 0o755))
}

// furnish makes the directories.
func (s *Server) furnish(t testing.TB) {
	t.Helper()
	owner := -1
	if s.opts.User != "" {
		owner = Ordinary
	}
	s.dir = Dir(t, -1)
	s.Dir = filepath.Join(s.dir, "files")
	s.Home = s.Dir
	if s.opts.Chroot {
		s.Dir, s.Home = filepath.Join(s.dir, "root", "data"), "/data"
		mkdir(t, filepath.Dir(s.Dir), -1)
	}
	mkdir(t, s.Dir, owner)
}

// launch starts sshd and returns where it logs to, once it listens.
func (s *Server) launch(t testing.TB, program string) *record {
	t.Helper()
	for range tries {
		port := freePort(t)
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		config := s.write(t, "sshd_config", s.serverConfig(t, program, port), 0o600)
		s.write(t, "run", s.script(), 0o600)
		log := newRecord("Server listening on 127.0.0.1")
		c, err := spawn([]string{"/bin/sh", filepath.Join(s.dir, "run"), program, "-D", "-e", "-f", config}, s.private(), log)
		if err != nil {
			missing(t, "start sshd: %v", err)
		}
		if c.listens() {
			s.child = c
			return log
		}
		err = c.stop()
		switch {
		case log.has("Address already in use"):
		case log.has(noNamespace):
			missing(t, "mount for sshd: %s", log)
		default:
			t.Fatalf("sshd does not listen: %v\n%s", errors.Join(err, c.err), log)
		}
	}
	t.Fatalf("sshd found no free port in %d tries", tries)
	return nil
}

// freePort returns a TCP port of the loopback interface that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer listen.Close()
	return listen.Addr().(*net.TCPAddr).Port
}

// Counts returns what went through; all zero where MaxConns is not set.
func (s *Server) Counts() Counts {
	if s.proxy == nil {
		return Counts{}
	}
	return s.proxy.Counts()
}

// Log returns what sshd has written to its log so far.
func (s *Server) Log() string { return fmt.Sprint(s.child.log) }
