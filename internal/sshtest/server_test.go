//go:build unix

package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheSSHCommandReachesTheServer(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	if got, want := over(t, s.Command(), "id", "-u"), fmt.Sprint(os.Getuid()); got != want {
		t.Errorf("the user there is %s, want %s", got, want)
	}
	if !strings.Contains(s.Log(), "Accepted publickey for "+s.User) {
		t.Errorf("the log does not tell of the login:\n%s", s.Log())
	}
}

func TestNothingOfTheEnvironmentIsNeeded(t *testing.T) {
	for _, name := range []string{"HOME", "USER", "LOGNAME", "SHELL", "SSH_AUTH_SOCK"} {
		t.Setenv(name, "") // so that it is restored
		ok(t, os.Unsetenv(name))
	}
	old := syscall.Umask(0o777)
	defer syscall.Umask(old)
	s := Start(t, Options{User: "box"})
	if got := over(t, s.Command(), "umask; touch new; stat -c %a new"); got != "0022\n644" {
		t.Errorf("a session's umask, and the mode of what it makes, are %q", got)
	}
}

func TestSFTPWorksInEveryKindOfServer(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"program":  {},
		"internal": {Internal: true},
		"ordinary": {User: "box"},
		"chroot":   {User: "box", Chroot: true},
		"locked":   {Chroot: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Start(t, o)
			local := filepath.Join(Dir(t, -1), "local")
			ok(t, os.WriteFile(local, []byte("content"), 0o600))
			if out, err := batch(t, s.Command(), "put "+local+" there", "mkdir sub", "rename there sub/moved"); err != nil {
				t.Fatalf("sftp: %v\n%s", err, out)
			}
			got, err := os.ReadFile(filepath.Join(s.Dir, "sub", "moved"))
			if err != nil || string(got) != "content" {
				t.Errorf("the file there holds %q, %v", got, err)
			}
			out, err := batch(t, s.Command(), "pwd", "ls -1 "+s.Home+"/sub")
			if err != nil || !strings.Contains(out, s.Home+"/sub/moved") || !strings.Contains(out, "directory: "+s.Home+"\n") {
				t.Errorf("sftp: %v\n%s", err, out)
			}
			info, err := os.Stat(filepath.Join(s.Dir, "sub"))
			ok(t, err)
			if o.User != "" && info.Sys().(*syscall.Stat_t).Uid != Ordinary {
				t.Error("what an ordinary user makes belongs to somebody else")
			}
		})
	}
}

func TestAnOrdinaryUserMayOnlyDoWhatOneMay(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{User: "box"})
	if got := over(t, s.Command(), "id -un; id -u; pwd"); got != fmt.Sprintf("box\n%d\n%s", Ordinary, s.Home) {
		t.Errorf("the user there is %q", got)
	}
	ok(t, os.WriteFile(filepath.Join(s.Dir, "foreign"), nil, 0o600))
	for _, command := range []string{"get foreign /dev/null", "mkdir /varve", "chown 0 ."} {
		if out, err := batch(t, s.Command(), command); err == nil {
			t.Errorf("%s went well\n%s", command, out)
		}
	}
	if users, err := os.ReadFile("/etc/passwd"); err != nil || strings.Contains(string(users), "sshtest") {
		t.Errorf("the user is in the database of the machine, %v", err)
	}
}

func TestALockedUpUserHasNoShellAndNoMoreThanOneDirectory(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{User: "box", Chroot: true})
	if out, err := run(t, "", append(s.Command(), "far", "touch", "data/sign")...); err == nil {
		t.Errorf("a command was run\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "sign")); err == nil {
		t.Error("a command was run in spite of its error")
	}
	for _, command := range []string{"mkdir /etc", "put /etc/passwd /file"} {
		if out, err := batch(t, s.Command(), command); err == nil {
			t.Errorf("%s went well\n%s", command, out)
		}
	}
	if out, err := batch(t, s.Command(), "ls -1 /"); err != nil || !strings.HasSuffix(out, "ls -1 /\n/data\n") {
		t.Errorf("what is at the root: %v\n%s", err, out)
	}
	if left, err := os.ReadDir(emptyDir); err != nil || len(left) > 0 {
		t.Errorf("the machine sees %v in %s, %v", left, emptyDir, err)
	}
}

func TestRequestsThatAreDeniedFail(t *testing.T) {
	t.Parallel()
	for _, internal := range []bool{false, true} {
		s := Start(t, Options{Internal: internal, SFTPArgs: []string{"-P", "mkdir,setstat"}})
		if out, err := batch(t, s.Command(), "mkdir sub"); err == nil {
			t.Errorf("mkdir went well\n%s", out)
		}
		if out, err := batch(t, s.Command(), "put /etc/passwd file"); err != nil {
			t.Errorf("put: %v\n%s", err, out)
		}
	}
	s := Start(t, Options{SFTPArgs: []string{"-R"}})
	if out, err := batch(t, s.Command(), "put /etc/passwd file"); err == nil {
		t.Errorf("a write to a read-only server went well\n%s", out)
	}
}

