package doctor

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"varve/internal/disk"
	"varve/internal/location"
)

// scratchPrefix begins the names of the directories in which this package makes things. The rest is random.
const scratchPrefix = ".varve-doctor-"

// bench is a directory in which things are tried.
type bench struct {
	e    *exam
	p    *place
	dir  disk.FS
	made []string
	// dead says that nothing further can be tried.
	dead bool
}

// writing tries what can be done in the place.
func (e *exam) writing(p *place) {
	if e.o.ReadOnly {
		e.note("writing", "", "not tried, as was asked for")
		return
	}
	if !e.begin("writing") {
		return
	}
	dir, err := p.open()
	if err != nil {
		e.wrong("writing", "", "%s", reason(err))
		return
	}
	defer dir.Close()
	if p.missing != "" && !e.makeable(p, dir) {
		return
	}
	name, err := e.scratchName()
	if err == nil {
		err = dir.Mkdir(name, 0o700)
	}
	if err != nil {
		e.unwritable(p, err)
		return
	}
	e.tryIn(p, dir, name)
}

// scratchName makes up a name.
func (e *exam) scratchName() (string, error) {
	var random [8]byte
	if _, err := io.ReadFull(e.o.Random, random[:]); err != nil {
		return "", fmt.Errorf("make up a name: %w", err)
	}
	return scratchPrefix + hex.EncodeToString(random[:]), nil
}

// tryIn tries everything in the directory name, which was just made, and removes it.
func (e *exam) tryIn(p *place, dir disk.FS, name string) {
	b := &bench{e: e, p: p}
	var err, left error
	if b.dir, err = dir.OpenDir(name); err == nil {
		b.run()
		left = b.clear()
	} else {
		e.wrong("writing", "", "a directory that was just made cannot be opened: %s", reason(err))
	}
	if err = errors.Join(left, dir.Rmdir(name)); err != nil {
		e.warn("writing", "remove "+path.Join(p.path, name)+" by hand", "what was made to try things could not be removed: %s", reason(err))
	}
}

// run tries one thing after the other.
func (b *bench) run() {
	checks := []func(){b.file, b.links, b.renaming, b.modes, b.owners, b.times, b.symlinks}
	if !b.p.far() {
		checks = append(checks, b.xattrs, b.acls, b.clones)
	}
	for _, check := range append(checks, b.names, b.folding, b.locks) {
		if b.dead || !b.e.begin("writing") {
			return
		}
		check()
	}
}

// clear removes what was made. What is not there any more is no loss.
func (b *bench) clear() error {
	var errs []error
	for _, name := range slices.Backward(b.made) {
		if err := b.dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	_ = b.dir.Close() // nothing was to be written any more
	return errors.Join(errs...)
}

// failed reports whether err says that nothing further can be tried, and then says so.
func (b *bench) failed(err error) bool {
	if errors.Is(err, disk.ErrLost) && !b.dead {
		b.dead = true
		b.e.wrong("connection", "", "%s", reason(err))
	}
	return b.dead
}

// unwritable says that nothing can be made in the place.
func (e *exam) unwritable(p *place, err error) {
	mend := ""
	if errors.Is(err, fs.ErrPermission) {
		mend = e.asWhom(p)
	}
	if p.store != "" || errors.Is(err, disk.ErrLost) {
		e.wrong("writing", mend, "nothing can be made here, so no snapshot either: %s", reason(err))
		return
	}
	e.warn("writing", mend, "nothing can be made here: good for a source, not for a store or a restore: %s", reason(err))
}

// makeable makes the first directory that is missing, and removes it at once: a server may refuse a name.
func (e *exam) makeable(p *place, dir disk.FS) bool {
	err := dir.Mkdir(p.missing, 0o700)
	if err == nil {
		if err := dir.Rmdir(p.missing); err != nil {
			e.warn("writing", "", "%s was made to see whether it can be, and could not be removed: %s", path.Join(p.path, p.missing), reason(err))
		}
		e.good("writing", "%s can be made", path.Join(p.path, p.missing))
		return true
	}
	if errors.Is(err, fs.ErrExist) {
		return true // somebody was faster
	}
	mend := e.asWhom(p)
	if p.far() {
		mend = "a place below a directory of your own, relative to the login directory: " + p.sub() + "\nor " + mend
	}
	e.wrong("writing", mend, "%s cannot be made: %s", path.Join(p.path, p.missing), reason(err))
	return false
}

const (
	probeFile = "file"
	probeSize = 64 << 10
)

// create makes a file of the bench with this content.
func (b *bench) create(name string, content []byte) error {
	w, err := b.dir.Create(name, 0o600)
	if err != nil {
		return err
	}
	b.made = append(b.made, name)
	if len(content) > 0 {
		_, err = w.WriteAt(content, 0)
	}
	if err == nil && len(content) > 0 {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// file writes a file, makes it durable, and reads it.
func (b *bench) file() {
	content := bytes.Repeat([]byte("varve\n\x00\xff"), probeSize/8)
	err := b.create(probeFile, content)
	if err == nil {
		err = b.compare(probeFile, content)
	}
	if err == nil {
		err = b.dir.Sync()
	}
	switch {
	case err == nil:
		b.e.good("writing", "a file can be written, made durable and read")
	case b.failed(err):
	case errors.Is(err, disk.ErrNoSpace):
		b.dead = true
		b.e.wrong("writing", "varve forget makes room, in a vault together with varve prune", "%s", reason(err))
	default:
		b.dead = true
		b.e.wrong("writing", "is the disk damaged? The kernel's log may tell", "%s", reason(err))
	}
}

var errDiffers = errors.New("what is read is not what was written")

// compare reads a file.
func (b *bench) compare(name string, content []byte) error {
	r, err := b.dir.Open(name)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.NewSectionReader(r, 0, int64(len(content))+1))
	if err == nil && !bytes.Equal(got, content) {
		err = errDiffers
	}
	return errors.Join(err, r.Close())
}

// vaultHere is the advice for places that a tree does not suit.
func vaultHere(p *place) string {
	if p.store != "" {
		return "a vault suits such a place better"
	}
	return "a vault suits such a place better: " + command("varve", "init", "--kind", string(location.Vault), p.spec.String())
}
