package sftpfs

import (
	"errors"
	"fmt"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

// found is one object in a listing.
type found struct {
	name string
	object
}

const (
	// maxListing is how many bytes of memory the names in one directory may take: about a million and a half of usual length.
	maxListing = 96 << 20
	// nameSize is what a name takes beside its bytes.
	nameSize = 48
	// maxFound is of how many objects in one directory more than the name is kept.
	maxFound = 1 << 17
	// batch is how many symlinks or directories are asked about together.
	batch = 256
)

// errEndless is not the outcome of a moment: nobody need ask again.
var errEndless error = marked{errors.New("the listing has no end"), disk.ErrUnsupported}

func (d *dir) Names() ([]disk.Name, error) {
	const op = "read directory"
	path, err := d.at(op, ".", true)
	if err != nil {
		return nil, err
	}
	var objects []found
	r := d.disk.memory.begin(d.path)
	names, err := ask(d.disk, func(t turn) (names []disk.Name, err error) {
		names, objects, err = d.disk.list(t, path)
		return names, err
	})
	d.disk.memory.done(r, objects)
	if err != nil {
		return nil, wrap(op, path, err)
	}
	return names, nil
}

// list reads the directory at path, and of the first objects in it what else belongs to them.
func (d *Disk) list(t turn, path string) (names []disk.Name, objects []found, err error) {
	size := 0
	for item, err := range t.m.ListDir(t.ctx, path) {
		if err != nil {
			return nil, nil, err
		}
		if size += nameSize + len(item.Name); size > maxListing {
			return nil, nil, fmt.Errorf("%w: more than %d names", errEndless, len(names))
		}
		names = append(names, disk.Name{Name: item.Name, Kind: item.Attrs.Kind()})
		if len(objects) < maxFound {
			objects = append(objects, found{item.Name, object{Attrs: item.Attrs}})
		}
	}
	targets(t, path, objects)
	if d.mounts() {
		devices(t, path, objects)
	}
	return names, objects, nil
}

// targets fills in where the symlinks in list lead, devices the file systems of the directories. What cannot be told, for whatever
// reason, is left to be asked for again.
func targets(t turn, path string, list []found) {
	many(t, list, varve.Symlink, func(f *found) sftp.Request[string] {
		return sftp.Readlink(path + "/" + f.name)
	}, func(f *found, target string) { f.target = target })
}

func devices(t turn, path string, list []found) {
	many(t, list, varve.Dir, func(f *found) sftp.Request[sftp.Space] {
		return sftp.Statvfs(path + "/" + f.name)
	}, func(f *found, s sftp.Space) { f.dev = s.ID })
}

// many asks one thing about every object of a kind, many at a time. What is not told of an object makes it unknown.
func many[T any](t turn, list []found, kind varve.Kind, request func(*found) sftp.Request[T], take func(*found, T)) {
	type asked struct {
		about *found
		call  *sftp.Call[T]
	}
	var under []asked
	settle := func(leave int) {
		for ; len(under) > leave; under = under[1:] {
			if v, err := under[0].call.Wait(t.ctx); err == nil {
				take(under[0].about, v)
			} else {
				under[0].about.Fields = 0
			}
		}
	}
	for i := range list {
		if list[i].Kind() == kind {
			under = append(under, asked{&list[i], send(t, request(&list[i]))})
		}
		if len(under) > batch {
			settle(batch / 2)
		}
	}
	settle(0)
}
