package walk

import (
	"bytes"
	"fmt"
	"io"

	"varve"
	"varve/internal/disk"
)

// file is a regular file being read. It streams the bytes up to the size it had when Entry was first called, or to its end where
// that size was 0: files the kernel makes up have no size.
type file struct {
	walk  *Source
	entry varve.Entry // what the walk saw
	r     disk.Reader

	// stamp is what the handle told when the attributes were read; at first what the walk saw when it read them, by name.
	stamp  varve.Stamp
	xattrs []varve.Xattr

	known bool
	size  int64
	holes []varve.Extent

	off  int64 // of the next byte to read
	next int   // the hole that comes next
}

// smallFile is the size in bytes up to which holes are found by reading where the file system cannot be trusted.
const smallFile = 1 << 24

func (f *file) Entry() (varve.Entry, error) {
	info, err := f.r.Info()
	if err != nil {
		return varve.Entry{}, oneFile(err)
	}
	if !f.known {
		f.size = info.Size
		if f.holes, err = f.findHoles(&info); err != nil {
			return varve.Entry{}, oneFile(err)
		}
		f.known = true
	}
	if err := f.readXattrs(info.Stamp); err != nil {
		return varve.Entry{}, oneFile(err)
	}
	e := info.Entry
	e.Path, e.Holes = f.entry.Path, f.holes
	e.User, e.Group = f.entry.User, f.entry.Group
	if e.UID != f.entry.UID || e.GID != f.entry.GID {
		e.User, e.Group = "", ""
	}
	e.Stamp = f.walk.trusted(&e)
	e.Xattrs, e.SameAs = f.xattrs, f.entry.SameAs
	return e, nil
}

// readXattrs reads the attributes again unless the file is certain to be what it was when they were read: another one may have taken
// the place of the one that the walk saw, and must not get its access rights.
func (f *file) readXattrs(now varve.Stamp) (err error) {
	if now == f.stamp && now != (varve.Stamp{}) {
		return nil
	}
	f.stamp = now
	f.xattrs, err = f.r.Xattrs()
	return err
}

// findHoles returns the holes of a file that takes less space than its size says. One that was modified just now is flushed first,
// or, while it is small, read through, since file systems have been known to call data that they had not written yet a hole.
func (f *file) findHoles(info *disk.Info) ([]varve.Extent, error) {
	if info.Allocated >= info.Size || f.walk.opts.Far {
		return nil, nil
	}
	dev := info.Stamp.Dev
	fresh := f.walk.recent(dev, info.MTime) || f.walk.recent(dev, info.Stamp.CTime)
	if fresh && info.Size <= smallFile {
		return f.scanHoles(info.Size)
	}
	holes, err := f.r.Holes(info.Size, fresh)
	return holes[:min(len(holes), maxHoles)], err
}

// maxHoles is how many holes of a file are told; what comes after them is read as the zeros that it is.
const maxHoles = 1 << 20

// holeUnit is the block in which scanHoles looks for zeros, in bytes.
const holeUnit = 4096

// scanHoles reads the file and returns the blocks of zeros, merged.
func (f *file) scanHoles(size int64) ([]varve.Extent, error) {
	var holes []varve.Extent
	var zeros [holeUnit]byte
	block := make([]byte, holeUnit)
	for off := int64(0); off < size; off += holeUnit {
		n := int(min(holeUnit, size-off))
		if _, err := f.r.ReadAt(block[:n], off); err == io.EOF {
			return holes, nil // it shrank; the reader will see that
		} else if err != nil {
			return nil, err
		}
		if !bytes.Equal(block[:n], zeros[:n]) {
			continue
		}
		if last := len(holes) - 1; last >= 0 && holes[last].Off+holes[last].Len == off {
			holes[last].Len += int64(n)
		} else {
			holes = append(holes, varve.Extent{Off: off, Len: int64(n)})
		}
	}
	return holes, nil
}

func (f *file) Read(p []byte) (int, error) {
	if !f.known {
		if _, err := f.Entry(); err != nil {
			return 0, err
		}
	}
	for f.next < len(f.holes) && f.off == f.holes[f.next].Off {
		f.off += f.holes[f.next].Len
		f.next++
	}
	if f.size > 0 {
		end := f.size
		if f.next < len(f.holes) {
			end = f.holes[f.next].Off
		}
		if f.off >= end {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), end-f.off)]
	} else if f.off >= maxUnsized {
		return 0, f.endless()
	}
	n, err := f.r.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 || err == io.EOF || len(p) == 0 {
		if n > 0 {
			err = nil
		}
		return n, err
	}
	return n, fmt.Errorf("%w: %w", varve.ErrUnreadable, err)
}

// maxUnsized is how many bytes are read of a file that claims to be empty.
const maxUnsized = 64 << 20

// endless is why a file that claimed to be empty is not read further: one that grew meanwhile ends, one that still says the same
// may be made up by the kernel, without an end.
func (f *file) endless() error {
	if info, err := f.r.Info(); err == nil && info.Size > 0 {
		return io.EOF
	}
	return fmt.Errorf("%w: /%s: claims to be empty and does not end", varve.ErrUnreadable, f.entry.Path)
}

func (f *file) Close() error { return f.r.Close() }
