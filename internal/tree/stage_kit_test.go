package tree_test

import (
	"context"
	"errors"
	"iter"

	"varve"
	"varve/internal/disk"
	"varve/internal/storetest"
	"varve/internal/tree"
	"varve/internal/walk"
)

// stage begins a staged snapshot.
func (b *bed) stage(s *tree.Store) *tree.Stage {
	b.Helper()
	g, err := s.Stage(context.Background(), b.options())
	must(b.T, err)
	return g
}

// fill does what rsync does: it puts src into place, unchanged files linked from the first directory that has them.
func (b *bed) fill(g *tree.Stage, src *storetest.Tree) {
	b.Helper()
	must(b.T, b.tryFill(b.disk.Root(), g, src))
}

func (b *bed) tryFill(root disk.FS, g *tree.Stage, src *storetest.Tree) error {
	at, err := disk.OpenPath(root, g.Path())
	if err != nil {
		return err
	}
	var links []disk.FS
	for _, path := range g.Links() {
		dir, err := disk.OpenPath(root, path)
		if err != nil {
			return err
		}
		links = append(links, dir)
	}
	want := src.Want()
	for i := range want {
		if err := fillOne(at, links, src, &want[i]); err != nil {
			return err
		}
	}
	for i := len(want) - 1; i >= 0; i-- {
		if want[i].Kind == varve.Dir {
			if err := dress(at, &want[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillOne makes one object.
func fillOne(top disk.FS, links []disk.FS, src *storetest.Tree, e *varve.Entry) error {
	if e.Path == "" {
		return nil
	}
	dir, err := disk.OpenPath(top, e.Parent())
	if err != nil {
		return err
	}
	if e.SameAs != "" {
		first := varve.Entry{Path: e.SameAs}
		from, err := disk.OpenPath(top, first.Parent())
		if err != nil {
			return err
		}
		return from.Link(first.Name(), dir, e.Name())
	}
	switch e.Kind {
	case varve.Dir:
		return dir.Mkdir(e.Name(), 0o700)
	case varve.Symlink:
		err = dir.Symlink(e.Name(), e.Target)
	case varve.Regular:
		for _, from := range links {
			if ok, err := linkSame(from, dir, e); ok || err != nil {
				return err
			}
		}
		var w disk.Writer
		if w, err = dir.Create(e.Name(), 0o600); err == nil {
			_, err = w.WriteAt([]byte(src.At(e.Path).Stream), 0)
			err = errors.Join(err, w.Close())
		}
	default:
		err = dir.Mknod(e.Name(), e.Kind, 0o600, e.Rdev)
	}
	return errors.Join(err, dress(top, e))
}

// linkSame links e from a directory that has it with the same length, time, owner and mode.
func linkSame(from, dir disk.FS, e *varve.Entry) (bool, error) {
	up, err := disk.OpenPath(from, e.Parent())
	if err != nil {
		return false, nil
	}
	info, err := up.Lookup(e.Name())
	if err != nil || info.Size != e.Size || info.MTime != e.MTime || info.Mode != e.Mode || info.UID != e.UID || info.Kind != e.Kind {
		return false, nil
	}
	return true, up.Link(e.Name(), dir, e.Name())
}

// dress gives one object its metadata.
func dress(top disk.FS, e *varve.Entry) error {
	dir, err := disk.OpenPath(top, e.Parent())
	if err != nil {
		return err
	}
	name := e.Name()
	if e.Path == "" {
		name = "."
	}
	for _, aspect := range []varve.Aspect{varve.Owner, varve.Mode, varve.Xattrs, varve.MTime} {
		if e.Kind == varve.Symlink && aspect == varve.Mode {
			continue
		}
		if err := dir.Set(name, e, aspect); err != nil {
			return err
		}
	}
	return nil
}

// walked is the staged tree as a walk finds it, with a change of what it yields.
type walked struct {
	varve.Source
	change func(e *varve.Entry) bool // reports whether e is yielded
	after  []varve.Entry             // yielded after the root
}

func (w walked) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range w.Source.Entries(ctx) {
			if w.change != nil && !w.change(&e) {
				continue
			}
			if !yield(e, err) {
				return
			}
			for _, more := range w.after {
				if e.Path == "" && !yield(more, nil) {
					return
				}
			}
		}
	}
}

// look walks what was staged.
func (b *bed) look(g *tree.Stage) walked {
	b.Helper()
	dir, err := disk.OpenPath(b.disk.Root(), g.Path())
	must(b.T, err)
	src, err := walk.New(dir, []string{""}, walk.Options{})
	must(b.T, err)
	b.Cleanup(func() { src.Close() })
	return walked{Source: src, change: func(e *varve.Entry) bool { e.Marks &^= varve.Followed; return true }}
}

// staged is what a snapshot of src that came through a stage holds: nothing is known of its inodes.
func staged(src *storetest.Tree) []varve.Entry {
	list := src.Want()
	for i := range list {
		list[i].Stamp, list[i].BTime, list[i].User, list[i].Group = varve.Stamp{}, varve.Time{}, "", ""
	}
	return list
}

// push stages src and makes it a snapshot.
func (b *bed) push(src *storetest.Tree) varve.Snapshot {
	b.Helper()
	s := b.store()
	defer s.Close()
	g := b.stage(s)
	b.fill(g, src)
	snap, err := g.Commit(context.Background(), b.look(g))
	must(b.T, err)
	b.snaps, b.states = append(b.snaps, snap), append(b.states, staged(src))
	return snap
}
