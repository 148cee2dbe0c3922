package tree_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/tree"
	"varve/internal/walk"
)

// realStore is a tree store in a directory of the operating system.
type realStore struct {
	*testing.T
	dir, src string
	store    *tree.Store
}

func newRealStore(t *testing.T) *realStore {
	r := &realStore{T: t, dir: filepath.Join(t.TempDir(), "store"), src: filepath.Join(t.TempDir(), "src")}
	for _, dir := range []string{r.dir, r.src} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := osfs.Open(r.dir)
	if err == nil {
		err = tree.Init(root)
	}
	if err == nil {
		r.store, err = tree.Open(root, tree.Options{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Privileged: os.Geteuid() == 0})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	return r
}

func (r *realStore) write(name, content string) {
	r.Helper()
	if err := os.WriteFile(filepath.Join(r.src, name), []byte(content), 0o644); err != nil {
		r.Fatal(err)
	}
}

func (r *realStore) save(o varve.SaveOptions) varve.Snapshot {
	r.Helper()
	top, err := osfs.Open(r.src)
	if err != nil {
		r.Fatal(err)
	}
	src, err := walk.New(top, []string{""}, walk.Options{})
	if err != nil {
		r.Fatal(err)
	}
	defer src.Close()
	o.Series = "s"
	snap, err := r.store.Save(context.Background(), src, o)
	if err != nil {
		r.Fatal(err)
	}
	return snap
}

func (r *realStore) damage(o varve.VerifyOptions) int64 {
	r.Helper()
	report, err := r.store.Verify(context.Background(), o)
	if err != nil {
		r.Fatal(err)
	}
	return report.Damage
}

// rot changes a stored file under the same size and time.
func (r *realStore) rot(snap varve.Snapshot, name string) {
	r.Helper()
	path := filepath.Join(r.dir, snap.Location, name)
	info, err := os.Stat(path)
	if err != nil {
		r.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("X"), 0)
		err = errors.Join(err, f.Close(), os.Chtimes(path, info.ModTime(), info.ModTime()))
	}
	if err != nil {
		r.Fatal(err)
	}
}

func TestVerifyTellsARottenInodeForEverySnapshotThatHasIt(t *testing.T) {
	r := newRealStore(t)
	r.write("file", "content")
	first := r.save(varve.SaveOptions{})
	r.save(varve.SaveOptions{})
	r.save(varve.SaveOptions{})
	r.rot(first, "file")
	if n := r.damage(varve.VerifyOptions{}); n != 3 {
		t.Errorf("%d findings, want one for each of three snapshots", n)
	}
}

func TestRecheckStoresAnewWhatHasRotted(t *testing.T) {
	r := newRealStore(t)
	r.write("file", "content")
	first := r.save(varve.SaveOptions{})
	r.rot(first, "file")
	told := 0
	healed := r.save(varve.SaveOptions{Recheck: true, Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			told++
		}
	}})
	if told != 1 || healed.Added != int64(len("content")) {
		t.Errorf("told %d times, %d bytes added", told, healed.Added)
	}
	if n := r.damage(varve.VerifyOptions{Snapshots: []varve.SnapshotID{healed.ID}}); n != 0 {
		t.Errorf("%d findings in the new snapshot", n)
	}
}

func TestASnapshotWithADamagedManifestIsToldAndCanBeForgotten(t *testing.T) {
	for name, harm := range map[string]func(dir string, snap varve.Snapshot) error{
		"manifest cut short": func(dir string, snap varve.Snapshot) error {
			return os.Truncate(filepath.Join(dir, ".varve/manifests", snap.ID.String()), 100)
		},
		"directory removed": func(dir string, snap varve.Snapshot) error {
			return os.RemoveAll(filepath.Join(dir, snap.Location))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRealStore(t)
			r.write("file", "content")
			r.save(varve.SaveOptions{})
			bad := r.save(varve.SaveOptions{})
			if err := harm(r.dir, bad); err != nil {
				t.Fatal(err)
			}
			list, err := r.store.Snapshots(context.Background())
			if len(list) != 1 || !errors.Is(err, varve.ErrDamaged) {
				t.Errorf("listed %d, error %v", len(list), err)
			}
			if err := r.store.Forget(context.Background(), bad.ID); err != nil {
				t.Fatal(err)
			}
			if list, err := r.store.Snapshots(context.Background()); len(list) != 1 || err != nil {
				t.Errorf("after forget: listed %d, error %v", len(list), err)
			}
		})
	}
}

func TestVerifyNamesADirectoryWithoutAManifest(t *testing.T) {
	r := newRealStore(t)
	r.write("file", "content")
	snap := r.save(varve.SaveOptions{})
	if err := os.Remove(filepath.Join(r.dir, ".varve/manifests", snap.ID.String())); err != nil {
		t.Fatal(err)
	}
	if n := r.damage(varve.VerifyOptions{}); n != 1 {
		t.Errorf("%d findings", n)
	}
}

func TestVerifyReadsWhatStandsInAHole(t *testing.T) {
	r := newRealStore(t)
	path := filepath.Join(r.src, "sparse")
	if err := os.WriteFile(path, []byte("head"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	snap := r.save(varve.SaveOptions{})
	stored := filepath.Join(r.dir, snap.Location, "sparse")
	info, err := os.Stat(stored)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(stored, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("harm"), 1<<19)
		err = errors.Join(err, f.Sync(), f.Close(), os.Chtimes(stored, info.ModTime(), info.ModTime()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := r.damage(varve.VerifyOptions{}); n != 1 {
		t.Errorf("%d findings", n)
	}
}

func TestTheRestOfAGroupStaysOneFileWhenTheFirstNameIsGone(t *testing.T) {
	r := newRealStore(t)
	r.write("a", "content")
	for _, name := range []string{"b", "c"} {
		if err := os.Link(filepath.Join(r.src, "a"), filepath.Join(r.src, name)); err != nil {
			t.Fatal(err)
		}
	}
	top, err := osfs.Open(r.src)
	if err != nil {
		t.Fatal(err)
	}
	src, err := walk.New(top, []string{""}, walk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	gone := vanishing{Source: src, path: "a"}
	snap, err := r.store.Save(context.Background(), &gone, varve.SaveOptions{Series: "s"})
	if err != nil {
		t.Fatal(err)
	}
	b, errB := os.Stat(filepath.Join(r.dir, snap.Location, "b"))
	c, errC := os.Stat(filepath.Join(r.dir, snap.Location, "c"))
	if errB != nil || errC != nil || !os.SameFile(b, c) {
		t.Errorf("b and c are not one file: %v %v", errB, errC)
	}
	if n := r.damage(varve.VerifyOptions{}); n != 0 {
		t.Errorf("%d findings", n)
	}
}

// vanishing is a source of which one file cannot be opened.
type vanishing struct {
	varve.Source
	path string
}

func (v *vanishing) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	if e.Path == v.path {
		return nil, os.ErrNotExist
	}
	return v.Source.Open(ctx, e)
}
