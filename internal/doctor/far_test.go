package doctor

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve/internal/location"
	"varve/internal/sshtest"
)

func TestAServerThatCanDoAllIsFound(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	o := over(s.Command())
	o.Location.Reach.Connections = 2
	r := examine(t, "box:"+s.Home, o)
	r.fine(t)
	if odd := r.at(Warning); len(odd) > 0 {
		t.Errorf("warnings%v", odd)
	}
	r.has(t, Good, "address", s.Addr)
	r.has(t, Good, "host key")
	r.has(t, Good, "login", s.User)
	r.has(t, Good, "extensions", "hardlink", "fsync", "lsetstat")
	r.has(t, Good, "sessions", "2 at once")
	r.has(t, Good, "place", "empty")
	r.has(t, Good, "space", "free")
	r.has(t, Good, "plain rename")
	r.has(t, Good, "clock")
	r.has(t, Good, "locks")
	r.has(t, Note, "as a tree", "ACLs", "fractions of seconds")
	holds(t, s.Dir)
}

func TestReadOnlyMakesNothing(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	before, err := os.Stat(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	o := over(s.Command())
	o.ReadOnly = true
	r := examine(t, "box:"+s.Home+"/new/store", o)
	r.fine(t)
	r.has(t, Note, "writing", "not tried")
	r.has(t, Warning, "place", "varve init box:"+s.Home+"/new/store")
	if after, err := os.Stat(s.Dir); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the directory was changed at %v, %v", after.ModTime(), err)
	}
}

func TestAHostKeyThatIsNotKnownIsNeverAccepted(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	s.WriteKnownHosts(t)
	r := examine(t, "box:", over(s.Command()))
	r.has(t, Wrong, "host key", "does not know", "ssh-keyscan -p", "ssh-keygen -lf -", "StrictHostKeyChecking=ask")
	if len(r.at(Wrong)) != 1 {
		t.Errorf("more is wrong%v", r)
	}
	again := examine(t, "box:", over(s.Command()))
	again.has(t, Wrong, "host key")
}

func TestAHostKeyThatHasChangedIsNamed(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	_, other := s.NewKey(t)
	s.WriteKnownHosts(t, strings.TrimSpace(read(t, other)))
	r := examine(t, "box:", over(s.Command()))
	r.has(t, Wrong, "host key", "another one than in", "do not log in", "ssh-keygen -R sshtest -f", "ssh-keyscan")
}

func TestARefusedLoginNamesTheKeysThatWereOffered(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	ssh, public := s.NewKey(t)
	r := examine(t, "box:", over(ssh))
	host, port, _ := strings.Cut(s.Addr, ":")
	r.has(t, Good, "host key")
	r.has(t, Wrong, "login", strings.TrimSuffix(public, ".pub")+" ED25519", "publickey",
		"ssh-copy-id -i "+public+" -p "+port+" "+s.User+"@"+host)
}

func TestSeed_B4_AStorageBoxGetsItsKeyByTheCommandItHas(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	ssh, public := s.NewKey(t)
	r := examine(t, "u1.your-storagebox.de:backup", over(ssh))
	r.has(t, Wrong, "login", "cat "+public+" | ssh -p23 "+s.User+"@", "install-ssh-key", "RFC 4716", "RSA or ECDSA", "ssh-keygen -e -f "+public, ":23/")
	c := settings{host: "u1.your-storagebox.de", port: "23", user: "u1"}
	if line := installInBox(c, "/k.pub"); strings.Contains(line, "4716") || !strings.HasPrefix(line, "cat /k.pub | ssh -p23 u1@u1.your-storagebox.de install-ssh-key\n") {
		t.Errorf("on port 23 a key is installed by %q", line)
	}
}

func TestSeed_B5_TheLimitsOfAStorageBoxAreNamed(t *testing.T) {
	t.Parallel()
	s := box(t)
	o := over(s.Command())
	o.Location.Reach.Connections = 11
	r := examine(t, "u1.your-storagebox.de:/etc/backup", o)
	r.has(t, Wrong, "writing", "/etc cannot be made", "relative to the login directory", "u1.your-storagebox.de:backup/backup")
	r.has(t, Warning, "sessions", "11 are asked for", "grants 10")
	r.has(t, Note, "storage box", "without a slash")
	if s.Counts().Refused > 0 {
		t.Errorf("connections were refused: %+v", s.Counts())
	}
	r = examine(t, "ssh://u1.your-storagebox.de/~/backup", o)
	r.has(t, Wrong, "varve there", "nothing can be run", "u1.your-storagebox.de:backup")
}

