package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hostAlias is the name under which the client knows the server, whatever the address.
const hostAlias = "sshtest"

// Command returns the words of an ssh command that reaches the server, to be followed by options, any host name, and a command; none
// of them needs quoting. It reads no configuration of the machine or the user, and asks nothing. A user name given with the host
// name, or a port given with -p, take the place of the right ones.
func (s *Server) Command() []string { return s.command("client") }

func (s *Server) command(key string) []string {
	return []string{"ssh", "-F", filepath.Join(s.dir, key+".config")}
}

// AddKey lets another key log in, and returns the command that uses it. A forced command is run by the user's shell whatever was asked
// for, with port forwarding, terminals and the rest refused; empty for none.
func (s *Server) AddKey(t testing.TB, forcedCommand string) []string {
	t.Helper()
	s.keys++
	key := fmt.Sprint("key-", s.keys)
	public := s.makeKey(t, key)
	if forcedCommand != "" {
		public = fmt.Sprintf(`restrict,command="%s" %s`, strings.ReplaceAll(forcedCommand, `"`, `\"`), public)
	}
	s.authorize(t, public)
	s.writeClientConfig(t, key)
	return s.command(key)
}

// NewKey makes another key, which may not log in, and returns the command that uses it and the path of the public key.
func (s *Server) NewKey(t testing.TB) ([]string, string) {
	t.Helper()
	s.keys++
	key := fmt.Sprint("key-", s.keys)
	s.makeKey(t, key)
	s.writeClientConfig(t, key)
	return s.command(key), filepath.Join(s.dir, key+".pub")
}

// WriteKnownHosts makes the client believe that the server has one of these host keys: HostKey for the right one, another for one that
// has changed, none for a server it has not met.
func (s *Server) WriteKnownHosts(t testing.TB, keys ...string) {
	t.Helper()
	var b strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&b, "%s %s\n", hostAlias, key)
	}
	s.write(t, "known_hosts", b.String(), 0o600)
}

// makeKeys makes the keys of both sides and tells each of the other.
func (s *Server) makeKeys(t testing.TB) {
	t.Helper()
	s.HostKey = s.makeKey(t, "host")
	s.WriteKnownHosts(t, s.HostKey)
	s.write(t, "authorized_keys", "", 0o644)
	s.authorize(t, s.makeKey(t, "client"))
	if s.private() {
		s.makeUsers(t)
	}
}

// makeKey makes a key pair and returns the public half.
func (s *Server) makeKey(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	chmod(t, path, 0o600)
	chmod(t, path+".pub", 0o644)
	public, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatalf("read key: %v", err)
	}
	return strings.TrimSpace(string(public))
}

// authorize adds a line to authorized_keys.
func (s *Server) authorize(t testing.TB, line string) {
	t.Helper()
	path := filepath.Join(s.dir, "authorized_keys")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read authorized keys: %v", err)
	}
	s.write(t, "authorized_keys", string(old)+line+"\n", 0o644)
}
