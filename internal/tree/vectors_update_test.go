package tree_test

import (
	"archive/tar"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
	"varve/internal/tree"
)

var updating = flag.Bool("update", false, "write the vectors anew, which a format that was released never needs")

// lake is a source as it is at the time of a snapshot, counted from 0.
func lake(n int) *storetest.Tree {
	t := storetest.NewTree()
	t.File("notes", strings.Repeat("mud\n", 10+n))
	t.Dir("photos")
	t.File("photos/lake", storetest.Text(3000))
	t.File("photos/shore", storetest.Text(2000))
	t.Link("photos/shore too", "photos/shore")
	t.File("photos/empty", "")
	t.Put("sparse", varve.Entry{Kind: varve.Regular, Mode: 0o600, Holes: []varve.Extent{{Off: 4096, Len: 64 << 10}}}, storetest.Text(9000))
	t.Put("link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "photos/lake"}, "")
	t.Put("null", varve.Entry{Kind: varve.CharDevice, Mode: 0o666, Rdev: varve.Rdev{Major: 1, Minor: 3}}, "")
	t.Put("with attributes", varve.Entry{Kind: varve.Regular, Mode: 0o4755, Xattrs: []varve.Xattr{{Name: "user.x", Value: "\x00y"}}}, "attributes\n")
	t.Dir("a dir\xff with an odd name")
	t.File("a dir\xff with an odd name/two\nlines", storetest.Text(500))
	if n > 0 { // what has moved lies under another name
		t.Move("photos/lake", "photos/mere")
		t.File("photos/reed", storetest.Text(7000))
	}
	if n > 1 {
		t.Edit("photos/reed", func(o *storetest.Object) { o.Mode = 0o640 })
		t.Move("a dir\xff with an odd name", "moved")
	}
	if n > 2 {
		t.File("photos/ice", storetest.Text(3000))
	}
	return t
}

// TestVectorsAreWrittenWhenAsked makes the vectors: of three snapshots the first was forgotten; another series holds nothing of it.
func TestVectorsAreWrittenWhenAsked(t *testing.T) {
	if !*updating {
		t.Skip("vectors are for ever; -update writes new ones")
	}
	for _, v := range vectorsOf() {
		d := memfs.New(v.disk)
		must(t, tree.Init(d.Root()))
		s := v.open(t, d)
		now := time.Date(2026, 11, 20, 10, 20, 36, 0, time.UTC)
		save := func(series string, src varve.Source) varve.Snapshot {
			snap, err := s.Save(t.Context(), src, varve.SaveOptions{Series: series, Host: "host", Sources: []string{"/srv"}, Tags: []string{"vector"},
				Program: "vectors", Now: func() time.Time {
					now = now.Add(1_000_001 * time.Microsecond)
					return now
				}})
			must(t, err)
			return snap
		}
		first := save("lake", lake(0))
		save("lake", lake(1))
		save("lake", lake(2))
		save("pond", lake(0))
		must(t, s.Forget(t.Context(), first.ID))
		sound(t, s)
		dir := filepath.Join(vectors, v.dir)
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "listing.jsonl"), listing(t, s, d), 0o644))
		f, err := os.Create(filepath.Join(dir, "store.tar"))
		must(t, err)
		p := packer{Writer: tar.NewWriter(f), names: map[uint64]string{}}
		must(t, errors.Join(p.pack(d.Root(), ""), p.Close(), f.Close()))
	}
}