func TestAKeyWithAForcedCommandRunsThatAlone(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	forced := s.AddKey(t, `echo "forced: $SSH_ORIGINAL_COMMAND"`)
	if got := over(t, forced, "rm", "-rf", "x"); got != "forced: rm -rf x" {
		t.Errorf("the forced command printed %q", got)
	}
	if got := over(t, s.Command(), "echo", "free"); got != "free" {
		t.Errorf("the first key's command printed %q", got)
	}
	if got := over(t, s.AddKey(t, ""), "echo", "free"); got != "free" {
		t.Errorf("the third key's command printed %q", got)
	}
	stranger, public := s.NewKey(t)
	if out, err := run(t, "", append(stranger, "far", "true")...); err == nil || !strings.Contains(out, "Permission denied") {
		t.Errorf("a key that nobody knows: %v\n%s", err, out)
	}
	if _, err := os.Stat(public); err != nil {
		t.Error(err)
	}
}

func TestTheServersForcedCommandIsRunForAll(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{ForceCommand: "echo all"})
	if got := over(t, s.Command(), "true"); got != "all" {
		t.Errorf("printed %q", got)
	}
}

func TestAnUnknownOrChangedHostKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	_, other := s.NewKey(t)
	public, err := os.ReadFile(other)
	ok(t, err)
	s.WriteKnownHosts(t, string(public))
	if out, err := run(t, "", append(s.Command(), "far", "true")...); err == nil || !strings.Contains(out, "HAS CHANGED") {
		t.Errorf("a host key that changed: %v\n%s", err, out)
	}
	s.WriteKnownHosts(t)
	if out, err := run(t, "", append(s.Command(), "far", "true")...); err == nil || !strings.Contains(out, "verification failed") {
		t.Errorf("a host key that is unknown: %v\n%s", err, out)
	}
	s.WriteKnownHosts(t, s.HostKey)
	over(t, s.Command(), "true")
}

func TestLinesOfConfigurationWin(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Config: []string{"AcceptEnv SIGN", "PubkeyAuthentication no"}})
	if out, err := run(t, "", append(s.Command(), "far", "true")...); err == nil {
		t.Errorf("a login without any method went well\n%s", out)
	}
}

func TestAServerHasAsManyConnectionsAsItMay(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{MaxConns: 1})
	first := exec.Command(s.Command()[0], append(s.Command()[1:], "far", "cat")...)
	in, err := first.StdinPipe()
	ok(t, err)
	out, err := first.StdoutPipe()
	ok(t, err)
	ok(t, first.Start())
	_, err = in.Write([]byte("x"))
	ok(t, err)
	_, err = out.Read(make([]byte, 1))
	ok(t, err)
	if out, err := run(t, "", append(s.Command(), "far", "true")...); err == nil {
		t.Errorf("a second connection went well\n%s", out)
	}
	ok(t, in.Close())
	ok(t, first.Wait())
	if c := s.Counts(); c.Conns != 1 || c.Refused != 1 {
		t.Errorf("counts are %+v", c)
	}
}

func TestSessionsOfOneConnectionAreLimited(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{MaxSessions: 1})
	over(t, s.Command(), "true")
	socket := filepath.Join(s.dir, "mux")
	master := exec.Command(s.Command()[0], append(s.Command()[1:], "-M", "-S", socket, "far", "echo; exec cat")...)
	in, err := master.StdinPipe()
	ok(t, err)
	out, err := master.StdoutPipe()
	ok(t, err)
	ok(t, master.Start())
	_, err = out.Read(make([]byte, 1))
	ok(t, err)
	if out, err := run(t, "", append(s.Command(), "-S", socket, "-o", "ControlMaster=no", "-v", "far", "true")...); !strings.Contains(out, "refused by peer") {
		t.Errorf("a second session of the same connection: %v\n%s", err, out)
	}
	ok(t, in.Close())
	ok(t, master.Wait())
}

func TestAProxyLeadsToTheServer(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	const oneWay = 5 * time.Millisecond
	p := NewProxy(t, s.Addr, Faults{Latency: oneWay})
	begun := time.Now()
	over(t, p.Through(s.Command()), "true")
	// A login takes at least six round trips.
	if d := time.Since(begun); d < 12*oneWay {
		t.Errorf("a command took %v with %v each way", d, oneWay)
	}
	if c := p.Counts(); c.Conns != 1 || c.Up == 0 || c.Down == 0 {
		t.Errorf("counts are %+v", c)
	}
	p.Set(Faults{CutAfter: 64 << 10})
	if out, err := run(t, "", append(p.Through(s.Command()), "far", "head -c 1000000 /dev/zero")...); err == nil {
		t.Errorf("a command went well though its connection was cut after 64 KiB of 1 MB, %d bytes came", len(out))
	}
	if c := p.Counts(); c.Cuts != 1 {
		t.Errorf("counts are %+v", c)
	}
}
