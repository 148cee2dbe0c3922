package sftp

// version is the version of the protocol that is asked for and the only one that is accepted.
const version = 3

// Packet types.
const (
	typeInit     = 1
	typeVersion  = 2
	typeOpen     = 3
	typeClose    = 4
	typeRead     = 5
	typeWrite    = 6
	typeLstat    = 7
	typeFstat    = 8
	typeSetstat  = 9
	typeFsetstat = 10
	typeOpendir  = 11
	typeReaddir  = 12
	typeRemove   = 13
	typeMkdir    = 14
	typeRmdir    = 15
	typeRealpath = 16
	typeStat     = 17
	typeRename   = 18
	typeReadlink = 19
	typeSymlink  = 20

	typeStatus        = 101
	typeHandle        = 102
	typeData          = 103
	typeName          = 104
	typeAttrs         = 105
	typeExtended      = 200
	typeExtendedReply = 201
)

const (
	// maxPacket is the greatest length that a packet may announce: the 256 KiB of OpenSSH and some room.
	maxPacket = 256<<10 + 1<<10
	// maxContent is the most content that one READ or WRITE carries, as OpenSSH allows it.
	maxContent = 255 << 10
	// safeContent is what every server must take, and what is used where the server does not tell its limits.
	safeContent = 32 << 10
	// leastContent is what is used where a server announces still less.
	leastContent = 4 << 10
	// maxHandle is the greatest length of a handle that the protocol allows.
	maxHandle = 256
	// headLen is the length of the fields before a packet's own: length, type, ID.
	headLen = 9
)

// Extension is the name of an extension that this package can use.
type Extension string

// The extensions of OpenSSH's PROTOCOL file that this package can use.
const (
	ExtPosixRename Extension = "posix-rename@openssh.com"
	ExtStatvfs     Extension = "statvfs@openssh.com"
	ExtHardlink    Extension = "hardlink@openssh.com"
	ExtFsync       Extension = "fsync@openssh.com"
	ExtLsetstat    Extension = "lsetstat@openssh.com"
	ExtLimits      Extension = "limits@openssh.com"
	ExtUsersGroups Extension = "users-groups-by-id@openssh.com"
)

// extensionVersion returns the only version of e whose packets this package knows; empty where it does not know e.
func extensionVersion(e Extension) string {
	switch e {
	case ExtPosixRename, ExtHardlink, ExtFsync, ExtLsetstat, ExtLimits, ExtUsersGroups:
		return "1"
	case ExtStatvfs:
		return "2"
	}
	return ""
}

// Flags say how a file is opened.
type Flags uint32

// The flags of the protocol, to be joined with |.
const (
	FlagRead      Flags = 1 << iota
	FlagWrite           // without FlagCreate the file must be there
	FlagAppend          // offsets of writes are ignored
	FlagCreate          // made where it is not there
	FlagTruncate        // emptied; only together with FlagCreate
	FlagExclusive       // must not be there, not even as a symlink; only together with FlagCreate
)
