package tree

import (
	"errors"
	"fmt"

	"varve"
	"varve/internal/place"
)

// ended is a directory that nothing more comes into.
type ended struct {
	*place.Dir
	names int // how many entries it has; counted for staged ones alone
}

// ending says of directories that all that lies in them was settled.
func (v *save) ending(dirs []*place.Dir) []ended {
	list := make([]ended, len(dirs))
	for i, d := range dirs {
		list[i].Dir = d
		if v.staged != nil {
			list[i].names = v.staged.inside[d.Path]
			delete(v.staged.inside, d.Path)
		}
	}
	return list
}

// finish gives directories the rest of their metadata: one after the other while others work on the rest, where a call does not take
// long.
func (v *save) finish(dirs []ended) error {
	if v.store.opts.Far && len(dirs) > 1 {
		return v.finishAll(dirs)
	}
	for _, d := range dirs {
		if err := v.finishDir(d); err != nil {
			return err
		}
	}
	return nil
}

// finishAll is finish, several at once.
func (v *save) finishAll(dirs []ended) error {
	return each(min(v.store.opts.Workers, len(dirs)), dirs, v.finishDir)
}

func (v *save) finishDir(d ended) error {
	dir := v.partial.held.At(d.Path)
	if v.staged == nil && d.Late.Sides == 0 {
		return dir.Drop()
	}
	at, err := dir.Use()
	if err != nil {
		return err
	}
	if v.staged != nil {
		err = d.complete(at)
	} else {
		late := d.LateEntry()
		var unkept varve.Aspect
		unkept, err = place.Metadata(place.Named{Dir: at, Name: "."}, &late, d.Late.Sides)
		if err == nil && unkept != 0 { // the manifest says otherwise already
			err = fmt.Errorf("directory /%s: %s cannot be set", d.Path, unkept)
		}
	}
	dir.Done()
	return errors.Join(err, dir.Drop())
}
