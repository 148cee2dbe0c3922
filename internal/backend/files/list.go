package files

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
	"varve/internal/parallel"
)

// listers is how many directories are listed at once, unless Options say otherwise.
const listers = 4

// errEnough says that the caller wants no more.
var errEnough = errors.New("enough")

// List is varve.Backend's. The time of an object is when its file was last written, by the storage's clock.
func (f *Files) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		err := f.list(ctx, prefix, func(o varve.Object) error {
			if !yield(o, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(varve.Object{}, wrap("list", prefix, err))
		}
	}
}

func (f *Files) list(ctx context.Context, prefix string, tell func(varve.Object) error) error {
	if backend.CheckName(prefix) == nil {
		return f.listOne(ctx, prefix, tell)
	}
	folders, err := f.present(ctx, prefix)
	if err != nil {
		return err
	}
	feed := func(put func(*listing) error) error {
		for _, d := range folders {
			if err := put(&listing{folder: d}); err != nil {
				return err
			}
		}
		return nil
	}
	weigh := func(*listing) int { return 1 }
	do := func(_ <-chan struct{}, l *listing) error { return l.read(ctx, prefix) }
	done := func(l *listing) error {
		for _, o := range l.objects {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := tell(o); err != nil {
				return err
			}
		}
		return nil
	}
	return parallel.Ordered(f.opts.Listers, weigh, feed, do, done)
}

// listOne tells the object name if it is there.
func (f *Files) listOne(ctx context.Context, name string, tell func(varve.Object) error) error {
	d, leaf, err := f.place(name)
	if err != nil {
		return err
	}
	l := &listing{folder: d}
	err = l.use(ctx, func(dir disk.FS) error { return l.look(dir, leaf, name) })
	if err != nil || len(l.objects) == 0 {
		return err
	}
	return tell(l.objects[0])
}

// listing is the objects in one folder.
type listing struct {
	*folder
	objects []varve.Object
}

// use calls body with the folder opened, or not at all where there is none.
func (d *folder) use(ctx context.Context, body func(disk.FS) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := d.held.Use()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.held.Done()
	return body(dir)
}

// read lists the folder.
func (l *listing) read(ctx context.Context, prefix string) error {
	return l.use(ctx, func(dir disk.FS) error {
		names, err := dir.Names()
		if err != nil {
			return err
		}
		for _, n := range names {
			name := l.holds(n.Name)
			if name == "" || !strings.HasPrefix(name, prefix) || (n.Kind != 0 && n.Kind != varve.Regular) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := l.look(dir, n.Name, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// look adds the object name unless it vanished, or is not a file.
func (l *listing) look(dir disk.FS, leaf, name string) error {
	info, err := dir.Lookup(leaf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Kind == varve.Regular {
		l.objects = append(l.objects, varve.Object{Name: name, Size: info.Size, Time: info.MTime.Time()})
	}
	return nil
}
