package main

import (
	"os/user"
	"strconv"
)

// newOwners returns a function that tells the names of users and groups, empty where unknown. It asks the system once for each.
func newOwners() func(uid, gid uint32) (owner, group string) {
	users, groups := map[uint32]string{}, map[uint32]string{}
	return func(uid, gid uint32) (string, string) {
		owner, known := users[uid]
		if !known {
			if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
				owner = u.Username
			}
			users[uid] = owner
		}
		group, known := groups[gid]
		if !known {
			if g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10)); err == nil {
				group = g.Name
			}
			groups[gid] = group
		}
		return owner, group
	}
}
