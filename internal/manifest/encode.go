package manifest

import (
	"encoding/binary"

	"varve"
)

// leaf is a page of entries being written.
type leaf struct {
	state
	buf       []byte
	weight    weight
	bytes     int64 // for Root.Bytes
	first     string
	path      string // of the last entry; dir and name are its parts
	dir, name string
}

func (p *leaf) reset() {
	owners, xattrs := p.owners[:0], p.xattrs[:0]
	clear(owners[:cap(owners)])
	clear(xattrs[:cap(xattrs)])
	*p = leaf{buf: append(p.buf[:0], pageVersion, 0), state: state{owners: owners, xattrs: xattrs}}
}

// add appends e, whose path is made of dir and name. e has no fault and is in order.
func (p *leaf) add(e *varve.Entry, dir, name string) {
	if p.weight.items == 0 {
		p.first = e.Path
	}
	at := len(p.buf)
	head, extra := byte(e.Kind), extraOf(e)
	p.buf = append(p.buf, 0, 0)
	if extra != 0 {
		head |= headExtra
		p.buf = append(p.buf, extra)
	}
	head |= p.addPath(dir, name) | p.addMode(e) | p.addOwner(e)
	p.buf[at+1] = p.addStamp(e) | p.addMTime(e) | p.addBTime(e)
	p.buf[at] = head | p.addContent(e)
	if extra != 0 {
		p.addExtra(e, extra)
	}
	p.path = e.Path
	p.bytes = sum(p.bytes, bytesOf(e))
	p.weight = weight{p.weight.items + 1, len(p.buf), p.weight.paths + len(e.Path) + len(e.SameAs)}
}

func extraOf(e *varve.Entry) (extra byte) {
	for i, has := range [...]bool{len(e.Xattrs) != 0, e.Flags != 0, e.SameAs != "", len(e.Holes) != 0, e.Marks != 0, e.Unkept != 0,
		len(e.Chunks) != 0} {
		if has {
			extra |= 1 << i
		}
	}
	return extra
}

func (p *leaf) uvarint(v uint64) { p.buf = binary.AppendUvarint(p.buf, v) }
func (p *leaf) varint(v int64)   { p.uvarint(zigzag(v)) }
func (p *leaf) str(s string)     { p.uvarint(uint64(len(s))); p.buf = append(p.buf, s...) }

// tail appends s as the length that it shares with before, and the rest.
func (p *leaf) tail(s, before string) {
	n := shared(s, before)
	p.uvarint(uint64(n))
	p.str(s[n:])
}

func (p *leaf) addPath(dir, name string) (head byte) {
	if dir != p.dir {
		head = headDir
		p.tail(dir, p.dir)
		p.dir, p.name = dir, ""
	}
	p.tail(name, p.name)
	p.name = name
	return head
}

func (p *leaf) addMode(e *varve.Entry) (head byte) {
	if e.Mode == p.modes[e.Kind] {
		return 0
	}
	p.modes[e.Kind] = e.Mode
	p.uvarint(uint64(e.Mode))
	return headMode
}

func (p *leaf) addOwner(e *varve.Entry) (head byte) {
	o := owner{e.UID, e.GID, e.User, e.Group}
	if o == p.owner {
		return 0
	}
	p.owner = o
	for i := range p.owners {
		if p.owners[i] == o {
			p.uvarint(uint64(i + 1))
			return headOwner
		}
	}
	if len(p.owners) < tableSize {
		p.owners = append(p.owners, o)
	}
	p.uvarint(0)
	p.uvarint(uint64(o.uid))
	p.uvarint(uint64(o.gid))
	p.str(o.user)
	p.str(o.group)
	return headOwner
}

// addTime appends t, given that it differs from before, and returns its code.
func (p *leaf) addTime(t, before varve.Time) byte {
	p.varint(t.Sec - before.Sec)
	if t.Nsec == 0 {
		return timeSeconds
	}
	p.buf = binary.LittleEndian.AppendUint32(p.buf, uint32(t.Nsec))
	return timeFull
}

