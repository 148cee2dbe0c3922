package tree

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
	"slices"

	"varve"
	"varve/internal/disk"
	"varve/internal/place"
)

// stored is a file of the store.
type stored struct {
	at   disk.FS
	name string
	info *disk.Info
	key  uint64 // by which it is known when it is met again; 0 where it is not
}

// key returns what the file that e has for itself is known by: its inode where it has several names.
func (p *pass) key(info *disk.Info, e *varve.Entry) uint64 {
	switch {
	case e.Kind != varve.Regular:
		return 0
	case info.Links > 1:
		return info.Stamp.Ino
	case p.check.lends:
		return p.check.place(loan{p.view.manifest.snap.ID, e.Path})
	}
	return 0
}

// place returns what the file that l names is known by.
func (c *check) place(l loan) uint64 { return maphash.String(c.seed, string(l.from[:])+l.path) }

// content checks a regular file against its digest. One that is met several times is read once; what is wrong with it is told each
// time.
func (p *pass) content(f *stored, e *varve.Entry) {
	c := p.check
	digest := binary.LittleEndian.Uint64(e.Digest[:])
	c.mu.Lock()
	if e.Kind != varve.Dir {
		c.report.Files++
	}
	before, seen := c.seen[f.key]
	if !seen && f.key != 0 {
		c.seen[f.key] = digest
	}
	bad := c.bad[f.key]
	c.mu.Unlock()
	n := int64(0)
	switch {
	case e.Kind != varve.Regular || c.opts.StructureOnly:
	case seen && bad != nil:
		p.damage(e.Path, "%w", bad)
	case !seen || before != digest:
		var err error
		if n, err = p.read(f, e); err != nil {
			p.condemn(f.key, err)
			p.damage(e.Path, "%w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Bytes += n
	if c.opts.Progress != nil {
		c.opts.Progress(varve.Event{Kind: varve.Done, Path: e.Path, Bytes: n})
	}
}

// condemn enters what is wrong with a file. Where the snapshot was forgotten meanwhile that is no wonder: other snapshots that have the file
// are to read it themselves.
func (p *pass) condemn(key uint64, err error) {
	if key == 0 {
		return
	}
	gone := p.view.gone()
	c := p.check
	c.mu.Lock()
	defer c.mu.Unlock()
	if gone {
		delete(c.seen, key)
	} else {
		c.bad[key] = err
	}
}

var (
	errContent = errors.New("content differs from what was stored")
	errHole    = errors.New("data stands where a hole was stored")
)

// read reads a file and returns how many bytes it had, and what is wrong with it.
func (p *pass) read(f *stored, e *varve.Entry) (int64, error) {
	r, err := f.at.Open(f.name)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	copier := p.check.copiers.Get().(*place.Copier)
	defer p.check.copiers.Put(copier)
	sum, n, err := copier.Sum(place.NewStream(r, e))
	if err == nil && sum != e.Digest {
		err = errContent
	}
	if err == nil && len(e.Holes) > 0 {
		err = checkHoles(r, e)
	}
	return n, err
}

// checkHoles reads what the file system does not call a hole of the regions that are holes by the manifest; there must be zeros.
// A file system that tells no holes is not asked further: reading a terabyte of zeros proves little.
func checkHoles(r disk.Reader, e *varve.Entry) error {
	have, err := r.Holes(e.Size, false)
	if err != nil || len(have) == 0 {
		return err
	}
	for _, want := range e.Holes {
		off, end := want.Off, want.Off+want.Len
		for off < end {
			for len(have) > 0 && have[0].Off+have[0].Len <= off {
				have = have[1:]
			}
			stop := end
			if len(have) > 0 && have[0].Off <= off {
				off = min(have[0].Off+have[0].Len, end)
				continue
			} else if len(have) > 0 {
				stop = min(stop, have[0].Off)
			}
			if err := zeros(r, off, stop); err != nil {
				return err
			}
			off = stop
		}
	}
	return nil
}

// zeros reads a region and reports whether it is nothing but zeros.
func zeros(r io.ReaderAt, off, end int64) error {
	buf := make([]byte, 64<<10)
	for ; off < end; off += int64(len(buf)) {
		n := min(int64(len(buf)), end-off)
		if _, err := r.ReadAt(buf[:n], off); err != nil {
			return err
		}
		if slices.ContainsFunc(buf[:n], func(b byte) bool { return b != 0 }) {
			return errHole
		}
	}
	return nil
}
