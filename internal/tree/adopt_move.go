package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// A directory that is adopted stays where it is until everything else is done and durable. Then it is moved into the partial, and from
// there, as with every snapshot, to its place. Who finds it in the partial need not know where it came from: nothing is lacking but the
// last steps.

// adoptedFile lies in a partial from before a directory is moved into it, and says where in it that goes. Nothing else is ever made there.
const adoptedFile = "adopted"

// maxAdopted is how much of such a file is read, in bytes.
const maxAdopted = 8 << 20

// adoptedMark is the content of adoptedFile, in JSON.
type adoptedMark struct {
	// Path is where the directory is to lie in the snapshot; empty for the snapshot itself.
	Path []byte `json:"path"`
}

// take moves the directory into the partial, which lacks nothing but that.
func (a *adoption) take() error {
	p := a.save.partial
	if a.from.Path == "" {
		if err := p.dir.Rmdir(partialTree); err != nil {
			return err
		}
		if err := p.dir.Sync(); err != nil { // before the mark: nothing may lie there then
			return err
		}
	}
	if err := p.markAdopted(adoptedMark{[]byte(a.from.Path)}); err != nil {
		return err
	}
	if err := errors.Join(a.save.ctx.Err(), a.save.lease.lost()); err != nil {
		return err
	}
	a.moved = true
	if err := a.shift(a.from.Dir, a.from.Name, a.room, a.name); err != nil {
		return err
	}
	info, err := a.room.Lookup(a.name)
	if err == nil && info.Stamp.Ino != a.top.Stamp.Ino {
		err = errors.New("another directory has taken its place meanwhile")
	}
	return err
}

// markAdopted writes down that a directory is going to be moved into the partial.
func (p *partial) markAdopted(m adoptedMark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	const tmp = "tmp-" + adoptedFile
	if err := writeFile(p.dir, tmp, append(text, '\n')); err != nil {
		return err
	}
	return errors.Join(p.dir.Rename(tmp, p.dir, adoptedFile), p.dir.Sync())
}

// shift moves a directory durably. That from which it goes keeps its time, which may tell that of other snapshots in it.
func (a *adoption) shift(from disk.FS, name string, to disk.FS, toName string) error {
	up, err := a.from.Dir.Lookup(".")
	if err != nil {
		return err
	}
	if err := from.Rename(name, to, toName); err != nil {
		return err
	}
	_, err = place.Metadata(place.Named{Dir: a.from.Dir, Name: "."}, &up.Entry, varve.MTime)
	return errors.Join(err, to.Sync(), from.Sync())
}

// putBack moves the directory back after an error, unless it is a snapshot already.
func (a *adoption) putBack() error {
	if !a.moved {
		return nil
	}
	p := a.save.partial
	_, err := lookupIn(p.dir, partialTree, ".") // a.room may lie in the snapshot by now
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = a.room.Lookup(a.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = a.shift(a.room, a.name, a.from.Dir, a.from.Name)
	}
	if err != nil {
		return fmt.Errorf("it could not be moved back from %s, where the next run that writes to the series completes the snapshot: %w",
			treeOf(p.name), err)
	}
	return a.save.store.dropManifest(p.id.String())
}
