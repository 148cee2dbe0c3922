package manifest

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"varve"
)

// decodeLeaf appends the entries of page to into. They share no memory with page. Slices in them may be shared between entries.
func decodeLeaf(id PageID, page []byte, into []varve.Entry) ([]varve.Entry, error) {
	d, level, err := newDecoder(id, page)
	if err != nil {
		return into, err
	}
	if level != 0 {
		d.fail("references where entries are expected")
	}
	for d.more(0) {
		into = append(into, varve.Entry{})
		d.entry(&into[len(into)-1])
	}
	if d.fault != "" {
		return into, damaged(id, "entry "+strconv.Itoa(d.weight.items)+": "+d.fault)
	}
	return into, nil
}

// entry reads one entry into e, which is zero.
func (d *decoder) entry(e *varve.Entry) {
	head, times, extra := d.byte(), d.byte(), byte(0)
	if head&headExtra != 0 {
		extra = d.byte()
	}
	if times&^timesKnown != 0 || extra&^extraKnown != 0 || (extra == 0) == (head&headExtra != 0) {
		d.fail("bits that have no meaning")
	}
	e.Kind = varve.Kind(head & headKind)
	e.Path = d.readPath(head&headDir != 0)
	d.readMode(e, head&headMode != 0)
	d.readOwner(e, head&headOwner != 0)
	d.readStamp(e, times)
	d.readMTime(e, times>>mtimeShift&timeBits)
	d.readBTime(e, times>>btimeShift&timeBits)
	d.readContent(e, head&headDigest != 0)
	if extra != 0 {
		d.readExtra(e, extra)
	}
	if d.fault != "" {
		return
	}
	if reason := faultOf(e); reason != "" {
		d.fail(reason)
		return
	}
	d.last = e.Path
	d.weight.items++
	d.weight.paths += len(e.Path) + len(e.SameAs)
}

// readPath reads a path and checks it, and that it comes after the one before.
func (d *decoder) readPath(newDir bool) string {
	if newDir {
		d.readDir()
	}
	keep, rest := d.tail(len(d.path) - d.name)
	if !newDir && d.weight.items > 0 && bytes.Compare(rest, d.path[d.name+keep:]) <= 0 {
		d.fail("not in listing order")
	}
	d.path = append(d.path[:d.name+keep], rest...)
	if len(d.path) > MaxPath {
		d.fail("path too long")
	}
	if reason := nameFault(d.path[d.name:]); reason != "" && len(d.path) > 0 {
		d.fail(reason)
	}
	if d.fault != "" {
		return ""
	}
	path := string(d.path)
	if newDir && d.weight.items > 0 && varve.ComparePaths(d.last, path) >= 0 {
		d.fail("not in listing order")
	}
	return path
}

// readDir reads a directory. What it shares with the one before was checked there, up to the element that changes.
func (d *decoder) readDir() {
	keep, rest := d.tail(d.dir)
	from := bytes.LastIndexByte(d.path[:keep], '/') + 1
	d.path = append(d.path[:keep], rest...)
	if reason := pathFault(string(d.path[from:])); reason != "" {
		d.fail(reason)
	}
	if len(d.path) == from && from > 0 {
		d.fail("a path with an empty element")
	}
	d.dir = len(d.path)
	if d.dir > 0 {
		d.path = append(d.path, '/')
	}
	d.name = len(d.path)
}

func (d *decoder) readMode(e *varve.Entry, given bool) {
	if given {
		d.modes[e.Kind] = uint32(d.number(math.MaxUint32))
	}
	e.Mode = d.modes[e.Kind]
}

func (d *decoder) readOwner(e *varve.Entry, given bool) {
	if given {
		if i := d.number(uint64(len(d.owners))); i > 0 {
			d.owner = d.owners[i-1]
		} else {
			d.newOwner()
		}
	}
	e.UID, e.GID, e.User, e.Group = d.owner.uid, d.owner.gid, d.owner.user, d.owner.group
}

func (d *decoder) newOwner() {
	d.owner.uid = uint32(d.number(math.MaxUint32))
	d.owner.gid = uint32(d.number(math.MaxUint32))
	d.owner.user = d.str()
	d.owner.group = d.str()
	if len(d.owners) < tableSize {
		d.owners = append(d.owners, d.owner)
	}
}

// readTime reads what leaf.addTime wrote with the given code.
func (d *decoder) readTime(before varve.Time, code byte) varve.Time {
	t := varve.Time{Sec: before.Sec + d.varint()}
	if code == timeFull {
		if b := d.take(4); b != nil {
			t.Nsec = int32(binary.LittleEndian.Uint32(b))
		}
	}
	return t
}