func TestSeed_B1_WithoutChownTheManifestHasTheOwners(t *testing.T) {
	t.Parallel()
	s := box(t)
	r := examine(t, "box:backup", over(s.Command()))
	r.fine(t)
	r.has(t, Note, "owners", "manifest")
	r.has(t, Note, "as a tree", "owners")
	r.has(t, Good, "writing", "backup can be made")
	holds(t, s.Dir)
}

func TestSeed_B2_FewErrorsAreMadeOnTheOtherSide(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	ssh, _ := s.NewKey(t)
	examine(t, "box:", over(ssh)).has(t, Wrong, "login")
	if n := strings.Count(s.Log(), "Connection closed by authenticating user") + strings.Count(s.Log(), "Disconnected from authenticating user"); n > 2 {
		t.Errorf("%d logins failed:\n%s", n, s.Log())
	}
}

func TestSeed_HF6_AFarPlaceIsLookedAtAsANearOne(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	near := Options{}
	far := over(s.Command())
	store := filepath.Join(s.Dir, "store")
	if err := location.Init(t.Context(), store, near.Location); err != nil {
		t.Fatal(err)
	}
	for place, o := range map[string]Options{store: near, "box:" + s.Home + "/store": far} {
		r := examine(t, place, o)
		r.fine(t)
		r.has(t, Good, "store", "a tree, format: 1, without a snapshot yet")
		r.has(t, Good, "hard links")
		r.has(t, Good, "locks")
	}
	holds(t, store, ".varve")
}

func TestSeed_L10_WhatSFTPDoesNotTellOfASourceIsNamed(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{User: "reader"})
	write(t, filepath.Join(s.Dir, "file"), "content")
	secret := filepath.Join(s.Dir, "secret")
	write(t, secret, "content")
	if err := os.Chmod(secret, 0o600); err != nil {
		t.Fatal(err)
	}
	r := examine(t, "box:"+s.Home, over(s.Command()))
	r.fine(t)
	r.has(t, Note, "as a source", "hard links", "ACLs", "inode numbers", "ssh://box/DIR")
	r.has(t, Warning, "reading", "1 of 2 objects", "secret")
}

func TestWhatAServerDoesNotOfferIsNamedAndNothingIsWrong(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{SFTPArgs: []string{"-P",
		"setstat,fsetstat,lsetstat,hardlink,posix-rename,fsync,statvfs,limits,symlink,users-groups-by-id"}})
	r := examine(t, "box:"+s.Home, over(s.Command()))
	r.fine(t)
	r.has(t, Warning, "hardlink", "vault")
	r.has(t, Warning, "hard links", "varve init --kind vault box:"+s.Home)
	for _, what := range []string{"fsync", "statvfs", "posix-rename", "lsetstat", "limits", "users-groups-by-id", "modes", "owners", "times", "symlinks"} {
		r.has(t, Note, what)
	}
	r.has(t, Note, "space", "not told")
	r.has(t, Note, "as a tree", "hard links", "modification times", "--kind vault")
	holds(t, s.Dir)
}

func TestAServerThatIsReadOnlyIsGoodForASourceAlone(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{SFTPArgs: []string{"-R"}})
	source := mkdir(t, s.Dir, "source")
	write(t, filepath.Join(source, "file"), "content")
	r := examine(t, "box:"+s.Home+"/source", over(s.Command()))
	r.fine(t)
	r.has(t, Warning, "writing", "good for a source")
	if err := location.Init(t.Context(), filepath.Join(s.Dir, "store"), location.Options{}); err != nil {
		t.Fatal(err)
	}
	r = examine(t, "box:"+s.Home+"/store", over(s.Command()))
	r.has(t, Wrong, "writing", "no snapshot")
}

func TestFewerSessionsAreCountedAndTheExamGoesOn(t *testing.T) {
	t.Parallel()
	for most, words := range map[int]string{1: "1 at once, not 4", 2: "2 at once, not 4"} {
		s := sshtest.Start(t, sshtest.Options{MaxConns: most})
		o := over(s.Command())
		o.Location.Reach.Connections = 0
		r := examine(t, "box:"+s.Home, o)
		r.fine(t)
		r.has(t, Note, "sessions", words, "--connections")
		r.has(t, Good, "writing")
	}
}

