package walk_test

import (
	"errors"
	"io/fs"
	"testing"

	"varve"
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