func (d *decoder) readStamp(e *varve.Entry, times byte) {
	code := times & timeBits
	if code == ctimeNone {
		if times&timesDev != 0 {
			d.fail("a device without a stamp")
		}
		return
	}
	if times&timesDev != 0 {
		d.stamp.Dev = d.uvarint()
	}
	d.stamp.Ino += uint64(d.varint())
	if code != ctimeBefore {
		d.stamp.CTime = d.readTime(d.stamp.CTime, code)
	}
	e.Stamp = d.stamp
}

func (d *decoder) readMTime(e *varve.Entry, code byte) {
	switch {
	case code == mtimeIsCTime && e.Stamp == varve.Stamp{}:
		d.fail("a time like that of a stamp, without a stamp")
	case code == mtimeIsCTime:
		d.mtime = e.Stamp.CTime
	case code != mtimeBefore:
		d.mtime = d.readTime(d.mtime, code)
	}
	e.MTime = d.mtime
}

func (d *decoder) readBTime(e *varve.Entry, code byte) {
	near, stamped := e.MTime, e.Stamp != varve.Stamp{}
	if stamped {
		near = e.Stamp.CTime
	}
	switch {
	case code == btimeIsCTime && !stamped:
		d.fail("a time like that of a stamp, without a stamp")
	case code == btimeIsCTime:
		e.BTime = near
	case code == btimeIsMTime:
		e.BTime = e.MTime
	case code == btimeNear:
		e.BTime = varve.Time{Sec: near.Sec + d.varint(), Nsec: d.nanoseconds(near.Nsec)}
	}
}

// nanoseconds reads a difference to near.
func (d *decoder) nanoseconds(near int32) int32 {
	diff := d.varint()
	if diff < -1e9 || diff > 1e9 {
		d.fail("nanoseconds out of range")
		return 0
	}
	return near + int32(diff)
}

func (d *decoder) readContent(e *varve.Entry, hasDigest bool) {
	switch e.Kind {
	case varve.Regular:
		e.Size = int64(d.number(math.MaxInt64))
	case varve.Symlink:
		e.Target = d.str()
	case varve.CharDevice, varve.BlockDevice:
		e.Rdev.Major = uint32(d.number(math.MaxUint32))
		e.Rdev.Minor = uint32(d.number(math.MaxUint32))
	}
	if hasDigest {
		copy(e.Digest[:], d.take(uint64(len(e.Digest))))
	}
}

func (d *decoder) readExtra(e *varve.Entry, extra byte) {
	if extra&extraXattrs != 0 {
		e.Xattrs = d.readXattrs()
	}
	if extra&extraFlags != 0 {
		e.Flags = uint32(d.number(math.MaxUint32))
	}
	if extra&extraSameAs != 0 {
		keep, rest := d.tail(len(e.Path))
		e.SameAs = e.Path[:keep] + string(rest)
	}
	if extra&extraHoles != 0 {
		e.Holes = d.readHoles()
	}
	if extra&extraMarks != 0 {
		e.Marks = varve.Marks(d.number(math.MaxUint8))
	}
	if extra&extraUnkept != 0 {
		e.Unkept = varve.Aspect(d.number(math.MaxUint16))
	}
	if extra&extraChunks != 0 {
		d.readChunks(e)
	}
}

func (d *decoder) readChunks(e *varve.Entry) {
	e.Depth = uint8(d.number(MaxDepth))
	n := d.count(MaxChunks, len(varve.Digest{}))
	if n == 0 {
		d.fail("chunks of no number")
		return
	}
	e.Chunks = make([]varve.Digest, n)
	for i := range e.Chunks {
		copy(e.Chunks[i][:], d.take(uint64(len(e.Chunks[i]))))
	}
}

func (d *decoder) readXattrs() []varve.Xattr {
	if i := d.number(uint64(len(d.xattrs))); i > 0 {
		return d.xattrs[i-1]
	}
	n := d.count(MaxXattrs, 3)
	if n == 0 {
		return nil
	}
	xattrs := make([]varve.Xattr, n)
	for i := range xattrs {
		xattrs[i] = varve.Xattr{Name: d.str(), Value: d.str()}
	}
	if len(d.xattrs) < tableSize {
		d.xattrs = append(d.xattrs, xattrs)
	}
	return xattrs
}

func (d *decoder) readHoles() []varve.Extent {
	n := d.count(MaxHoles, 2)
	if n == 0 {
		return nil
	}
	holes := make([]varve.Extent, n)
	end := int64(0)
	for i := range holes {
		off := int64(d.number(math.MaxInt64)) + end
		holes[i] = varve.Extent{Off: off, Len: int64(d.number(math.MaxInt64))}
		end = off + holes[i].Len
	}
	return holes
}
