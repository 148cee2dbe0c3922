package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"varve"
	"varve/internal/adopt"
	"varve/internal/compare"
	"varve/internal/disk"
	"varve/internal/storetest"
	"varve/internal/tree"
	"varve/internal/walk"
)

// found is a directory beside the snapshots, made by some other program.
type found struct {
	name string
	time time.Time
	src  *storetest.Tree
}

// past is what other programs have kept in the directory "old" of the store, the oldest first.
func (b *bed) past(states ...*storetest.Tree) (list []found) {
	b.Helper()
	root := b.disk.Root()
	must(b.T, root.Mkdir("old", 0o755))
	old := b.dir("old")
	var links []disk.FS
	for i, src := range states {
		f := found{fmt.Sprintf("day.%d", i), b.now.AddDate(0, 0, i-len(states)), src}
		must(b.T, old.Mkdir(f.name, 0o755))
		at := b.dir("old/" + f.name)
		want := src.Want()
		for i := range want {
			must(b.T, fillOne(at, links, src, &want[i]))
		}
		for i := range slices.Backward(want) {
			if want[i].Kind == varve.Dir {
				must(b.T, dress(at, &want[i]))
			}
		}
		links = []disk.FS{at}
		list = append(list, f)
	}
	must(b.T, old.SyncAll())
	return list
}

// adopting says how directories are adopted.
type adopting struct {
	path  string
	links *tree.Links
	root  disk.FS // the disk; that of the bed where nil
	ctx   context.Context
}

// adoptOne makes one of them a snapshot of store s.
func (b *bed) adoptOne(s *tree.Store, f found, how adopting) error {
	root := how.root
	if root == nil {
		root = b.disk.Root()
	}
	dir, err := disk.OpenPath(root, "old")
	if err != nil {
		return err
	}
	top, err := dir.OpenDir(f.name)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	src, err := walk.New(top, []string{""}, walk.Options{Workers: 1})
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	from := tree.Adoptee{Dir: dir, Name: f.name, Path: how.path, Time: f.time, Links: how.links}
	if how.ctx == nil {
		how.ctx = context.Background()
	}
	snap, err := s.Adopt(how.ctx, adopt.Under(src, how.path, f.time), from, b.options())
	if err == nil {
		b.snaps, b.states = append(b.snaps, snap), append(b.states, f.want(how.path))
	}
	return errors.Join(err, src.Close(), dir.Close())
}

// adoptAll makes those of them that are there snapshots, after what was interrupted is finished.
func (b *bed) adoptAll(s *tree.Store, list []found, how adopting) error {
	if err := s.Forget(context.Background()); err != nil {
		return err
	}
	for _, f := range list {
		err := b.adoptOne(s, f, how)
		if errors.Is(err, fs.ErrNotExist) && !b.left(f) {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// left reports whether f lies where it was.
func (b *bed) left(f found) bool {
	_, err := b.dir("old").Lookup(f.name)
	return err == nil
}

// want is what a snapshot of f holds.
func (f found) want(path string) []varve.Entry {
	list := staged(f.src)
	for i := range list {
		if e := &list[i]; e.Kind == varve.Regular && e.MTime.Time().Before(f.time.Add(-2*time.Hour)) {
			e.Stamp = compare.FarStamp(e.MTime)
		}
	}
	if path == "" {
		return list
	}
	var all []varve.Entry
	for e := range adopt.Under(entries(list), path, f.time).Entries(context.Background()) {
		all = append(all, e)
	}
	return all
}

// intact checks that what was not adopted is as it was.
func (b *bed) intact(list []found) {
	b.Helper()
	for _, f := range list {
		if !b.left(f) {
			continue
		}
		src, err := walk.New(b.dir("old/"+f.name), []string{""}, walk.Options{})
		must(b.T, err)
		want := staged(f.src)
		for i := range want {
			want[i].Digest = varve.Digest{}
		}
		blank := varve.Entry{Stamp: varve.Stamp{Ino: 1}, BTime: varve.Time{Sec: 1}, Marks: 1, Digest: varve.Digest{1}}
		for _, d := range storetest.Differences(src, want, blank) {
			b.Errorf("%s was changed: %s", f.name, d)
		}
		must(b.T, src.Close())
	}
}

// entries is a sequence of them, whose content nobody asks for.
type entries []varve.Entry

func (l entries) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range l {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l entries) Open(context.Context, varve.Entry) (varve.File, error) { return nil, fs.ErrNotExist }

// farSource is a source on a machine that tells neither inodes nor change times.
type farSource struct {
	varve.Source
	opened int
}

func (f *farSource) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range f.Source.Entries(ctx) {
			e.Stamp = varve.Stamp{}
			if e.Kind == varve.Regular {
				e.Stamp = compare.FarStamp(e.MTime)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (f *farSource) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	f.opened++
	return f.Source.Open(ctx, e)
}

// days are three states of a tree.
func days() []*storetest.Tree { return []*storetest.Tree{small(), moved(), mixed()} }

// newPast returns an empty store beside three directories.
func newPast(b *bed) []found { return b.past(days()...) }
