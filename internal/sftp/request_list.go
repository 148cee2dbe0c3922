package sftp

import "fmt"

// nameSize is the least that one item of a NAME packet takes: two strings and the flags of the attributes.
const nameSize = 12

// Item is one object in a listing.
type Item struct {
	Name string // a single element
	// Attrs are those of the object itself, as far as the server sends them along.
	Attrs Attrs
}

// Readdir asks for the next items of the directory h; "." and ".." are left out. io.EOF after the last ones. ErrName where the
// server sends a name that is none.
func Readdir(h Handle) Request[[]Item] {
	a := handleAsk("readdir", typeReaddir, h)
	a.size = safeContent
	return answer(a, typeName, func(d *decoder) ([]Item, error) {
		items := make([]Item, 0, d.count(nameSize))
		for range cap(items) {
			item := Item{Name: d.string()}
			d.bytes() // what "ls -l" prints, for people
			item.Attrs = d.attrs()
			if d.err != nil {
				return nil, d.err
			}
			if item.Name == "." || item.Name == ".." {
				continue
			}
			if err := checkName(item.Name); err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, d.err
	})
}

// Names are the names of users and groups; empty where the server knows none.
type Names struct {
	Users  []string // one for each UID that was asked for
	Groups []string // one for each GID
}

// maxIDs is how many names may be asked for at once, so that they fit into a packet.
const maxIDs = 1000

// UsersGroups asks what users and groups are called, 1000 of both together at most. It needs ExtUsersGroups.
func UsersGroups(uids, gids []uint32) Request[Names] {
	a := ask{op: "users-groups", typ: typeExtended, body: func(b []byte) []byte {
		return appendNumbers(appendNumbers(b, uids), gids)
	}}
	if len(uids)+len(gids) > maxIDs {
		a.err = fmt.Errorf("%d IDs at once", len(uids)+len(gids))
	}
	return answer(a.extended(ExtUsersGroups), typeExtendedReply, func(d *decoder) (Names, error) {
		users := d.names(len(uids))
		groups := d.names(len(gids))
		return Names{Users: users, Groups: groups}, d.err
	})
}

// appendNumbers appends a string that consists of numbers.
func appendNumbers(b []byte, numbers []uint32) []byte {
	b = appendUint32(b, uint32(4*len(numbers)))
	for _, n := range numbers {
		b = appendUint32(b, n)
	}
	return b
}

// names takes a string that consists of n strings.
func (d *decoder) names(n int) []string {
	list := decoder{data: d.bytes(), err: d.err}
	names := make([]string, n)
	for i := range names {
		names[i] = list.string()
	}
	if list.err == nil && len(list.data) > 0 {
		list.fail("more names than were asked for")
	}
	if list.err != nil {
		d.err = list.err
	}
	return names
}

// Limits are the greatest amounts that a server takes.
type Limits struct {
	Read    int    // bytes of one READ; at most 255 KiB
	Write   int    // bytes of one WRITE; at most 255 KiB
	Handles uint64 // open at the same time; 0 where unknown or unlimited
}

// askLimits asks for the limits and settles on what will be used of them.
func askLimits() Request[Limits] {
	a := ask{op: "limits", typ: typeExtended, body: func(b []byte) []byte { return b }}
	return answer(a.extended(ExtLimits), typeExtendedReply, func(d *decoder) (Limits, error) {
		packet, read, write, handles := d.uint64(), d.uint64(), d.uint64(), d.uint64()
		return Limits{Read: settle(read, packet), Write: settle(write, packet), Handles: handles}, d.err
	})
}

// settle returns how much content one packet may carry where a server allows most bytes of it, and packet bytes in all; 0 where
// it does not say.
func settle(most, packet uint64) int {
	const around = headLen + 4 + maxHandle + 8 + 4 // the fields of a WRITE
	if packet == 0 {
		packet = safeContent + around
	}
	if most == 0 {
		most = safeContent
	}
	return int(max(leastContent, min(most, max(packet, around)-around, maxContent)))
}
