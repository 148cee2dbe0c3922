package doctor

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"varve"
	"varve/internal/disk"
)

// links tries a hard link.
func (b *bench) links() {
	err := b.dir.Link(probeFile, b.dir, "link")
	if err == nil {
		b.made = append(b.made, "link")
		b.e.good("hard links", "work: a tree shares unchanged files between snapshots")
		return
	}
	if !b.failed(err) {
		b.e.warn("hard links", vaultHere(b.p), "cannot be made: a tree stores unchanged content once all the same, and its manifest says where: %s", reason(err))
	}
}

// renaming tries whether a rename leaves alone what is there, and one that shall replace does.
func (b *bench) renaming() {
	err := errors.Join(b.create("one", nil), b.create("two", nil))
	if err == nil {
		if err = b.dir.Rename("one", b.dir, "two"); errors.Is(err, fs.ErrExist) {
			err = b.dir.Replace("one", b.dir, "two")
		} else if err == nil {
			err = errors.New("a rename replaced a file that it should not have")
		}
	}
	switch {
	case err == nil:
		b.e.good("renaming", "replaces where it shall, and not where it must not")
	case !b.failed(err):
		b.e.wrong("renaming", "use another file system for a store", "%s", reason(err))
	}
}

// modes tries to set permissions.
func (b *bench) modes() {
	err := b.dir.Set(probeFile, &varve.Entry{Mode: 0o640}, varve.Mode)
	b.kept("modes", "can be set", err)
}

// kept says whether something can be kept with the files themselves.
func (b *bench) kept(what, good string, err error) {
	switch {
	case err == nil:
		b.e.good(what, "%s", good)
	case !b.failed(err):
		b.e.note(what, "", "not kept here, so a tree has them in its manifest alone, and a restore brings them back: %s", reason(err))
	}
}

// nobody is the owner that a file is given to; somebody else where the file is nobody's.
const nobody = 65534

// owners tries to give a file away.
func (b *bench) owners() {
	info, err := b.dir.Lookup(probeFile)
	if err != nil {
		b.failed(err)
		return
	}
	other := varve.Entry{UID: nobody, GID: nobody}
	if info.UID == nobody {
		other = varve.Entry{UID: 1, GID: 1}
	}
	err = b.dir.Set(probeFile, &other, varve.Owner)
	if err != nil && !b.p.far() && os.Geteuid() != 0 && !b.failed(err) {
		b.e.note("owners", "run varve as root, if files of several users are to be kept or restored",
			"only root may give files away: a tree has owners in its manifest alone")
		return
	}
	b.kept("owners", "can be set", err)
}

// times tries to set a modification time, to the nanosecond where the protocol has them.
func (b *bench) times() {
	at := varve.Time{Sec: 1_000_000_001, Nsec: 123_456_789}
	good := "can be set, to the nanosecond"
	if b.p.far() {
		at.Nsec, good = 0, "can be set, to the second"
	}
	err := b.dir.Set(probeFile, &varve.Entry{MTime: at}, varve.MTime)
	if errors.Is(err, disk.ErrUnsupported) && at.Nsec != 0 {
		if b.dir.Set(probeFile, &varve.Entry{MTime: varve.Time{Sec: 1_000_000_000}}, varve.MTime) == nil {
			b.e.note("times", "", "are kept more coarsely than to the nanosecond: a tree has the exact ones in its manifest")
			return
		}
	}
	b.kept("times", good, err)
}

// symlinks tries to make one.
func (b *bench) symlinks() {
	err := b.dir.Symlink("symlink", probeFile)
	if err == nil {
		b.made = append(b.made, "symlink")
	}
	b.kept("symlinks", "can be made", err)
}

// xattrs tries to set an extended attribute.
func (b *bench) xattrs() {
	list := []varve.Xattr{{Name: "user.varve", Value: "doctor"}}
	b.kept("extended attributes", "can be set", b.dir.Set(probeFile, &varve.Entry{Xattrs: list}, varve.Xattrs))
}

// acls tries to set an access control list, as the kernel encodes it: a version, then a tag, rights and an ID for each line.
func (b *bench) acls() {
	const version, none = 2, 0xffffffff
	const owner, user, group, mask, others = 1, 2, 4, 16, 32
	acl := binary.LittleEndian.AppendUint32(nil, version)
	for _, line := range [...]struct {
		tag, rights uint16
		id          uint32
	}{{owner, 6, none}, {user, 4, nobody}, {group, 4, none}, {mask, 4, none}, {others, 0, none}} {
		acl = binary.LittleEndian.AppendUint16(acl, line.tag)
		acl = binary.LittleEndian.AppendUint16(acl, line.rights)
		acl = binary.LittleEndian.AppendUint32(acl, line.id)
	}
	list := []varve.Xattr{{Name: "system.posix_acl_access", Value: string(acl)}}
	b.kept("ACLs", "can be set", b.dir.Set(probeFile, &varve.Entry{Xattrs: list}, varve.Xattrs))
}

// clones tries to share content between two files.
func (b *bench) clones() {
	from, err := b.dir.Open(probeFile)
	if err != nil {
		b.failed(err)
		return
	}
	defer from.Close()
	to, err := b.dir.Create("clone", 0o600)
	if err != nil {
		b.failed(err)
		return
	}
	b.made = append(b.made, "clone")
	defer to.Close()
	if err := to.Clone(from); err == nil {
		b.e.good("reflinks", "work: of a large file that changed, a tree stores what changed")
	} else if !b.failed(err) {
		b.e.note("reflinks", "XFS and btrfs have them", "cannot be made: of a large file that changed, a tree stores all")
	}
}

// locks tries to get the right to write alone.
func (b *bench) locks() {
	lock, err := b.dir.Lock("lock")
	if err == nil {
		b.made = append(b.made, "lock")
		err = lock.Close()
	}
	switch {
	case err == nil:
		b.e.good("locks", "work: one varve writes to a series at a time")
	case !b.failed(err):
		b.e.wrong("locks", "use another file system, or mount it with locks", "cannot be had: %s", reason(err))
	}
}