func (p *leaf) addStamp(e *varve.Entry) (times byte) {
	if e.Stamp == (varve.Stamp{}) {
		return ctimeNone
	}
	before := p.stamp
	p.stamp = e.Stamp
	if e.Stamp.Dev != before.Dev {
		times = timesDev
		p.uvarint(e.Stamp.Dev)
	}
	p.varint(int64(e.Stamp.Ino - before.Ino))
	if e.Stamp.CTime == before.CTime {
		return times | ctimeBefore
	}
	return times | p.addTime(e.Stamp.CTime, before.CTime)
}

func (p *leaf) addMTime(e *varve.Entry) (times byte) {
	before := p.mtime
	p.mtime = e.MTime
	switch {
	case e.MTime == before:
		return mtimeBefore << mtimeShift
	case e.MTime == e.Stamp.CTime && e.Stamp != varve.Stamp{}:
		return mtimeIsCTime << mtimeShift
	}
	return p.addTime(e.MTime, before) << mtimeShift
}

func (p *leaf) addBTime(e *varve.Entry) (times byte) {
	stamped := e.Stamp != varve.Stamp{}
	switch {
	case e.BTime == varve.Time{}:
		return btimeNone << btimeShift
	case e.BTime == e.Stamp.CTime && stamped:
		return btimeIsCTime << btimeShift
	case e.BTime == e.MTime:
		return btimeIsMTime << btimeShift
	}
	near := e.MTime
	if stamped {
		near = e.Stamp.CTime
	}
	p.varint(e.BTime.Sec - near.Sec)
	p.varint(int64(e.BTime.Nsec) - int64(near.Nsec))
	return btimeNear << btimeShift
}

// addContent appends what only objects of one kind have.
func (p *leaf) addContent(e *varve.Entry) (head byte) {
	switch e.Kind {
	case varve.Regular:
		p.uvarint(uint64(e.Size))
		if e.Digest != (varve.Digest{}) {
			p.buf = append(p.buf, e.Digest[:]...)
			return headDigest
		}
	case varve.Symlink:
		p.str(e.Target)
	case varve.CharDevice, varve.BlockDevice:
		p.uvarint(uint64(e.Rdev.Major))
		p.uvarint(uint64(e.Rdev.Minor))
	}
	return 0
}

// addExtra appends what few objects have.
func (p *leaf) addExtra(e *varve.Entry, extra byte) {
	if extra&extraXattrs != 0 {
		p.addXattrs(e.Xattrs)
	}
	if extra&extraFlags != 0 {
		p.uvarint(uint64(e.Flags))
	}
	if extra&extraSameAs != 0 {
		p.tail(e.SameAs, e.Path)
	}
	if extra&extraHoles != 0 {
		p.addHoles(e.Holes)
	}
	if extra&extraMarks != 0 {
		p.uvarint(uint64(e.Marks))
	}
	if extra&extraUnkept != 0 {
		p.uvarint(uint64(e.Unkept))
	}
	if extra&extraChunks != 0 {
		p.addChunks(e)
	}
}

func (p *leaf) addChunks(e *varve.Entry) {
	p.uvarint(uint64(e.Depth))
	p.uvarint(uint64(len(e.Chunks)))
	for i := range e.Chunks {
		p.buf = append(p.buf, e.Chunks[i][:]...)
	}
}

func (p *leaf) addXattrs(xattrs []varve.Xattr) {
	for i := range p.xattrs {
		if equal(p.xattrs[i], xattrs) {
			p.uvarint(uint64(i + 1))
			return
		}
	}
	if len(p.xattrs) < tableSize {
		p.xattrs = append(p.xattrs, xattrs)
	}
	p.uvarint(0)
	p.uvarint(uint64(len(xattrs)))
	for i := range xattrs {
		p.str(xattrs[i].Name)
		p.str(xattrs[i].Value)
	}
}

func equal(a, b []varve.Xattr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (p *leaf) addHoles(holes []varve.Extent) {
	p.uvarint(uint64(len(holes)))
	end := int64(0)
	for _, h := range holes {
		p.uvarint(uint64(h.Off - end))
		p.uvarint(uint64(h.Len))
		end = h.Off + h.Len
	}
}
