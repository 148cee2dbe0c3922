package rdiff

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"varve"
)

// sum is a SHA-1.
type sum [20]byte

// record is what mirror_metadata tells of one object.
type record struct {
	entry varve.Entry // without Path, Xattrs, SameAs and Stamp
	// gone says that the object was not there, in a diff.
	gone   bool
	links  linkKey // zero for what has a single name
	sum    sum
	hasSum bool
	// mirror and increments are the names in long_filename_data for the mirror file, with its increments, or for increments alone.
	mirror, increments string
	// fork says that the object has Macintosh metadata, which have no place in an entry.
	fork bool
}

// linkKey is equal for all names of one inode. Numbers of inodes are those of the session that saw the file change last, and may have
// been used again since: what else an inode holds counts, too.
type linkKey struct {
	links, inode, device uint64
	size, mtime          int64
	mode, uid, gid       uint32
}

// parseRecord reads the lines of a record below its first.
func parseRecord(text string) (record, error) {
	var r record
	var kind string
	var errs []error
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\n"), " ")
		field, value, ok := strings.Cut(line, " ")
		if !ok {
			continue
		}
		if field == "Type" {
			kind = value
		}
		if err := r.set(field, value); err != nil {
			errs = append(errs, fmt.Errorf("%s %.100q: %w", field, value, err))
		}
	}
	errs = append(errs, r.finish(kind))
	return r, errors.Join(errs...)
}

// set takes over one field. Unknown ones do not matter.
func (r *record) set(field, value string) (err error) {
	e := &r.entry
	switch field {
	case "Type":
		err = r.setKind(value)
	case "Size":
		e.Size, err = integer[int64](value, 0, math.MaxInt64)
	case "ModTime":
		e.MTime.Sec, err = integer[int64](value, math.MinInt64, math.MaxInt64)
	case "Uid":
		e.UID, err = integer[uint32](value, 0, math.MaxUint32)
	case "Gid":
		e.GID, err = integer[uint32](value, 0, math.MaxUint32)
	case "Uname":
		e.User = owner(value)
	case "Gname":
		e.Group = owner(value)
	case "Permissions":
		e.Mode, err = integer[uint32](value, 0, 0o7777)
	case "SymData":
		e.Target = unescapeLine(value)
	case "DeviceNum":
		err = r.setDevice(value)
	default:
		err = r.setRest(field, value)
	}
	return err
}

// setRest takes over the fields that serve to find content.
func (r *record) setRest(field, value string) (err error) {
	switch field {
	case "NumHardLinks":
		r.links.links, err = integer[uint64](value, 0, math.MaxInt64)
	case "Inode":
		r.links.inode, err = number(value)
	case "DeviceLoc":
		r.links.device, err = number(value)
	case "SHA1Digest":
		err = r.setSum(value)
	case "AlternateMirrorName":
		r.mirror = value
	case "AlternateIncrementName":
		r.increments = value
	case "ResourceFork", "CarbonFile":
		r.fork = r.fork || value != "None"
	}
	return err
}

func (r *record) setSum(value string) error {
	if value == "None" {
		return nil
	}
	r.hasSum = true
	n, err := hex.Decode(r.sum[:], []byte(value[:min(len(value), 2*len(r.sum))]))
	if err != nil || n != len(r.sum) || len(value) != 2*n {
		return errors.New("not a SHA-1")
	}
	return nil
}

func (r *record) setKind(value string) error {
	switch value {
	case "reg":
		r.entry.Kind = varve.Regular
	case "dir":
		r.entry.Kind = varve.Dir
	case "sym":
		r.entry.Kind = varve.Symlink
	case "fifo":
		r.entry.Kind = varve.FIFO
	case "sock":
		r.entry.Kind = varve.Socket
	case "dev": // DeviceNum says which
	case "None":
		r.gone = true
	default:
		return errors.New("unknown")
	}
	return nil
}

// setDevice reads what a device stands for, such as "c 1 3".
func (r *record) setDevice(value string) error {
	words := strings.Fields(value)
	if len(words) != 3 {
		return errors.New("not a device")
	}
	switch words[0] {
	case "c":
		r.entry.Kind = varve.CharDevice
	case "b":
		r.entry.Kind = varve.BlockDevice
	default:
		return errors.New("not a device")
	}
	major, err := integer[uint32](words[1], 0, math.MaxUint32)
	minor, err2 := integer[uint32](words[2], 0, math.MaxUint32)
	r.entry.Rdev = varve.Rdev{Major: major, Minor: minor}
	return errors.Join(err, err2)
}

// finish checks that the fields of a record make an object.
func (r *record) finish(kind string) error {
	e := &r.entry
	if e.Kind != varve.Regular {
		e.Size, r.links = 0, linkKey{}
	}
	if e.Kind != varve.Symlink {
		e.Target = ""
	}
	if r.links.links < 2 {
		r.links = linkKey{}
	} else {
		r.links.size, r.links.mtime = e.Size, e.MTime.Sec
		r.links.mode, r.links.uid, r.links.gid = e.Mode, e.UID, e.GID
	}
	switch {
	case r.gone:
		return nil
	case kind == "":
		return errors.New("no type")
	case e.Kind == 0:
		return fmt.Errorf("type %.20q with nothing else", kind)
	case e.Kind == varve.Symlink && (e.Target == "" || strings.IndexByte(e.Target, 0) >= 0):
		return errors.New("a symlink without a target")
	}
	return nil
}

// owner is the name of a user or group; empty where it had none.
func owner(value string) string {
	if value == ":" || value == "None" {
		return ""
	}
	return value
}

// integer reads a decimal number from low to high.
func integer[T int64 | uint32 | uint64](value string, low, high int64) (T, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < low || n > high {
		return 0, errors.New("not a number, or out of range")
	}
	return T(n), nil
}

// number reads a number of an inode or device, of which nothing but being the same matters: it may have 64 bits, with or without sign.
func number(value string) (uint64, error) {
	if n, err := strconv.ParseUint(value, 10, 64); err == nil {
		return n, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, errors.New("not a number")
	}
	return uint64(n), nil
}
