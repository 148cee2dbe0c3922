package sftpfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sftp"
	"varve/internal/ssh"
	"varve/internal/sshtest"
)

var errRefused = errors.New("connection refused")

// crowd does something with many files at once.
func crowd(t *testing.T, d *sftpfs.Disk, files int) {
	t.Helper()
	root := d.Root()
	defer root.Close()
	var wg sync.WaitGroup
	for i := range files {
		wg.Go(func() {
			name := fmt.Sprint("file ", i)
			data := make([]byte, 20_000)
			_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(data)
			w, err := root.Create(name, 0o600)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = w.WriteAt(data, 0)
			if err = errors.Join(err, w.Close(), root.Rename(name, root, "done "+name)); err != nil {
				t.Error(err)
				return
			}
			r, err := root.Open("done " + name)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<40))
			if err = errors.Join(err, r.Close()); err != nil || string(got) != string(data) {
				t.Errorf("%s: %d bytes, error %v", name, len(got), err)
			}
		})
	}
	wg.Wait()
}

func TestConnectionsAreOpenedAsTheyAreNeededAndNoMore(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	connect := dial(t, sshtest.SFTPOptions{})
	d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 3, Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
		dials.Add(1)
		return connect(ctx)
	}})
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections to begin with", n)
	}
	crowd(t, d, 60)
	if n := dials.Load(); n < 2 || n > 3 {
		t.Errorf("%d connections", n)
	}
}

func TestARefusedFurtherConnectionIsNoErrorAndNotTriedAllTheTime(t *testing.T) {
	t.Parallel()
	var dials, warnings atomic.Int64
	connect := dial(t, sshtest.SFTPOptions{})
	d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Warn: func(error) { warnings.Add(1) },
		Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			if dials.Add(1) > 1 {
				return nil, errRefused
			}
			return connect(ctx)
		}})
	crowd(t, d, 60)
	if n := dials.Load(); n != 2 {
		t.Errorf("%d attempts to connect", n)
	}
	if n := warnings.Load(); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

func TestTheFirstConnectionThatFailsIsFinal(t *testing.T) {
	t.Parallel()
	dials := 0
	_, err := sftpfs.Open(t.Context(), "", sftpfs.Options{Dial: func(context.Context) (io.ReadWriteCloser, error) {
		dials++
		return nil, errRefused
	}})
	if !errors.Is(err, errRefused) || !errors.Is(err, disk.ErrLost) || err.Error() != errRefused.Error() || dials != 1 {
		t.Errorf("error %v after %d attempts", err, dials)
	}
}

func TestAFirstSessionThatIsLostIsTriedAgainUnlessThatIsHopeless(t *testing.T) {
	t.Parallel()
	for want, why := range map[int]error{3: io.EOF, 1: ssh.ErrLogin} {
		dials := 0
		_, err := sftpfs.Open(t.Context(), "", swift(sftpfs.Options{Dial: func(context.Context) (io.ReadWriteCloser, error) {
			dials++
			return broken{why}, nil
		}}))
		if !errors.Is(err, disk.ErrLost) || strings.Contains(err.Error(), "session") || dials != want {
			t.Errorf("%v: error %v after %d attempts, want %d", why, err, dials, want)
		}
	}
}

// broken is a connection that ends for a reason.
type broken struct{ why error }

func (b broken) Read([]byte) (int, error)    { return 0, b.why }
func (b broken) Write(p []byte) (int, error) { return len(p), nil }
func (b broken) Close() error                { return nil }

func TestALostServerIsTriedAgainAndGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	var dials atomic.Int64
	var last *sshtest.Pipe
	o := swift(sftpfs.Options{Connections: 1, GiveUp: 5 * time.Minute, Dial: func(context.Context) (io.ReadWriteCloser, error) {
		if dials.Add(1); down.Load() {
			return nil, errRefused
		}
		last = sshtest.SFTPServer(t, sshtest.SFTPOptions{})
		return last, nil
	}})
	d := open(t, "", o)
	root := d.Root()
	last.Kill()
	if _, err := root.Names(); err != nil {
		t.Errorf("after one loss: %v", err)
	}
	down.Store(true)
	last.Kill()
	_, err := root.Lookup(".")
	if !errors.Is(err, disk.ErrLost) || !errors.Is(err, errRefused) {
		t.Errorf("error %v", err)
	}
	if n := dials.Load(); n < 8 || n > 40 {
		t.Errorf("%d attempts to connect within five minutes", n)
	}
	tried := dials.Load()
	if _, err := root.Names(); !errors.Is(err, disk.ErrLost) || dials.Load() != tried {
		t.Errorf("after it was given up: error %v, %d more attempts", err, dials.Load()-tried)
	}
}

func TestNothingIsReplacedOnceTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	var last *sshtest.Pipe
	d, err := sftpfs.Open(ctx, "", sftpfs.Options{Connections: 1, Dial: func(context.Context) (io.ReadWriteCloser, error) {
		last = sshtest.SFTPServer(t, sshtest.SFTPOptions{})
		return last, nil
	}})
	must(t, err)
	why := errors.New("interrupted")
	cancel(why)
	root := d.Root()
	if _, err := root.Lookup("."); err != nil {
		t.Errorf("while the session is there: %v", err)
	}
	last.Kill()
	if _, err := root.Names(); !errors.Is(err, disk.ErrLost) || !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
	must(t, d.Close())
}

func TestAClosedDiskAnswersWithErrors(t *testing.T) {
	t.Parallel()
	d := open(t, "", sftpfs.Options{})
	root := d.Root()
	must(t, d.Close())
	if _, err := root.Lookup("."); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestALineThatIsCutAllTheTimeStillCarriesEverything(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{false, true} {
		s := &scissors{}
		d := open(t, sshtest.Dir(t, -1), swift(sftpfs.Options{Connections: 2, Durable: true, GiveUp: 24 * time.Hour,
			Dial: dialCut(t, s, sshtest.SFTPOptions{})}))
		s.repeat(answers, 17)
		crowd(t, d, 8)
		big := make([]byte, 400_000)
		_, _ = rand.NewChaCha8([32]byte{}).Read(big)
		root := d.Root()
		write(t, root, "big", string(big))
		if read(t, root, "big") != string(big) || onDisk(t, filepath.Join(d.Path(), "big")) != string(big) {
			t.Error("the content is another one")
		}
		must(t, root.Remove("big"))
		if n := s.counted(); n < 20 {
			t.Errorf("%d cuts only", n)
		}
		s.set(false, 0)
	}
}

func TestAServerThatBreaksTheProtocolAgainAndAgainIsGivenUp(t *testing.T) {
	t.Parallel()
	spy := newSpy()
	d := open(t, "", swift(sftpfs.Options{Connections: 1, Dial: dialSpied(t, spy, sshtest.SFTPOptions{})}))
	spy.mu.Lock()
	spy.answer = func(request, p []byte) []byte {
		if request[4] == typeLstat {
			return frame(typeName, p, number(1<<30))
		}
		return p
	}
	spy.mu.Unlock()
	if _, err := d.Root().Lookup("x"); !errors.Is(err, sftp.ErrProtocol) || !errors.Is(err, disk.ErrLost) {
		t.Errorf("error %v", err)
	}
}

func TestADirectoryThatIsNoneCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for path, want := range map[string]error{"absent": fs.ErrNotExist, "file": disk.ErrKind, "file/x": fs.ErrNotExist} {
		_, err := sftpfs.Open(t.Context(), filepath.Join(dir, path), sftpfs.Options{Dial: dial(t, sshtest.SFTPOptions{})})
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", path, err, want)
		}
	}
}
