package doctor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve"
	"varve/internal/location"
	"varve/internal/remote"
	"varve/internal/sshtest"
)

// serveVariable makes the test's own program a varve serve.
const serveVariable = "VARVE_DOCTOR_TEST_SERVE"

// serve answers a varve at standard input and output, as varve serve with these arguments does, and returns the exit code.
func serve(args []string) int {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	svc := remote.Service{Program: "varve of the test", HostName: "there"}
	read, full, appends := flags.Bool("read", false, ""), flags.Bool("full", false, ""), flags.Bool("append", false, "")
	at := flags.String("store", "", "")
	flags.StringVar(&svc.Series, "series", "", "")
	flags.Int64Var(&svc.Quota, "quota", 0, "")
	if err := flags.Parse(args[1:]); err != nil {
		return 64
	}
	for role, given := range map[remote.Role]bool{remote.Read: *read, remote.Full: *full, remote.Append: *appends} {
		if given {
			svc.Role = role
		}
	}
	if svc.Role == remote.Read {
		svc.OpenSource = func(context.Context, remote.SourceRequest) (remote.Walk, []string, error) {
			return nil, nil, errors.New("nothing is to be read here")
		}
	}
	if *at != "" {
		offer, err := location.Serve(context.Background(), *at, location.Options{})
		if errors.Is(err, varve.ErrNoStore) {
			fmt.Fprintln(os.Stderr, err)
			return 10
		}
		if err != nil {
			return 1
		}
		defer offer.Close()
		svc.Store = offer.Tree
	}
	if err := remote.Serve(context.Background(), standard{os.Stdin, os.Stdout}, svc); err != nil {
		return 1
	}
	return 0
}

// standard is standard input and output as one pipe.
type standard struct {
	io.Reader
	io.WriteCloser
}

// program makes a program that is a varve serve, and returns its path.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(sshtest.Dir(t, -1), "varve")
	write(t, path, "#!/bin/sh\nexport "+serveVariable+"=1 GORACE=atexit_sleep_ms=0\nexec "+command(self)+" \"$@\"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAVarveOnTheOtherSideSaysWhatItIs(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	varveThere := program(t)
	store := filepath.Join(s.Dir, "store")
	if err := location.Init(t.Context(), store, location.Options{}); err != nil {
		t.Fatal(err)
	}
	look := func(ssh []string, place string) report {
		o := over(ssh)
		o.Location.Reach.Program = varveThere
		return examine(t, place, o)
	}
	r := look(s.Command(), "ssh://box"+s.Home+"/store")
	r.fine(t)
	r.has(t, Good, "varve there", "varve of the test on there")
	r.has(t, Good, "rights", "no forced command")
	r.has(t, Good, "store", "a tree")

	r = look(s.Command(), "ssh://box"+s.Home)
	r.fine(t)
	r.has(t, Warning, "store", "is no store", "varve init ssh://box"+s.Home)

	r = look(s.AddKey(t, varveThere+" serve --append --store "+store+" --series web --quota 1073741824"), "ssh://box/any")
	r.fine(t)
	r.has(t, Good, "rights", "forced command", "role append", "a tree", "series web only", "1.0 GiB")

	r = look(s.AddKey(t, varveThere+" serve --read"), "ssh://box/any")
	r.fine(t)
	r.has(t, Good, "rights", "forced command", "role read", "files to be read")

	r = look(s.AddKey(t, varveThere+" serve --full"), "ssh://box/any")
	r.has(t, Wrong, "rights", "nothing is served", "varve serve -s STORE")

	r = look(s.AddKey(t, varveThere+" serve --append --store "+s.Dir+"/none"), "ssh://box/any")
	r.has(t, Wrong, "store", "no store")

	examine(t, "box:", over(s.AddKey(t, varveThere+" serve --read"))).has(t, Wrong, "sftp", "ssh://box/DIR")
}

func TestAMissingVarveIsExplained(t *testing.T) {
	t.Parallel()
	s := sshtest.Start(t, sshtest.Options{})
	o := over(s.Command())
	o.Location.Reach.Program = "varve-that-is-not-there"
	r := examine(t, "ssh://box/srv", o)
	r.has(t, Good, "host key")
	r.has(t, Wrong, "varve there", "--remote-varve", "varve-that-is-not-there", "box:/srv")
	o.Location.Reach.Program = "echo"
	examine(t, "ssh://box/srv", o).has(t, Wrong, "varve there", "no varve", "must print nothing")
	s.WriteKnownHosts(t)
	examine(t, "ssh://box/srv", o).has(t, Wrong, "host key", "ssh-keyscan")
	ssh, public := s.NewKey(t)
	s.WriteKnownHosts(t, s.HostKey)
	examine(t, "ssh://box/srv", over(ssh)).has(t, Wrong, "login", "ssh-copy-id -i "+public)
}

func TestAVarveOfAnotherVersionIsNamed(t *testing.T) {
	t.Parallel()
	r := told(func(e *exam) {
		e.o.Location.Reach.Version = "varve 2"
		e.answers(remote.Info{Program: "varve 1", Host: "there"})
	})
	r.has(t, Note, "varve there", "varve 1 on there", "here it is varve 2")
	if strings.Contains(r.String(), "wrong") {
		t.Error(r)
	}
}
