package doctor

// room is what is free on the file system of a place.
type room struct {
	known             bool
	total, free       int64 // bytes
	inodes, freeNodes uint64
	readOnly          bool
	pseudo            bool // the kernel's own
}

const (
	// littleRoom is how much free space is worth a warning, in bytes; littlePart the share of the whole, in percent.
	littleRoom = 1 << 30
	littlePart = 5
)

// space says how much room there is.
func (e *exam) space(p *place) {
	r := p.room
	if !r.known {
		e.note("space", "", "how much room is left is not told")
		return
	}
	if r.readOnly {
		e.warn("space", "mount it for writing, for a store or a restore", "the file system is mounted read-only")
	}
	if r.pseudo || r.total == 0 {
		e.warn("space", "name a directory on a disk", "the file system is the kernel's own, and holds nothing to back up")
		return
	}
	e.free(r)
	if r.inodes > 0 && !r.readOnly {
		e.freeInodes(r)
	}
}

func (e *exam) free(r room) {
	const mend = "varve forget makes room, in a vault together with varve prune; or a larger disk, or quota"
	level := Good
	switch {
	case r.readOnly:
	case r.free <= 0:
		e.wrong("space", mend, "no room is left of %s", size(r.total))
		return
	case r.free < littleRoom || r.free < r.total/100*littlePart:
		level = Warning
	}
	if level == Good {
		e.good("space", "%s of %s free", size(r.free), size(r.total))
		return
	}
	e.tell(level, "space", mend, "%s of %s free", size(r.free), size(r.total))
}

func (e *exam) freeInodes(r room) {
	part := r.freeNodes * 100 / max(r.inodes, 1)
	switch {
	case r.freeNodes == 0:
		e.wrong("inodes", "a vault needs few inodes, a tree one for every file and snapshot's directory", "none is left of %d", r.inodes)
	case part < littlePart:
		e.warn("inodes", "a vault needs few inodes, a tree one for every file and snapshot's directory", "%d of %d free", r.freeNodes, r.inodes)
	default:
		e.good("inodes", "%d of %d free", r.freeNodes, r.inodes)
	}
}
