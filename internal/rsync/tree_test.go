//go:build linux

package rsync

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/tree"
)

// treeStage is a stage of a tree store, with paths that rsync can use.
type treeStage struct {
	*tree.Stage
	root  string
	store *tree.Store
}

func (g treeStage) Path() string { return filepath.Join(g.root, g.Stage.Path()) }

func (g treeStage) Links() (links []string) {
	for _, l := range g.Stage.Links() {
		links = append(links, filepath.Join(g.root, l))
	}
	return links
}

func (g treeStage) Commit(ctx context.Context, src varve.Source) (varve.Snapshot, error) {
	snap, err := g.Stage.Commit(ctx, src)
	return snap, errors.Join(err, g.store.Close())
}

func (g treeStage) Keep() error { return errors.Join(g.Stage.Keep(), g.store.Close()) }

func openTree(root string) (*tree.Store, error) {
	at, err := osfs.Open(root)
	if err != nil {
		return nil, err
	}
	uid, gid := os.Geteuid(), os.Getegid()
	return tree.Open(at, tree.Options{UID: uint32(uid), GID: uint32(gid), Privileged: uid == 0})
}

// treeReceiver receives into the tree store that lies in a shelf.
func (s shelf) treeReceiver() Receiver {
	r := s.receiver()
	root := filepath.Join(s.dir, "tree")
	r.Stage = func(ctx context.Context) (Stage, error) {
		store, err := openTree(root)
		if err != nil {
			return nil, err
		}
		g, err := store.Stage(ctx, varve.SaveOptions{Series: "pushed", Sources: []string{"/"}, Host: "client", Program: "test"})
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		return treeStage{g, root, store}, nil
	}
	return r
}

func (s shelf) initTree(t *testing.T) {
	t.Helper()
	ok(t, os.Mkdir(s.dir+"/tree", 0o755))
	at, err := osfs.Open(s.dir + "/tree")
	ok(t, err)
	ok(t, tree.Init(at))
	ok(t, at.Close())
}

// viewed returns the snapshots of the tree, the oldest first, and what each holds, by path.
func (s shelf) viewed(t *testing.T) ([]varve.Snapshot, []map[string]varve.Entry) {
	t.Helper()
	store, err := openTree(s.dir + "/tree")
	ok(t, err)
	defer func() { ok(t, store.Close()) }()
	snaps, err := store.Snapshots(t.Context())
	ok(t, err)
	var all []map[string]varve.Entry
	for _, snap := range snaps {
		v, err := store.View(t.Context(), snap.ID)
		ok(t, err)
		found := map[string]varve.Entry{}
		for e, err := range v.Entries(t.Context()) {
			ok(t, err)
			found[e.Path] = fact(e)
		}
		ok(t, v.Close())
		all = append(all, found)
	}
	report, err := store.Verify(t.Context(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			t.Errorf("damage: %s: %v", e.Path, e.Err)
		}
	}})
	if err != nil || report.Damage != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	return snaps, all
}

func testPushesIntoATree(t *testing.T, s shelf, src string) {
	var want []map[string]varve.Entry
	push := func() {
		t.Helper()
		status, out := s.push(t, "-aHAX", "--delete", "--numeric-ids", src+"/", "host:x")
		if status != 0 {
			t.Fatalf("status %d\n%s\n%s", status, out, s.logged(t))
		}
		want = append(want, facts(t, src))
	}
	push()
	ok(t, os.Chmod(src+"/sub/deep/er", 0o600))
	ok(t, os.Remove(src+"/sub/exec"))
	push()
	write(t, src+"/big", string(noise(7, 4<<20)))
	s.give(t, src+"/big")
	s.breakOffTree(t, "-aHAX", "--delete", "--numeric-ids", "--bwlimit=1000", src+"/", "host:x")
	push()
	push()

	snaps, got := s.viewed(t)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-pushed +snapshots):\n%s", diff)
	}
	var inodes []uint64
	for _, snap := range snaps {
		if snap.State != varve.Complete {
			t.Errorf("%+v", snap)
		}
		inodes = append(inodes, inode(t, filepath.Join(s.dir, "tree", snap.Location, "file")))
	}
	for _, n := range inodes {
		if n != inodes[0] {
			t.Errorf("file has the inodes %v: it is not linked everywhere", inodes)
			break
		}
	}
	if added := snaps[len(snaps)-1].Added; added != 0 {
		t.Errorf("%d bytes were added by a push of nothing new", added)
	}
}

// breakOffTree is breakOff with a tree store.
func (s shelf) breakOffTree(t *testing.T, args ...string) {
	t.Helper()
	before := strings.Count(s.logged(t), "no snapshot: ")
	cmd := s.command(t, args...)
	ok(t, cmd.Start())
	s.await(t, func() bool {
		return s.arrivingIn("tree/.varve/partial/*/transit-*/*", "tree/.varve/partial/*/tree/.big*") > 1<<19
	})
	ok(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Fatal("the client was done before it could be ended")
	}
	s.await(t, func() bool { return strings.Count(s.logged(t), "no snapshot: ") > before })
}

func TestPushesIntoATreeStore(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for name, fake := range map[string]bool{"real owners": false, "fake super": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.fake, s.tree = fake, true
			s.initTree(t)
			testPushesIntoATree(t, s, sample(t))
		})
	}
}

func TestAPushThatLacksFilesIsAnIncompleteSnapshotOfATreeStore(t *testing.T) {
	t.Parallel()
	s, src := nobodysShelf(t)
	s.tree = true
	s.initTree(t)
	s.give(t, s.dir)
	write(t, src+"/good", "good")
	write(t, src+"/bad", "bad")
	ok(t, os.Chmod(src+"/bad", 0))
	s.give(t, src)
	status, out := s.push(t, "-a", src+"/", "host:x")
	snaps, held := s.viewed(t)
	if status != statusPartial || len(snaps) != 1 || snaps[0].State != varve.Incomplete || snaps[0].Skipped != 1 || len(held[0]) != 2 {
		t.Errorf("status %d, %+v\n%s", status, snaps, out)
	}
}

// meddler is an rsync that a peer has taken over: it changes the mode of a file by way of a hard link.
const meddler = `#!/bin/sh
[ "$1" = --version ] && { echo "rsync  version 3.5.0  protocol version 32"; exit 0; }
base=$(echo "$*" | sed 's/.*--link-dest=\([^ ]*\).*/\1/')
ln "$base/file" ./file && chmod 0777 ./file
`

func TestWhoMeddlesWithSharedInodesGetsNoSnapshotAndTheyAreMended(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s, src := newShelf(t), t.TempDir()
	s.tree = true
	s.initTree(t)
	write(t, src+"/file", "content")
	if status, out := s.push(t, "-a", src+"/", "host:x"); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	program := filepath.Join(t.TempDir(), "rsync")
	write(t, program, meddler)
	ok(t, os.Chmod(program, 0o755))
	cmd := s.serverCommand(t, "rsync --server -logDtpre.iLsfxCIvu . x")
	cmd.Env = append(cmd.Env, envProgram+"="+program)
	status, out := s.run(t, cmd)
	snaps, held := s.viewed(t)
	if status != statusFileIO || !strings.Contains(out, "file") || len(snaps) != 1 || held[0]["file"].Mode != 0o644 {
		t.Errorf("status %d, %+v\n%s", status, snaps, out)
	}
	info, err := os.Lstat(filepath.Join(s.dir, "tree", snaps[0].Location, "file"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
}
