package sftpfs

import (
	"sync"

	"varve/internal/sftp"
)

// Fact is what is known of an ability that shows only when it is used.
type Fact uint8

// What can be known of an ability.
const (
	Untried Fact = iota
	Works
	Fails
)

// String returns the word for f that reports use.
func (f Fact) String() string {
	switch f {
	case Works:
		return "works"
	case Fails:
		return "fails"
	}
	return "untried"
}

// Abilities are what a server can do beyond reading, writing and listing.
type Abilities struct {
	// What the server offers as extensions. Without HardLinks an unchanged file cannot be linked. Without PosixRename nothing is
	// replaced atomically. Without Fsync nothing is known to be durable; what was written is read back instead. Without Statvfs the
	// room is unknown and file systems cannot be told apart. Without Lsetstat symlinks keep the time and owner they were made with.
	// Without Owners users and groups have no names.
	HardLinks, PosixRename, Fsync, Statvfs, Lsetstat, Owners bool
	// TellsOwners says that the server tells who owns an object; where it does not everything seems to belong to 0.
	TellsOwners bool
	// RenameKeeps says whether a plain rename refuses to replace. Where it fails to, and there are no hard links, something made in
	// the same moment by somebody else could be replaced.
	RenameKeeps Fact
	// Chown, Chmod and Times say whether owners, modes and modification times can be set. Fails means that what was asked for was
	// refused last: another owner may be accepted where this one was not.
	Chown, Chmod, Times Fact
	// Symlinks says whether symlinks can be made.
	Symlinks Fact
	// Links says whether hard links can be made where the extension is there.
	Links Fact
}

// Lacks returns what a server does not keep or do for a backup, in words, each fit to stand in a list; what every server lacks is
// among them.
func (a Abilities) Lacks() []string {
	list := []string{"extended attributes and ACLs", "inode flags", "special files and device numbers", "fractions of seconds"}
	for _, l := range [...]struct {
		lacking bool
		words   string
	}{
		{!a.HardLinks || a.Links == Fails, "hard links"},
		{!a.PosixRename, "atomic replacing"},
		{!a.Fsync, "flushing to disk"},
		{!a.Statvfs, "the room that is left"},
		{!a.Lsetstat, "times and owners of symlinks"},
		{!a.Owners, "names of owners"},
		{!a.TellsOwners, "the owners of what is there"},
		{a.RenameKeeps == Fails, "renaming without replacing"},
		{a.Chown == Fails, "owners"},
		{a.Chmod == Fails, "modes"},
		{a.Times == Fails, "modification times"},
		{a.Symlinks == Fails, "symlinks"},
	} {
		if l.lacking {
			list = append(list, l.words)
		}
	}
	return list
}

// facts is what was learned by use.
type facts struct {
	mu                                                sync.Mutex
	renameKeeps, chown, chmod, times, symlinks, links Fact
	chmodAt                                           Fact               // by lsetstat
	refused                                           map[[2]uint32]bool // owners that were
	unexplained                                       int                // links that failed for no reason that could be found
	probing                                           sync.Mutex
}

// learn enters a fact.
func (f *facts) learn(which *Fact, works bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*which = Fails
	if works {
		*which = Works
	}
}

// learnModes enters whether a mode was set. Where one was, what is refused for another object says nothing of the server.
func (f *facts) learnModes(works bool) {
	if works || f.known(&f.chmod) != Works {
		f.learn(&f.chmod, works)
	}
}

func (f *facts) known(which *Fact) Fact {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *which
}

// Abilities returns what the server offers, and what has been learned of the rest so far.
func (d *Disk) Abilities() Abilities {
	f := &d.facts
	f.mu.Lock()
	defer f.mu.Unlock()
	return Abilities{
		HardLinks: d.offers[sftp.ExtHardlink], PosixRename: d.offers[sftp.ExtPosixRename], Fsync: d.offers[sftp.ExtFsync],
		Statvfs: d.offers[sftp.ExtStatvfs], Lsetstat: d.offers[sftp.ExtLsetstat], Owners: d.offers[sftp.ExtUsersGroups],
		TellsOwners: d.tellsOwners, RenameKeeps: f.renameKeeps, Chown: f.chown, Chmod: f.chmod, Times: f.times, Symlinks: f.symlinks, Links: f.links,
	}
}

// offered returns the extensions that a server offers.
func offered(s *sftp.Session) map[sftp.Extension]bool {
	offers := map[sftp.Extension]bool{}
	for _, e := range [...]sftp.Extension{sftp.ExtPosixRename, sftp.ExtStatvfs, sftp.ExtHardlink, sftp.ExtFsync, sftp.ExtLsetstat,
		sftp.ExtLimits, sftp.ExtUsersGroups} {
		offers[e] = s.Offers(e)
	}
	return offers
}
