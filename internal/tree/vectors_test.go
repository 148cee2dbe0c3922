package tree_test

import (
	"archive/tar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
	"varve/internal/tree"
)

// vectors holds trees that must be readable for ever; their README says what they are.
const vectors = "../../testdata/vectors"

// vector is a store of one format, and the disk that it was made on.
type vector struct {
	dir  string
	disk memfs.Options
	// kept are snapshots that were forgotten and whose content others need.
	kept int
}

func vectorsOf() []vector {
	user := memfs.Options{UID: 1000, GID: 1000, NoXattrs: true, NoFlags: true}
	linkless := user
	linkless.NoLinks = true
	return []vector{{"tree-v1", user, 0}, {"tree-v2", linkless, 1}}
}

// open opens the store on a disk of its own.
func (v vector) open(t *testing.T, d *memfs.Disk) *tree.Store {
	t.Helper()
	s, err := tree.Open(d.Root(), tree.Options{UID: v.disk.UID, GID: v.disk.GID})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// unpacked returns a disk with the store.
func (v vector) unpacked(t *testing.T) *memfs.Disk {
	t.Helper()
	f, err := os.Open(filepath.Join(vectors, v.dir, "store.tar"))
	must(t, err)
	defer f.Close()
	d := memfs.New(v.disk)
	must(t, unpack(tar.NewReader(f), d.Root()))
	return d
}

// TestTreesOfEveryFormatAreReadForEver reads everything that the vectors hold and compares it with what was written down of them.
func TestTreesOfEveryFormatAreReadForEver(t *testing.T) {
	for _, v := range vectorsOf() {
		t.Run(v.dir, func(t *testing.T) {
			d := v.unpacked(t)
			s := v.open(t, d)
			got := listing(t, s, d)
			want, err := os.ReadFile(filepath.Join(vectors, v.dir, "listing.jsonl"))
			must(t, err)
			g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
			for i := range min(len(g), len(w)) {
				if g[i] != w[i] {
					t.Fatalf("line %d is\n%.2000s\nwant\n%.2000s", i+1, g[i], w[i])
				}
			}
			if len(g) != len(w) {
				t.Errorf("%d lines, want %d", len(g), len(w))
			}
			sound(t, s)
		})
	}
}

// TestTreesOfEveryFormatGoOn saves to the vectors, and forgets what they had.
func TestTreesOfEveryFormatGoOn(t *testing.T) {
	for _, v := range vectorsOf() {
		t.Run(v.dir, func(t *testing.T) {
			d := v.unpacked(t)
			s := v.open(t, d)
			old, err := s.Snapshots(t.Context())
			must(t, err)
			if n := len(namesOf(t, d, ".varve/kept")); n != v.kept {
				t.Errorf("%d snapshots are kept", n)
			}
			src := lake(3)
			snap, err := s.Save(t.Context(), src, varve.SaveOptions{Series: "lake", Host: "host", Sources: []string{"/srv"}, Now: time.Now})
			must(t, err)
			if snap.Added > 5000 {
				t.Errorf("%d bytes were stored anew, of %d", snap.Added, src.Size())
			}
			for _, o := range old {
				must(t, s.Forget(t.Context(), o.ID))
				sound(t, s)
			}
			view, err := s.View(t.Context(), snap.ID)
			must(t, err)
			defer view.Close()
			for _, diff := range storetest.Differences(view, src.Want(), varve.Entry{}) {
				t.Error(diff)
			}
		})
	}
}

func sound(t *testing.T, s *tree.Store) {
	t.Helper()
	r, err := s.Verify(t.Context(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			t.Errorf("damage: /%s: %v", e.Path, e.Err)
		}
	}})
	if must(t, err); r.Damage != 0 || r.Snapshots == 0 {
		t.Errorf("verified %+v", r)
	}
}

// namesOf returns what is in a directory of a disk; nothing where it is not there.
func namesOf(t *testing.T, d *memfs.Disk, path string) (list []string) {
	t.Helper()
	dir, err := disk.OpenPath(d.Root(), path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Names()
	must(t, err)
	for _, n := range names {
		list = append(list, n.Name)
	}
	slices.Sort(list)
	return list
}
