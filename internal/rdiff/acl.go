package rdiff

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"varve"
)

// Tags of the kernel's ACLs, linux/posix_acl.h, in the order in which entries stand, and the names of their attributes.
const (
	tagUserObj  = 0x01
	tagUser     = 0x02
	tagGroupObj = 0x04
	tagGroup    = 0x08
	tagMask     = 0x10
	tagOther    = 0x20

	aclVersion = 2
	noID       = math.MaxUint32

	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"
)

// aclEntry is one entry of an ACL.
type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// namer finds the ID of a user or group; false where nobody knows it.
type namer func(name string) (uint32, bool)

// errUnknownOwner says that an ACL names somebody without an ID; the entry is left out.
var errUnknownOwner = errors.New("an ACL names an unknown user or group")

// parseACL returns the attributes that the text of an ACL, as getfacl prints it, stands for. An entry for somebody unknown is left out
// and told, with all others converted. After any other error there are none.
func parseACL(text string, users, groups namer) ([]varve.Xattr, error) {
	var access, inherited []aclEntry
	var unknown error
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		list := &access
		if rest, ok := strings.CutPrefix(line, "default:"); ok {
			list, line = &inherited, rest
		}
		e, err := parseACLEntry(line, users, groups)
		if errors.Is(err, errUnknownOwner) {
			unknown = err
			continue
		}
		if err != nil {
			return nil, err
		}
		*list = append(*list, e)
	}
	xattrs, err := encodeACLs(access, inherited)
	return xattrs, cmp.Or(err, unknown)
}

// parseACLEntry reads an entry such as user:joe:rw-.
func parseACLEntry(line string, users, groups namer) (aclEntry, error) {
	kind, rest, _ := strings.Cut(line, ":")
	name, perms, ok := cutLastColon(rest)
	perm, ok2 := parsePerm(perms)
	if !ok || !ok2 {
		return aclEntry{}, fmt.Errorf("%.100q is no entry of an ACL", line)
	}
	e := aclEntry{perm: perm, id: noID}
	var find namer
	switch {
	case kind == "user" && name == "":
		e.tag = tagUserObj
	case kind == "group" && name == "":
		e.tag = tagGroupObj
	case kind == "mask" && name == "":
		e.tag = tagMask
	case kind == "other" && name == "":
		e.tag = tagOther
	case kind == "user":
		e.tag, find = tagUser, users
	case kind == "group":
		e.tag, find = tagGroup, groups
	default:
		return aclEntry{}, fmt.Errorf("%.100q is no entry of an ACL", line)
	}
	if find != nil {
		if e.id, ok = ownerID(name, find); !ok {
			return aclEntry{}, fmt.Errorf("%w: %.100q", errUnknownOwner, kind+":"+name)
		}
	}
	return e, nil
}

// cutLastColon cuts s at its last colon: names may have some.
func cutLastColon(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// parsePerm reads permissions such as rw-.
func parsePerm(s string) (perm uint16, ok bool) {
	if len(s) != 3 {
		return 0, false
	}
	for i := range 3 {
		switch s[i] {
		case "rwx"[i]:
			perm |= 4 >> i
		case '-':
		default:
			return 0, false
		}
	}
	return perm, true
}

// ownerID returns the ID of a user or group who is named, or has no name and stands there as a number.
func ownerID(name string, find namer) (uint32, bool) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil && n != noID {
		return uint32(n), true
	}
	return find(name)
}

// encodeACLs returns the attributes for an ACL that governs access and one that is inherited. The former is left out where the mode
// says it all.
func encodeACLs(access, inherited []aclEntry) ([]varve.Xattr, error) {
	var xattrs []varve.Xattr
	for _, a := range [...]struct {
		name string
		acl  []aclEntry
		from int // fewer entries than so many say nothing
	}{{accessACL, access, 4}, {defaultACL, inherited, 1}} {
		value, err := encodeACL(a.acl)
		if err != nil {
			return nil, err
		}
		if len(a.acl) >= a.from {
			xattrs = append(xattrs, varve.Xattr{Name: a.name, Value: value})
		}
	}
	return xattrs, nil
}

// encodeACL returns the kernel's encoding of an ACL; empty for one without entries.
func encodeACL(acl []aclEntry) (string, error) {
	if len(acl) == 0 {
		return "", nil
	}
	slices.SortStableFunc(acl, func(a, b aclEntry) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id)) })
	out := binary.LittleEndian.AppendUint32(nil, aclVersion)
	var tags uint16
	for i, e := range acl {
		if i > 0 && e.tag == acl[i-1].tag && e.id == acl[i-1].id {
			return "", errors.New("an ACL with two entries for one")
		}
		tags |= e.tag
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.perm)
		out = binary.LittleEndian.AppendUint32(out, e.id)
	}
	const needed = tagUserObj | tagGroupObj | tagOther
	if tags&needed != needed || tags&(tagUser|tagGroup) != 0 && tags&tagMask == 0 {
		return "", errors.New("an ACL that lacks an entry")
	}
	return string(out), nil
}
