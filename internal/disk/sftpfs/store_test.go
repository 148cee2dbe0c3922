package sftpfs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/files"
	"varve/internal/disk/sftpfs"
	"varve/internal/restore"
	"varve/internal/sshtest"
	"varve/internal/storetest"
	"varve/internal/tree"
	"varve/internal/walk"
)

// place is where one tree store lies.
type place struct {
	disk *sftpfs.Disk
	name string
}

// Open opens the store, making it the first time.
func (p place) Open() (varve.Store, error) {
	top := p.disk.Root()
	err := top.Mkdir(p.name, 0o755)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	root, openErr := top.OpenDir(p.name)
	if openErr != nil {
		return nil, openErr
	}
	if err == nil {
		err = tree.Init(root)
	} else {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return tree.Open(root, tree.Options{Far: true})
}

func TestATreeOverSFTPIsAStore(t *testing.T) {
	if slow || testing.Short() {
		t.Skip("takes long; a save, a restore and a verification happen in another test too")
	}
	// Without flushing, which is what takes the time here; other tests see to that.
	connect := dialHiding(t, sshtest.SFTPOptions{}, func(e string) bool { return e == extFsync })
	d := open(t, sshtest.Dir(t, -1), sftpfs.Options{Connections: 1, Dial: connect})
	n := 0
	storetest.Run(t, func(*testing.T) storetest.Storage {
		n++
		return place{d, fmt.Sprint("store ", n)}
	})
}

func TestFilesOverSFTPAreAStorage(t *testing.T) {
	d := open(t, sshtest.Dir(t, -1), swift(sftpfs.Options{Connections: 1, Durable: true}))
	dirs := fresh(d)
	backendtest.Run(t, func(t *testing.T) varve.Backend { return files.Open(dirs(t), files.Options{}) }, backendtest.Options{Big: 1 << 20})
}

// TestATreeIsPulledAndPutBackOverLinesThatBreak saves a tree over SFTP from a source over SFTP, and restores it over SFTP, while both lines break.
func TestATreeIsPulledAndPutBackOverLinesThatBreak(t *testing.T) {
	t.Parallel()
	source, store, target := sshtest.Dir(t, -1), sshtest.Dir(t, -1), sshtest.Dir(t, -1)
	grow(t, source, 3, 2)
	old := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	must(t, filepath.Walk(source, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.Mode()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, old, old)
	}))
	s := &scissors{}
	connect := func(path string) *sftpfs.Disk {
		return open(t, path, swift(sftpfs.Options{Connections: 2, Durable: true, GiveUp: 24 * time.Hour, Dial: dialCut(t, s, sshtest.SFTPOptions{})}))
	}
	far := connect(store)
	must(t, tree.Init(far.Root()))
	st, err := tree.Open(far.Root(), tree.Options{Far: true})
	must(t, err)
	from, to := connect("/"), connect(target)
	for round, answers := range []bool{true, false} {
		s.repeat(answers, 61)
		src, err := walk.New(from.Root(), []string{strings.TrimPrefix(source, "/")}, walk.Options{Far: true, Workers: 8})
		must(t, err)
		snap, err := st.Save(t.Context(), src, varve.SaveOptions{Series: "s", Host: "h", Sources: []string{source}, Now: time.Now})
		must(t, errors.Join(err, src.Close()))
		if snap.State != varve.Complete || snap.Files != 3*2*13 || round > 0 && snap.Added != 0 {
			t.Errorf("snapshot %+v", snap)
		}
		if round == 0 {
			continue
		}
		view, err := st.View(t.Context(), snap.ID)
		must(t, err)
		done, err := restore.Run(t.Context(), view, to.Root(), restore.Options{Far: true, Privileged: true, Workers: 8})
		must(t, errors.Join(err, view.Close()))
		if done.Failed > 0 {
			t.Errorf("restored: %+v", done)
		}
	}
	s.set(false, 0)
	report, err := st.Verify(t.Context(), varve.VerifyOptions{})
	if err != nil || report.Damage > 0 {
		t.Errorf("verified: %+v, error %v", report, err)
	}
	must(t, st.Close())
	if out, err := exec.Command("diff", "-r", "--no-dereference", source, filepath.Join(target, source)).CombinedOutput(); err != nil {
		t.Errorf("diff: %v\n%s", err, out)
	}
	if n := s.counted(); n < 10 {
		t.Errorf("%d cuts only", n)
	}
}
