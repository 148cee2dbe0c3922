//go:build linux

package e2e

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/backend/files"
	"varve/internal/backend/limit"
	"varve/internal/backend/retry"
	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/part"
	"varve/internal/restore"
	"varve/internal/seal"
	"varve/internal/sshtest"
	"varve/internal/tree"
	"varve/internal/vault"
	"varve/internal/walk"
)

// lines are the connections to the real sftp-server that one test has made, each of which fails.
type lines struct {
	*testing.T
	faults sshtest.Faults

	mu    sync.Mutex
	conns []*sshtest.Conn
}

func (l *lines) dial(context.Context) (io.ReadWriteCloser, error) {
	c := sshtest.Faulty(sshtest.SFTPServer(l.T, sshtest.SFTPOptions{}), l.faults)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	return c, nil
}

// cuts returns how many of them were cut.
func (l *lines) cuts() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		n += c.Counts().Cuts
	}
	return n
}

// open opens a directory through such lines, with a clock that runs a hundred times as fast, so that pauses are short.
func (l *lines) open(dir string) *sftpfs.Disk {
	l.Helper()
	begin := time.Now()
	d, err := sftpfs.Open(l.Context(), dir, sftpfs.Options{
		Dial: l.dial, GiveUp: 24 * time.Hour,
		Now:   func() time.Time { return begin.Add(100 * time.Since(begin)) },
		After: func(d time.Duration) <-chan time.Time { return time.After(d / 100) },
	})
	ok(l, err)
	l.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, disk.ErrLost) {
			l.Errorf("close: %v", err)
		}
	})
	return d
}

// save saves what lies in dir on a disk, which it closes.
func save(t *testing.T, store varve.Store, from disk.FS, dir string, far bool) varve.Snapshot {
	t.Helper()
	src, err := walk.New(from, []string{strings.TrimPrefix(dir, "/")}, walk.Options{Far: far})
	ok(t, err)
	snap, err := store.Save(t.Context(), src, varve.SaveOptions{Series: "s", Host: "h", Sources: []string{dir}, Now: time.Now})
	ok(t, errors.Join(err, src.Close()))
	if snap.State != varve.Complete {
		t.Fatalf("the snapshot is %s: %+v", snap.State, snap)
	}
	return snap
}

// putBack restores what a snapshot has of dir into a disk, which it closes.
func putBack(t *testing.T, store varve.Store, id varve.SnapshotID, dir string, to disk.FS) {
	t.Helper()
	view, err := store.View(t.Context(), id)
	ok(t, err)
	src, _, err := part.Of(t.Context(), view, strings.TrimPrefix(dir, "/"))
	ok(t, err)
	done, err := restore.Run(t.Context(), src, to, restore.Options{Far: true, Privileged: true})
	ok(t, errors.Join(err, view.Close()))
	if done.Failed > 0 {
		t.Errorf("restored: %+v", done)
	}
}

// isSound wants all that a store has to be what was saved.
func isSound(t *testing.T, store varve.Store) {
	t.Helper()
	r, err := store.Verify(t.Context(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			t.Errorf("verify: %s: %v", e.Path, e.Err)
		}
	}})
	if err != nil || r.Damage > 0 {
		t.Errorf("verify: %+v, error %v", r, err)
	}
}

// farVault opens the vault of a disk as the program does, making it where there is no key yet.
func farVault(t *testing.T, d *sftpfs.Disk, key *seal.KeyFile) *vault.Store {
	t.Helper()
	storage := retry.New(limit.New(files.Open(d.Root(), files.Options{}), limit.Options{Operations: 16}), retry.Options{})
	if key.Kind == "" {
		made, err := vault.Init(t.Context(), storage, vault.InitOptions{})
		ok(t, err)
		*key = made
	}
	v, err := vault.Open(t.Context(), storage, vault.Credentials{Key: key}, vault.Options{Cache: t.TempDir(), State: t.TempDir(), Requests: 16})
	ok(t, err)
	return v
}

// TestAThousandCutsLoseNothing pulls over SFTP into trees and vaults on the other side, restores to the other side, and frees space there,
// while each connection is cut after 64 KiB.
func TestAThousandCutsLoseNothing(t *testing.T) {
	t.Parallel()
	scale := 3
	if testing.Short() {
		scale = 1
	}
	source := sshtest.Dir(t, -1)
	fill(t, source+"/small", 1, 40*scale, 5<<10)
	fill(t, source+"/large", 2, 2*scale, 600<<10)
	wholeSeconds(t, source) // what has just changed is read again next time
	l := &lines{T: t, faults: sshtest.Faults{CutAfter: 64 << 10}}
	for _, kind := range []string{"tree", "vault"} {
		t.Run(kind, func(t *testing.T) {
			begun := l.cuts()
			at, to := sshtest.Dir(t, -1), sshtest.Dir(t, -1)
			d := l.open(at)
			var store varve.Store
			var v *vault.Store
			if kind == "tree" {
				ok(t, tree.Init(d.Root()))
				s, err := tree.Open(d.Root(), tree.Options{Far: true})
				ok(t, err)
				store = s
			} else {
				v = farVault(t, d, &seal.KeyFile{})
				store = v
			}
			first := save(t, store, l.open("/").Root(), source, true)
			isSound(t, store)
			putBack(t, store, first.ID, source, l.open(to).Root())
			run(t, "", "diff", "-r", source, to)

			fill(t, source+"/more-"+kind, 3, 4*scale, 100<<10)
			second := save(t, store, l.open("/").Root(), source, true)
			if most := int64(4*scale*100<<10) * 11 / 10; second.Added > most {
				t.Errorf("the second snapshot adds %d bytes, want %d at the most", second.Added, most)
			}
			ok(t, store.Forget(t.Context(), first.ID))
			if v != nil {
				_, err := v.Prune(t.Context(), vault.PruneOptions{Undo: -1, MaxUnused: -1})
				ok(t, err)
			}
			isSound(t, store)
			if list, err := store.Snapshots(t.Context()); err != nil || len(list) != 1 || list[0].ID != second.ID {
				t.Errorf("there are %+v, %v", list, err)
			}
			putBack(t, store, second.ID, source, open(t, sshtest.Dir(t, -1)))
			ok(t, store.Close())
			t.Logf("%d cuts", l.cuts()-begun)
		})
	}
	if n := l.cuts(); n < 1000 && !testing.Short() {
		t.Errorf("%d cuts only", n)
	}
}
