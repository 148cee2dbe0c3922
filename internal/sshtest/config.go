package sshtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// emptyDir is where sshd locks up what it does before the login.
	emptyDir = "/run/sshd"
	// jail is where a locked up user's directory is mounted: every directory above has to be root's alone, as those above a temporary
	// directory are not.
	jail = emptyDir + "/root"
	// noNamespace is what the script says when it may not mount.
	noNamespace = "sshtest: no mounts"
)

// serverConfig returns the sshd_config.
func (s *Server) serverConfig(t testing.TB, program string, port int) string {
	t.Helper()
	lines := append([]string{}, s.opts.Config...)
	if s.opts.ForceCommand != "" {
		lines = append(lines, "ForceCommand "+s.opts.ForceCommand)
	}
	if s.opts.Chroot {
		lines = append(lines, "ChrootDirectory "+jail, "ForceCommand "+s.sftpCommand(t))
	}
	if s.opts.MaxSessions > 0 {
		lines = append(lines, fmt.Sprint("MaxSessions ", s.opts.MaxSessions))
	}
	lines = append(lines,
		fmt.Sprint("Port ", port),
		"ListenAddress 127.0.0.1",
		"HostKey "+filepath.Join(s.dir, "host"),
		"AuthorizedKeysFile "+filepath.Join(s.dir, "authorized_keys"),
		"Subsystem sftp "+s.sftpCommand(t),
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password",
		"StrictModes no",
		"UseDNS no",
		"PidFile none",
		"PrintMotd no",
		"LoginGraceTime 30",
		"MaxStartups 1000",
		"LogLevel VERBOSE",
		"SetEnv SHLVL=5", // bash reads what the account's owner has it do for a login over the network only at the first level
	)
	// Later versions shut out who breaks off too often, which is what proxies do here.
	if forgiving := "PerSourcePenalties=no"; knows(program, s.dir, forgiving) {
		lines = append(lines, strings.Replace(forgiving, "=", " ", 1))
	}
	return strings.Join(lines, "\n") + "\n"
}

// knows reports whether this version of sshd accepts a setting.
func knows(sshd, dir, setting string) bool {
	return exec.Command(sshd, "-t", "-f", "/dev/null", "-h", filepath.Join(dir, "host"), "-o", setting).Run() == nil
}

// sftpCommand returns the command line that serves SFTP.
func (s *Server) sftpCommand(t testing.TB) string {
	t.Helper()
	program := "internal-sftp"
	if !s.opts.Internal && !s.opts.Chroot {
		program = sftpProgram(t)
	}
	return strings.Join(append([]string{program, "-d", s.Home}, s.opts.SFTPArgs...), " ")
}

// script returns the shell script that becomes sshd, in a namespace of its own where it is private.
func (s *Server) script() string {
	var b strings.Builder
	b.WriteString("umask 022\n")
	mount := func(words ...string) {
		fmt.Fprintf(&b, "mount %s || { echo '%s' >&2; exit 1; }\n", strings.Join(words, " "), noNamespace)
	}
	if s.private() {
		mount("--bind", filepath.Join(s.dir, "passwd"), "/etc/passwd")
		mount("--bind", filepath.Join(s.dir, "shadow"), "/etc/shadow")
	}
	if s.opts.Chroot {
		mount("-t", "tmpfs", "-o", "mode=755", "sshtest", emptyDir)
		b.WriteString("mkdir " + jail + "\n")
		mount("--bind", filepath.Dir(s.Dir), jail)
	}
	b.WriteString("exec \"$@\"\n")
	return b.String()
}

// makeUsers writes the user database that sshd sees where it is private: the machine's, with the made up user first, and who logs in
// without a password but not locked.
func (s *Server) makeUsers(t testing.TB) {
	t.Helper()
	users, err := os.ReadFile("/etc/passwd")
	if err != nil {
		missing(t, "read users: %v", err)
	}
	line := ""
	if s.opts.User != "" {
		line = fmt.Sprintf("%s:x:%d:%d:sshtest:%s:/bin/sh\n", s.opts.User, Ordinary, Ordinary, s.Home)
	}
	s.write(t, "passwd", line+string(users), 0o644)
	s.write(t, "shadow", s.User+":*:::::::\n", 0o600)
}

// rootIsLocked reports whether sshd would not let root in because the account is locked.
func rootIsLocked() bool {
	shadow, err := os.ReadFile("/etc/shadow")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(shadow)) {
		if strings.HasPrefix(line, "root:!") {
			return true
		}
	}
	return false
}

// writeClientConfig writes the ssh_config of the key of this name, and returns its path.
func (s *Server) writeClientConfig(t testing.TB, key string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.Addr) // it came from a net.Addr
	return s.write(t, key+".config", strings.Join([]string{
		"HostName " + host,
		"Port " + port,
		"User " + s.User,
		"HostKeyAlias " + hostAlias,
		"UserKnownHostsFile " + filepath.Join(s.dir, "known_hosts"),
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
		"UpdateHostKeys no",
		"IdentityFile " + filepath.Join(s.dir, key),
		"IdentitiesOnly yes",
		"IdentityAgent none",
		"PreferredAuthentications publickey",
		"KexAlgorithms curve25519-sha256", // the cheapest: some tests log in a thousand times
		"BatchMode yes",
		"",
	}, "\n"), 0o600)
}
