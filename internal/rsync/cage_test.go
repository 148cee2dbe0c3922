//go:build linux

package rsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// taken is an rsync that a peer has taken over: it tries everything, and tells what it could do.
const taken = `#!/bin/sh
[ "$1" = --version ] && { echo "rsync  version 3.5.0  protocol version 32"; exit 0; }
base=$(echo "$*" | sed 's/.*--link-dest=\([^ ]*\).*/\1/')
transit=$(echo "$*" | sed -n 's/.*--temp-dir=\([^ ]*\).*/\1/p')
try() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "can $what" >&2; fi; }
put() { sh -c 'echo evil >"$1"' - "$1"; }
try "read outside" cat OUTSIDE/secret
try "list outside" ls OUTSIDE
try "write outside" put OUTSIDE/secret
try "create outside" put OUTSIDE/new
try "remove outside" rm OUTSIDE/secret
try "link from outside" ln OUTSIDE/secret ./stolen
try "write outside by a link" sh -c 'ln -s OUTSIDE ./out && echo evil >./out/new'
try "connect" bash -c 'exec 3<>/dev/tcp/127.0.0.1/PORT'
try "send a datagram" bash -c 'echo evil >/dev/udp/127.0.0.1/PORT'
try "signal others" kill -0 $PPID
try "change the root" chroot / /bin/true
try "read the base" cat "$base/file"
try "create in the base" put "$base/new"
try "remove from the base" rm "$base/file"
try "rename in the base" mv "$base/file" "$base/other"
try "write into the base" sh -c 'echo evil >>"$1/file"' - "$base"
try "truncate the base" truncate -s 0 "$base/file"
try "link from the base" ln "$base/file" ./linked
try "write into the base by a link" sh -c 'echo evil >>./linked'
try "remove what is linked" rm ./linked
try "make directories" mkdir ./d
try "create files" put ./d/f
try "run what it brought" sh -c 'cp /bin/true ./run; ./run'
[ -n "$transit" ] && {
try "create files in transit" put "$transit/f"
try "rename files from transit" mv "$transit/f" ./d/arrived
try "write what has arrived" sh -c 'echo evil >>./d/arrived'
}
exit 23
`

// takeOver pushes to a server whose rsync is taken over, and returns what it could do.
func (s shelf) takeOver(t *testing.T) []string {
	t.Helper()
	outside := t.TempDir()
	write(t, outside+"/secret", "secret")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer func() { ok(t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	ok(t, err)
	program := filepath.Join(t.TempDir(), "rsync")
	write(t, program, strings.NewReplacer("OUTSIDE", outside, "PORT", port).Replace(taken))
	ok(t, os.Chmod(program, 0o755))

	cmd := s.serverCommand(t, "rsync --server -logDtpre.iLsfxCIvu . x")
	cmd.Env = append(cmd.Env, envProgram+"="+program)
	status, out := s.run(t, cmd)
	if status != statusPartial {
		t.Fatalf("status %d\n%s", status, out)
	}
	text, err := os.ReadFile(outside + "/secret")
	if names, _ := filepath.Glob(outside + "/*"); err != nil || string(text) != "secret" || len(names) != 1 {
		t.Errorf("outside there are now %v with %q, %v", names, text, err)
	}
	var can []string
	for line := range strings.Lines(out) {
		if what, found := strings.CutPrefix(strings.TrimSpace(line), "can "); found {
			can = append(can, what)
		}
	}
	return can
}

// serverCommand is a server without a client.
func (s shelf) serverCommand(t *testing.T, original string) *exec.Cmd {
	t.Helper()
	cmd := s.command(t)
	cmd.Path, cmd.Args = cmd.Args[2], append([]string{cmd.Args[2], "host"}, strings.Fields(original)...)
	return cmd
}

func TestACapturedRsyncWritesNowhereButInTheStage(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newShelf(t)
	write(t, s.dir+"/snaps/000/file", "good")
	can := s.takeOver(t)
	want := []string{"read the base", "link from the base", "remove what is linked", "make directories",
		"create files in transit", "rename files from transit"}
	if !canLeaveNetwork() {
		want = append([]string{"send a datagram"}, want...)
	}
	if !slices.Equal(can, want) {
		t.Errorf("it can %q, but should be able to %q", can, want)
	}
	if text, err := os.ReadFile(s.dir + "/snaps/000/file"); string(text) != "good" {
		t.Errorf("the older snapshot has %q now, %v", text, err)
	}
}

func TestACapturedRsyncWithFakeSuperRemovesNothingOutside(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fake = true
	write(t, s.dir+"/snaps/000/file", "good")
	can := s.takeOver(t)
	want := []string{"read the base", "write into the base", "truncate the base", "link from the base", "write into the base by a link",
		"remove what is linked", "make directories", "create files"}
	if !canLeaveNetwork() {
		want = append([]string{"send a datagram"}, want...)
	}
	if !slices.Equal(can, want) {
		t.Errorf("it can %q, but should be able to %q", can, want)
	}
}

func TestASymlinkInTheStageLeadsNowhere(t *testing.T) {
	t.Parallel()
	for _, fake := range []bool{false, true} {
		s := newShelf(t)
		s.fake = fake
		outside, one, two := t.TempDir(), t.TempDir(), t.TempDir()
		ok(t, os.Symlink(outside, one+"/a"))
		write(t, two+"/a/x", "evil")
		for _, args := range [][]string{
			{"-aR", "--no-implied-dirs", one + "/./a", two + "/./a/x"},
			{"-a", one + "/", two + "/"},
			{"-a", "--delete", two + "/", one + "/"},
			{"-a", "--force", one + "/a", two + "/a"},
		} {
			status, out := s.push(t, append(args, "host:x")...)
			if names, _ := filepath.Glob(outside + "/*"); len(names) > 0 {
				t.Errorf("%v: status %d, outside there are now %v\n%s", args, status, names, out)
			}
		}
	}
}

func TestGarbageMakesNoSnapshotAndEnds(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	greeting := []byte{32, 0, 0, 0}
	for name, in := range map[string][]byte{
		"nothing":   {},
		"noise":     noise(4, 1<<16),
		"greeting":  greeting,
		"then":      append(greeting[:4:4], noise(5, 1<<16)...),
		"zeros":     append(greeting[:4:4], make([]byte, 1<<16)...),
		"ancient":   {19, 0, 0, 0, 0, 0},
		"no number": []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		cmd := s.serverCommand(t, "rsync --server -logDtpre.iLsfxCIvu --delete . x")
		cmd.Stdin = bytes.NewReader(in)
		status, out := s.run(t, cmd)
		if status == 0 || len(s.list("snaps")) != 0 || len(s.list("partial")) != 0 {
			t.Errorf("%s: status %d, snapshots %v\n%s", name, status, s.list("snaps"), out)
		}
	}
}

func TestASilentClientIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"rsync":    "rsync --server -logDtpre.iLsfxCIvu . x",
		"secluded": "rsync --server -slogDtpre.iLsfxCIvu",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			cmd := s.serverCommand(t, line)
			cmd.Env = append(cmd.Env, envStall+"=1s")
			silent, mouth, err := os.Pipe()
			ok(t, err)
			cmd.Stdin = silent
			status, out := s.run(t, cmd)
			ok(t, errors.Join(silent.Close(), mouth.Close()))
			if status == 0 || len(s.list("snaps")) != 0 {
				t.Errorf("status %d\n%s", status, out)
			}
		})
	}
}

