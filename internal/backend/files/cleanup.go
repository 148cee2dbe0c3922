package files

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"varve"
	"varve/internal/disk"
)

// CleanUp removes the temporary files that interrupted writers left and that were last written longer than age ago; it returns how
// many.
//
// Both times are the storage's own: the present one is read from a file made there for the purpose, so it does not matter whose clock
// is wrong. The age saves work and no more: a writer whose temporary file is taken away cannot give it its name any more, so its Put
// fails and is made again. Nothing that was put is touched. On a full disk, where no file can be made, the newest time found takes the
// place of the present one: it lies in the past, so that what is too old by it is too old indeed.
func (f *Files) CleanUp(ctx context.Context, age time.Duration) (removed int, err error) {
	found, now, err := f.survey(ctx)
	if err != nil {
		return 0, err
	}
	for _, l := range found {
		if now.Sub(l.time) <= age {
			continue
		}
		gone, err := l.remove(ctx)
		if err != nil {
			return removed, wrap("clean up", l.name, err)
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

// survey returns all temporary files and the present time.
func (f *Files) survey(ctx context.Context) (found []leftover, now time.Time, err error) {
	now, err = f.clock()
	full := errors.Is(err, disk.ErrNoSpace)
	if err != nil && !full {
		return nil, now, wrap("clean up", ".", err)
	}
	folders, err := f.present(ctx, "")
	if err != nil {
		return nil, now, wrap("clean up", "data", err)
	}
	for _, d := range folders {
		err := d.use(ctx, func(dir disk.FS) error {
			left, newest, err := leftovers(d, dir)
			found = append(found, left...)
			if full && newest.After(now) {
				now = newest
			}
			return err
		})
		if err != nil {
			return nil, now, wrap("clean up", d.prefix, err)
		}
	}
	return found, now, nil
}

// leftover is a temporary file.
type leftover struct {
	folder *folder
	name   string
	time   time.Time
}

// clock returns the present time by the storage's own clock.
func (f *Files) clock() (now time.Time, err error) {
	root := f.all[0]
	err = root.use(context.Background(), func(dir disk.FS) error {
		name, w, err := f.create(dir)
		if err != nil {
			return err
		}
		info, err := dir.Lookup(name)
		now = info.MTime.Time()
		return errors.Join(err, w.Close(), dir.Remove(name))
	})
	return now, err
}

// leftovers returns the temporary files in d, opened as dir, and the newest time that was seen.
func leftovers(d *folder, dir disk.FS) (found []leftover, newest time.Time, err error) {
	self, err := dir.Lookup(".")
	if err != nil {
		return nil, newest, err
	}
	newest = self.MTime.Time()
	names, err := dir.Names()
	if err != nil {
		return nil, newest, err
	}
	for _, n := range names {
		if !isTmp(n.Name) {
			continue
		}
		info, err := dir.Lookup(n.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, newest, err
		}
		if info.Kind != varve.Regular {
			continue
		}
		l := leftover{d, n.Name, info.MTime.Time()}
		found = append(found, l)
		if l.time.After(newest) {
			newest = l.time
		}
	}
	return found, newest, nil
}

// remove removes the file and reports whether it was still there.
func (l leftover) remove(ctx context.Context) (gone bool, err error) {
	err = l.folder.use(ctx, func(dir disk.FS) error {
		err := dir.Remove(l.name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		gone = err == nil
		return err
	})
	return gone, err
}
