package walk_test

import (
	"errors"
	"io/fs"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/walk"
)

func TestOnlyWhatASourceHoldsCanBeOpened(t *testing.T) {
	d := memory(t, "home/ann/f", "home/ann/sub/g", "home/ben/f", "home/f", "etc/one", "etc/two", "link -> home/ann", "home/annex/f")
	for _, tt := range []struct {
		sources []string
		may     []string
		mayNot  []string
	}{
		{[]string{"home/ann"}, []string{"home/ann/f", "home/ann/sub/g"}, []string{"home/ben/f", "home/f", "home/annex/f", "etc/one", "link/f"}},
		{[]string{"etc/one", "home/ben"}, []string{"etc/one", "home/ben/f"}, []string{"etc/two", "home/ann/f", "home/f"}},
		{[]string{"link"}, []string{"link/f", "link/sub/g"}, []string{"home/ann/f", "etc/one"}},
		{[]string{""}, []string{"home/f", "etc/two"}, nil},
	} {
		s, err := walk.New(d.Root(), tt.sources, walk.Options{})
		ok(t, err)
		for _, path := range tt.may {
			f, err := s.Open(t.Context(), varve.Entry{Path: path, Kind: varve.Regular})
			ok(t, err)
			ok(t, f.Close())
		}
		for _, path := range tt.mayNot {
			if _, err := s.Open(t.Context(), varve.Entry{Path: path, Kind: varve.Regular}); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("sources %q: open %s: %v", tt.sources, path, err)
			}
		}
		ok(t, s.Close())
	}
}

func TestAFileInWhosePlaceIsSomethingElseHasVanished(t *testing.T) {
	for _, instead := range []string{"a/f -> elsewhere", "a/f/"} {
		root := memory(t, "a/f=content", "a/other").Root()
		s := start(t, root, []string{"a"}, walk.Options{})
		e := entry(t, collect(t, s), "a/f")
		ok(t, dirAt(t, root, "a").Remove("f"))
		build(t, root, instead)
		if _, err := s.Open(t.Context(), e); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", instead, err)
		}
	}
}

// shut is a directory whose regular files cannot be opened as such, as some of the kernel's own cannot.
type shut struct{ disk.FS }

func (d shut) OpenDir(name string) (disk.FS, error) {
	f, err := d.FS.OpenDir(name)
	return shut{f}, err
}

func (d shut) Open(name string) (disk.Reader, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: disk.ErrKind}
}

func TestAFileThatIsStillThereAndCannotBeOpenedHasNotVanished(t *testing.T) {
	s := start(t, shut{memory(t, "a/f=content").Root()}, []string{"a"}, walk.Options{})
	if _, err := s.Open(t.Context(), entry(t, collect(t, s), "a/f")); !errors.Is(err, varve.ErrUnreadable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrUnreadable and not fs.ErrNotExist", err)
	}
}
