package tree_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
)

// occupied returns what the store says of a series.
func (b *bed) occupied(series string) int64 {
	b.Helper()
	s := b.store()
	defer s.Close()
	n, err := s.Occupied(b.Context(), series)
	must(b.T, err)
	return n
}

// grown returns a tree with n files of 10,000 bytes, each with a second name, in a directory.
func grown(n int) *storetest.Tree {
	src := storetest.NewTree()
	src.Dir("d")
	for i := range n {
		src.File(fmt.Sprintf("d/%03d", i), fmt.Sprintf("%04d", i)+storetest.Text(9_996))
		src.Link(fmt.Sprintf("d/%03d again", i), fmt.Sprintf("d/%03d", i))
	}
	return src
}

// about wants got to be want, and a bit more for manifests.
func (b *bed) about(what string, got, want int64) {
	b.Helper()
	if got < want || got > want+90_000 {
		b.Errorf("%s: %d bytes, want %d and a bit more", what, got, want)
	}
}

func TestContentAndDirectoriesOfASeriesCountOnce(t *testing.T) {
	b := newBed(t, memfs.Options{})
	const content, dirs = 20 * 10_000, 2 * 4096
	b.save(grown(20))
	b.about("the first", b.occupied("s"), content+dirs)
	b.save(grown(20))
	b.about("an unchanged one", b.occupied("s"), content+2*dirs)
	b.about("all series", b.occupied(""), content+2*dirs)
	if n := b.occupied("another"); n != 0 {
		t.Errorf("another series takes up %d bytes", n)
	}
}

func TestWhatBrokenRunsLeaveCountsAlsoOnceItIsPartOfASnapshot(t *testing.T) {
	for name, opts := range map[string]memfs.Options{"hard links": {}, "no hard links": {NoLinks: true}} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, opts)
			want := int64(0)
			for n := 10; n <= 40; n += 10 {
				for range 2 { // the second one links to what the first one left
					src := grown(n)
					src.Dir("e")
					src.File("e/f", "x").Trouble.Open = errors.New("the line is cut")
					s := b.store()
					if b.trySave(s, src) == nil {
						t.Fatal("the run was not cut")
					}
					must(t, s.Close())
				}
				b.about("after the cut", b.occupied("s"), want+10*10_000)
				b.about("all series", b.occupied(""), want+10*10_000)
				snap := b.save(grown(n))
				want += 10 * 10_000
				if snap.Added+snap.Beside != 10*10_000 || name == "hard links" && snap.Beside < 50_000 {
					t.Errorf("%d bytes were added, %d beside", snap.Added, snap.Beside)
				}
				b.about("after the next one", b.occupied("s"), want)
				b.tidy()
			}
		})
	}
}

func TestExtendedAttributesCountWhereTheyAreNotLinked(t *testing.T) {
	const value = 10_000
	src := storetest.NewTree()
	for i := range 30 { // the manifest has equal ones but once
		x := []varve.Xattr{{Name: "user.x", Value: strings.Repeat("x", value)}}
		src.Dir(fmt.Sprintf("dir %d", i)).Xattrs = x
		src.File(fmt.Sprintf("file %d", i), "").Xattrs = x
	}
	b := newBed(t, memfs.Options{})
	b.save(src)
	b.about("the first", b.occupied("s"), 60*value+31*4096)
	b.save(src)
	b.about("an unchanged one", b.occupied("s"), 90*value+2*31*4096)
	src.Dir("~")
	src.File("~/f", "x").Trouble.Open = errors.New("the line is cut")
	s := b.store()
	if b.trySave(s, src) == nil {
		t.Fatal("the run was not cut")
	}
	must(t, s.Close())
	b.about("a broken one", b.occupied("s"), 120*value+3*31*4096)
}
