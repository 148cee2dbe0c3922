package rdiff_test

import (
	"context"
	"slices"
	"testing"

	"varve"
	"varve/internal/backend/mem"
	"varve/internal/disk/memfs"
	"varve/internal/tree"
	"varve/internal/vault"
)

// counted is a source that counts the files that are opened.
type counted struct {
	varve.Source
	opened chan string
}

func (c counted) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	c.opened <- e.Path
	return c.Source.Open(ctx, e)
}

// stores are new ones of every kind.
func stores(t *testing.T) map[string]varve.Store {
	t.Helper()
	disk := memfs.New(memfs.Options{})
	must(t, tree.Init(disk.Root()))
	plain, err := tree.Open(disk.Root(), tree.Options{Privileged: true})
	must(t, err)
	backend := mem.New(mem.Options{})
	key, err := vault.Init(t.Context(), backend, vault.InitOptions{})
	must(t, err)
	sealed, err := vault.Open(t.Context(), backend, vault.Credentials{Key: &key}, vault.Options{Cache: t.TempDir(), State: t.TempDir()})
	must(t, err)
	t.Cleanup(func() {
		must(t, plain.Close())
		must(t, sealed.Close())
	})
	return map[string]varve.Store{"tree": plain, "vault": sealed}
}

func TestVersionsThatAreImportedOneAfterTheOtherAreReadOnceAndKept(t *testing.T) {
	m := simple(t)
	m.data("mirror_metadata."+stamp(1)+".snapshot.gz", dir(".")+file("a", "new text")+file("b", "same")+
		dir("d")+file("d/link", "linked", links)+file("d/link2", "linked", links)+file("d/twin", "linked"))
	m.data("mirror_metadata."+stamp(0)+".diff.gz", file("a", "old text")+file("d/twin", "linked", "  Permissions 511\n"))
	for _, name := range []string{"d/link", "d/link2", "d/twin"} {
		m.put(name, "linked")
	}
	r := m.open()
	wants := [][]string{{"a", "b", "d/link", "d/twin"}, {"a"}}
	for kind, store := range stores(t) {
		for n, at := range r.Times() {
			v := version(t, r, at)
			opened := make(chan string, 100)
			snap, err := store.Save(t.Context(), counted{v, opened}, varve.SaveOptions{Series: "s", Now: r.Times()[n].Local})
			must(t, err)
			if snap.State != varve.Complete {
				t.Errorf("%s, version %d: %+v", kind, n, snap)
			}
			close(opened)
			var got []string
			for path := range opened {
				got = append(got, path)
			}
			slices.Sort(got)
			got = slices.Compact(got) // a tree may compare first, and then copy
			if want := wants[n]; !slices.Equal(got, want) {
				t.Errorf("%s, version %d: read %q, want %q", kind, n, got, want)
			}
			view, err := store.View(t.Context(), snap.ID)
			must(t, err)
			same(t, kind, all(t, v), all(t, view), "Digest", "Chunks", "Depth", "Unkept")
			must(t, view.Close())
		}
	}
}

const links = "  NumHardLinks 2\n  Inode 7\n  DeviceLoc 1\n"
