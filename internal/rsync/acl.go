package rsync

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// What rsync keeps of an ACL with --fake-super, little-endian numbers of 32 bits: the permissions of the owner, of the owning group, of
// the mask and of others, noEntry where there is none; then for every further user or group its ID and its permissions, users with the
// bit isUser.
const (
	noEntry = 0x80
	isUser  = 1 << 31
)

// Tags of the kernel's ACLs, linux/posix_acl.h, in the order in which entries stand.
const (
	tagUserObj  = 0x01
	tagUser     = 0x02
	tagGroupObj = 0x04
	tagGroup    = 0x08
	tagMask     = 0x10
	tagOther    = 0x20

	aclVersion = 2
	noID       = 0xffffffff
)

// aclEntry is one entry of an ACL as the kernel encodes it.
type aclEntry struct {
	tag, perm uint16
	id        uint32
}

var errACL = errors.New("an ACL that is not what rsync writes")

// unfakeACL returns the kernel's encoding of an ACL that rsync keeps. In one that governs access what is left out follows from the
// mode, and it is empty where the mode says it all.
func unfakeACL(text string, mode uint32, access bool) (string, error) {
	const head, each = 16, 8
	if len(text) < head || (len(text)-head)%each != 0 || len(text) > 1<<16 {
		return "", errACL
	}
	data := []byte(text)
	owner, ok1 := permission(data, mode>>6)
	group, ok2 := permission(data[4:], mode>>3)
	mask, ok3 := permission(data[8:], mode>>3)
	other, ok4 := permission(data[12:], mode)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return "", errACL
	}
	masked := binary.LittleEndian.Uint32(data[8:]) != noEntry
	named := len(text) > head
	if access && !named && !masked {
		return "", nil
	}
	acl := []aclEntry{{tagUserObj, owner, noID}, {tagGroupObj, group, noID}, {tagOther, other, noID}}
	if named || masked {
		acl = append(acl, aclEntry{tagMask, mask, noID})
	}
	for rest := data[head:]; len(rest) > 0; rest = rest[each:] {
		e, ok := namedEntry(rest)
		if !ok {
			return "", errACL
		}
		acl = append(acl, e)
	}
	return encodeACL(acl)
}

// namedEntry reads the entry of a user or group.
func namedEntry(data []byte) (aclEntry, bool) {
	id, access := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
	e := aclEntry{tagGroup, uint16(access & 7), id}
	if access&isUser != 0 {
		e.tag = tagUser
	}
	return e, access&^(isUser|7) == 0 && id != noID
}

// permission reads one of the first four entries; where there is none, it is what the mode says.
func permission(data []byte, mode uint32) (uint16, bool) {
	n := binary.LittleEndian.Uint32(data)
	if n == noEntry {
		n = mode & 7
	}
	return uint16(n), n <= 7
}

func encodeACL(acl []aclEntry) (string, error) {
	slices.SortFunc(acl, func(a, b aclEntry) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id)) })
	out := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for i, e := range acl {
		if i > 0 && e.tag == acl[i-1].tag && e.id == acl[i-1].id {
			return "", errACL
		}
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.perm)
		out = binary.LittleEndian.AppendUint32(out, e.id)
	}
	return string(out), nil
}