func TestALoginThatPrintsTextIsExplained(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{ForceCommand: `printf '\033[31mWelcome\007\n'`})
	r := examine(t, "box:", over(s.Command()))
	r.has(t, Wrong, "sftp", "Welcome", "must print nothing")
	if strings.ContainsAny(r.String(), "\x1b\x07") {
		t.Errorf("what the server says got through as it was: %q", r)
	}
}

func TestALoginThatEndsAtOnceIsExplained(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{ForceCommand: "true"})
	examine(t, "box:", over(s.Command())).has(t, Wrong, "sftp", "ends at once")
}

func TestAServerWithoutSFTPIsExplained(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{ForceCommand: "/nonexistent"})
	r := examine(t, "box:", over(s.Command()))
	r.has(t, Good, "login")
	r.has(t, Wrong, "sftp", "Subsystem sftp")
}

func TestWhatIsBetweenIsLookedFor(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	gone := sshtest.NewProxy(t, s.Addr, sshtest.Faults{MaxConns: -1})
	early := sshtest.NewProxy(t, s.Addr, sshtest.Faults{CutAfter: 60, Count: sshtest.Down})
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(web.URL, "http://"), ":")
	for name, c := range map[string]struct {
		ssh   []string
		place string
		what  string
		parts []string
	}{
		"no such name":       {[]string{"ssh", "-F", "/dev/null", "-o", "HostName=nothing.invalid"}, "", "name", []string{"nothing.invalid", "~/.ssh/config"}},
		"nothing listens":    {append(s.Command(), "-o", "Port=1"), "", "address", []string{"127.0.0.1:1", "refused"}},
		"reset":              {gone.Through(s.Command()), "", "connection", []string{"hangs up", "--connections 1"}},
		"not an SSH server":  {append(s.Command(), "-o", "Port="+port), "", "address", []string{"not as an SSH server"}},
		"cut in the middle":  {early.Through(s.Command()), "", "connection", []string{"not to the end", "--connections 1"}},
		"no program":         {[]string{"/nonexistent/ssh"}, "", "ssh", []string{"--ssh"}},
		"an odd program":     {[]string{"false"}, "", "sftp", []string{"false box true"}},
		"by way of nothing":  {append(s.Command(), "-o", "ProxyCommand=false"), "", "connection", []string{"on the way"}},
		"a host with a dash": {s.Command(), "-oProxyCommand=false:dir", "place", []string{"cannot be a host"}},
		"a kind unknown":     {s.Command(), "s3:bucket", "place", []string{"HOST:DIR"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := over(c.ssh)
			o.Patience = 9 * time.Second
			if name == "not an SSH server" { // which waits in silence for a third of it
				o.Patience = 3 * time.Second
			}
			r := examine(t, cmp.Or(c.place, "box:"), o)
			r.has(t, Wrong, c.what, c.parts...)
			if len(r.at(Wrong)) != 1 {
				t.Errorf("one thing is wrong, not%v", r)
			}
		})
	}
}

func TestAServerThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	for name, after := range map[string]int64{"before the login": 100, "later": 5000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := sshtest.NewProxy(t, s.Addr, sshtest.Faults{StallAfter: after, Count: sshtest.Down})
			o := over(proxy.Through(s.Command()))
			o.Patience = time.Second
			start := time.Now()
			r := examine(t, "box:"+s.Home, o)
			if len(r.at(Wrong)) != 1 {
				t.Errorf("one thing is wrong, not%v", r)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestClocksThatDisagreeAreTold(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	o := over(s.Command())
	o.Now = shifted(-2 * time.Hour)
	examine(t, "box:"+s.Home, o).has(t, Wrong, "clock", "ahead of this one", "NTP")
	for level, ahead := range map[Level]time.Duration{Warning: -3 * time.Second, Wrong: -3 * time.Hour} {
		told(func(e *exam) { e.clock(ahead, true) }).has(t, level, "clock", "behind this one")
	}
	told(func(e *exam) { e.clock(2*time.Second, true) }).has(t, Good, "clock")
}

func TestWhoStopsListeningLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	for f := range Examine(t.Context(), "box:"+s.Home, over(s.Command())) {
		if f.What == "hard links" {
			if list, err := os.ReadDir(s.Dir); err != nil || len(list) != 1 {
				t.Errorf("there is no directory in which things are tried: %v, %v", list, err)
			}
			break
		}
	}
	holds(t, s.Dir)
}