func TestCancellingEndsRsyncAndKeepsWhatArrived(t *testing.T) {
	t.Parallel()
	needRsync(t)
	s := newShelf(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, mouth, err := os.Pipe()
	ok(t, err)
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	ok(t, err)
	r := s.receiver()
	r.Log = func(line string) {
		if strings.HasPrefix(line, "run ") {
			time.AfterFunc(50*time.Millisecond, cancel)
		}
	}
	res, err := Serve(ctx, ServeOptions{Receiver: r, Original: "rsync --server -re.f . x", Stdin: in, Stdout: out})
	if !errors.Is(err, context.Canceled) || res.Status != statusSignal || res.Made || len(s.list("kept")) != 1 {
		t.Errorf("%+v, %v, kept %v", res, err, s.list("kept"))
	}
	ok(t, errors.Join(in.Close(), mouth.Close(), out.Close()))
}

func TestAnOldRsyncIsRunWithAWarningAndAnAncientOneNotAtAll(t *testing.T) {
	t.Parallel()
	needCage(t)
	for version, want := range map[string]string{
		"3.4.1":         "published weaknesses",
		"3.0.9":         "too old",
		"nothing known": "is not the version of an rsync",
	} {
		s := newShelf(t)
		program := filepath.Join(t.TempDir(), "rsync")
		write(t, program, fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] && { echo 'rsync  version %s  protocol version 31'; exit 0; }\nexit 1\n", version))
		ok(t, os.Chmod(program, 0o755))
		var told bytes.Buffer
		r := s.receiver()
		r.Program, r.Stderr = program, &told
		_, err := Serve(t.Context(), ServeOptions{Receiver: r, Original: "rsync --server -re.f . x"})
		if err == nil || !strings.Contains(told.String()+err.Error(), want) {
			t.Errorf("%s: %v, told %q", version, err, told.String())
		}
		if strings.Contains(told.String(), want) && !strings.Contains(s.logged(t), want) {
			t.Errorf("%s: the log does not have the warning", version)
		}
	}
}

func TestWithoutLandlockNothingIsDoneUnlessToldTo(t *testing.T) {
	t.Parallel()
	s, at := newShelf(t), daemon(t, sample(t))
	var told bytes.Buffer
	r := s.receiver()
	r.bare, r.Stderr = true, &told
	if res, err := Pull(t.Context(), PullOptions{Receiver: r, From: at}); !errors.Is(err, ErrUncaged) || res.Made {
		t.Errorf("%+v, %v", res, err)
	}
	if begun := append(s.list("partial"), s.list("kept")...); len(begun) > 0 {
		t.Errorf("begun: %v", begun)
	}
	r.Uncaged = true
	if res, err := Pull(t.Context(), PullOptions{Receiver: r, From: at}); err != nil || !res.Made {
		t.Errorf("%+v, %v\n%s", res, err, told.String())
	}
	if !strings.Contains(told.String(), "warning: rsync is not confined") {
		t.Errorf("nobody is warned: %q", told.String())
	}
}
