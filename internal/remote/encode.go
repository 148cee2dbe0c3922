package remote

import (
	"encoding/binary"

	"varve"
)

// What an entry has besides the fields that all have. The bits are part of the format.
const (
	hasErr = 1 << iota
	hasOwner
	hasBTime
	hasSize
	hasTarget
	hasRdev
	hasXattrs
	hasFlags
	hasSameAs
	hasHoles
	hasDigest
	hasChunks
	hasStamp
	hasMarks
	hasUnkept
	hasAll = 1<<iota - 1
)

// owner is the owner of an entry.
type owner struct {
	uid, gid    uint32
	user, group string
}

func ownerOf(e *varve.Entry) owner { return owner{e.UID, e.GID, e.User, e.Group} }

// encoder writes entries, each with regard to the one before in the same message.
type encoder struct {
	b     []byte
	path  string
	owner owner
}

func (w *encoder) reset() { *w = encoder{b: w.b[:0]} }

func (w *encoder) number(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *encoder) signed(v int64)  { w.b = binary.AppendVarint(w.b, v) }
func (w *encoder) text(s string)   { w.number(uint64(len(s))); w.b = append(w.b, s...) }

func (w *encoder) time(t varve.Time) {
	w.signed(t.Sec)
	w.number(uint64(uint32(t.Nsec)))
}

// tail appends s as the length that it shares with before, and the rest.
func (w *encoder) tail(s, before string) {
	n := 0
	for n < min(len(s), len(before)) && s[n] == before[n] {
		n++
	}
	w.number(uint64(n))
	w.text(s[n:])
}

// add appends e. Of an entry with Err, the path and the kind are all that is told beside it.
func (w *encoder) add(e *varve.Entry) {
	has := w.parts(e)
	w.b = append(w.b, byte(e.Kind))
	w.number(uint64(has))
	w.tail(e.Path, w.path)
	w.path = e.Path
	if has&hasErr != 0 {
		w.text(string(appendError(nil, briefly(e.Err))))
		return
	}
	w.number(uint64(e.Mode))
	w.time(e.MTime)
	w.addOwner(e, has)
	w.addTimes(e, has)
	w.addContent(e, has)
	w.addLists(e, has)
	w.addRest(e, has)
}

// parts says what of e is told.
func (w *encoder) parts(e *varve.Entry) (has int) {
	if e.Err != nil {
		return hasErr
	}
	for i, there := range [...]bool{false, ownerOf(e) != w.owner, e.BTime != varve.Time{}, e.Size != 0, e.Target != "",
		e.Rdev != varve.Rdev{}, len(e.Xattrs) > 0, e.Flags != 0, e.SameAs != "", len(e.Holes) > 0, e.Digest != varve.Digest{},
		len(e.Chunks) > 0, e.Stamp != varve.Stamp{}, e.Marks != 0, e.Unkept != 0} {
		if there {
			has |= 1 << i
		}
	}
	return has
}

func (w *encoder) addOwner(e *varve.Entry, has int) {
	if has&hasOwner == 0 {
		return
	}
	w.owner = ownerOf(e)
	w.number(uint64(e.UID))
	w.number(uint64(e.GID))
	w.text(e.User)
	w.text(e.Group)
}

func (w *encoder) addTimes(e *varve.Entry, has int) {
	if has&hasBTime != 0 {
		w.time(e.BTime)
	}
	if has&hasStamp != 0 {
		w.number(e.Stamp.Dev)
		w.number(e.Stamp.Ino)
		w.time(e.Stamp.CTime)
	}
}

func (w *encoder) addContent(e *varve.Entry, has int) {
	if has&hasSize != 0 {
		w.number(uint64(e.Size))
	}
	if has&hasTarget != 0 {
		w.text(e.Target)
	}
	if has&hasRdev != 0 {
		w.number(uint64(e.Rdev.Major))
		w.number(uint64(e.Rdev.Minor))
	}
	if has&hasDigest != 0 {
		w.b = append(w.b, e.Digest[:]...)
	}
	if has&hasChunks != 0 {
		w.number(uint64(e.Depth))
		w.number(uint64(len(e.Chunks)))
		for i := range e.Chunks {
			w.b = append(w.b, e.Chunks[i][:]...)
		}
	}
}

func (w *encoder) addLists(e *varve.Entry, has int) {
	if has&hasXattrs != 0 {
		w.number(uint64(len(e.Xattrs)))
		for i := range e.Xattrs {
			w.text(e.Xattrs[i].Name)
			w.text(e.Xattrs[i].Value)
		}
	}
	if has&hasHoles != 0 {
		w.number(uint64(len(e.Holes)))
		end := int64(0)
		for _, h := range e.Holes {
			w.number(uint64(h.Off - end))
			w.number(uint64(h.Len))
			end = h.Off + h.Len
		}
	}
}

func (w *encoder) addRest(e *varve.Entry, has int) {
	if has&hasFlags != 0 {
		w.number(uint64(e.Flags))
	}
	if has&hasSameAs != 0 {
		w.tail(e.SameAs, e.Path)
	}
	if has&hasMarks != 0 {
		w.number(uint64(e.Marks))
	}
	if has&hasUnkept != 0 {
		w.number(uint64(e.Unkept))
	}
}
