package rdiff

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve"
	"varve/internal/disk"
)

// origins are the files that the content of a file is made of.
type origins struct {
	base   increment   // a whole copy
	deltas []increment // in the order in which they are applied: the newest first
}

// errLost says that the files with the content of a file are not those that there should be.
var errLost = errors.New("the repository has lost its content")

// origins returns what the content of the file at path is made of. Increments from limit on are left out.
func (v *Version) origins(path string, rec *record, limit int64) (origins, error) {
	all, err := v.repo.increments(path, rec)
	if err != nil {
		return origins{}, err
	}
	var from []increment
	for _, i := range all {
		if i.time >= v.time && i.time < limit {
			from = append(from, i)
		}
	}
	slices.SortFunc(from, func(a, b increment) int { return cmp.Compare(a.time, b.time) })
	var o origins
	for n, i := range from {
		if n > 0 && from[n-1].time == i.time {
			return o, fmt.Errorf("%w: two increments of %s", errLost, when(i.time))
		}
		switch i.kind {
		case kindDiff:
			o.deltas = append(o.deltas, i)
			continue
		case kindSnapshot:
			o.base = i
			slices.Reverse(o.deltas)
			return o, nil
		}
		return o, fmt.Errorf("%w: at %s it was no file", errLost, when(i.time))
	}
	slices.Reverse(o.deltas)
	o.base, err = v.repo.mirrorOf(path, rec)
	return o, err
}

// increments returns all increments of the file at path.
func (r *Repository) increments(path string, rec *record) ([]increment, error) {
	e := varve.Entry{Path: path}
	var all []increment
	dir, err := r.place(incrementsDir, e.Parent())
	if err == nil {
		all, err = r.incrementsIn(dir, e.Name())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if long := cmp.Or(rec.mirror, rec.increments); long != "" {
		more, err := r.incrementsIn(longDir, long)
		if err != nil {
			return nil, err
		}
		all = append(slices.Clip(all), more...)
	}
	return all, nil
}

// incrementsIn returns the increments of name in a directory.
func (r *Repository) incrementsIn(dir, name string) ([]increment, error) {
	f, err := r.folder(dir)
	if err != nil {
		return nil, err
	}
	return f.increments[name], nil
}

// mirrorOf returns the file in the mirror that stands for the one at path.
func (r *Repository) mirrorOf(path string, rec *record) (increment, error) {
	e := varve.Entry{Path: path}
	top, dir, name := "", e.Parent(), e.Name()
	if rec.mirror != "" {
		if err := disk.CheckName(rec.mirror); err != nil {
			return increment{}, fmt.Errorf("%w: %q: %w", errLost, rec.mirror, err)
		}
		top, dir, name = longDir, "", rec.mirror
	}
	dir, err := r.place(top, dir)
	if err != nil {
		return increment{}, err
	}
	if r.quoted {
		f, err := r.folder(dir)
		if err != nil {
			return increment{}, err
		}
		actual, ok := f.names[name]
		if !ok {
			return increment{}, &fs.PathError{Op: "look up", Path: varve.Join(dir, name), Err: fs.ErrNotExist}
		}
		name = actual
	}
	return increment{dir: dir, name: name, suffix: suffix{kind: kindSnapshot}}, nil
}
