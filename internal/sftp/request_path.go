package sftp

// Stat asks for the metadata of what path leads to, through symlinks.
func Stat(path string) Request[Attrs] { return attrsAnswer(newAsk("stat", typeStat, path)) }

// Lstat asks for the metadata of path itself.
func Lstat(path string) Request[Attrs] { return attrsAnswer(newAsk("lstat", typeLstat, path)) }

// Setstat sets those fields of a that are there on what path leads to, through symlinks.
func Setstat(path string, a Attrs) Request[None] {
	return plain(newAsk("setstat", typeSetstat, path).with(func(b []byte) []byte { return appendAttrs(b, a) }))
}

// Lsetstat is Setstat of path itself, a symlink too. It needs ExtLsetstat. OpenSSH refuses Size, and Mode of a symlink.
func Lsetstat(path string, a Attrs) Request[None] {
	fields := newAsk("lsetstat", typeExtended, path).with(func(b []byte) []byte { return appendAttrs(b, a) })
	return plain(fields.extended(ExtLsetstat))
}

// Remove removes path, which is not a directory.
func Remove(path string) Request[None] { return plain(newAsk("remove", typeRemove, path)) }

// Mkdir makes the directory path. The server's umask may take away permission bits.
func Mkdir(path string, a Attrs) Request[None] {
	return plain(newAsk("mkdir", typeMkdir, path).with(func(b []byte) []byte { return appendAttrs(b, a) }))
}

// Rmdir removes the empty directory path.
func Rmdir(path string) Request[None] { return plain(newAsk("rmdir", typeRmdir, path)) }

// Realpath asks for the absolute path without symlinks that path stands for.
func Realpath(path string) Request[string] {
	return pathAnswer(newAsk("realpath", typeRealpath, path))
}

// Readlink asks what the symlink path points to.
func Readlink(path string) Request[string] {
	return pathAnswer(newAsk("readlink", typeReadlink, path))
}

// Rename moves path to to. By the protocol it never replaces, and OpenSSH obeys; not every server does.
func Rename(path, to string) Request[None] {
	return plain(newAsk("rename", typeRename, path).to(to))
}

// PosixRename moves path to to and replaces what may be there. It needs ExtPosixRename.
func PosixRename(path, to string) Request[None] {
	return plain(newAsk("posix-rename", typeExtended, path).to(to).extended(ExtPosixRename))
}

// Hardlink makes to, which must not exist, another name of path. It needs ExtHardlink. Whether a symlink is followed is the
// server's affair; OpenSSH on Linux does not.
func Hardlink(path, to string) Request[None] {
	return plain(newAsk("hardlink", typeExtended, path).to(to).extended(ExtHardlink))
}

// Symlink makes the symlink path, which points to target. The target goes first on the wire: the protocol says otherwise, but that
// is how OpenSSH has always done it, and others follow.
func Symlink(target, path string) Request[None] {
	a := newAsk("symlink", typeSymlink, target).to(path)
	a.path = path
	return plain(a)
}

// to adds a second path.
func (a ask) to(path string) ask {
	if a.err == nil {
		a.err = checkPath(path)
	}
	return a.with(func(b []byte) []byte { return appendString(b, path) })
}

// Opendir opens the directory path for Readdir.
func Opendir(path string) Request[Handle] {
	return handleAnswer(newAsk("opendir", typeOpendir, path))
}

// Space is the room on a server's file system, as statvfs(3) tells it.
type Space struct {
	BlockSize      uint64 // bytes
	FragmentSize   uint64 // bytes; the unit of the block counts
	Blocks         uint64
	Free           uint64 // blocks
	Available      uint64 // blocks that the user may still use
	Files          uint64
	FilesFree      uint64
	FilesAvailable uint64
	ID             uint64 // of the file system
	Flags          uint64 // 1: read-only, 2: no set-ID
	NameMax        uint64 // bytes
}

// Statvfs asks for the room on the file system that holds path. It needs ExtStatvfs.
func Statvfs(path string) Request[Space] {
	return answer(newAsk("statvfs", typeExtended, path).extended(ExtStatvfs), typeExtendedReply,
		func(d *decoder) (Space, error) {
			var s Space
			for _, field := range []*uint64{&s.BlockSize, &s.FragmentSize, &s.Blocks, &s.Free, &s.Available, &s.Files,
				&s.FilesFree, &s.FilesAvailable, &s.ID, &s.Flags, &s.NameMax} {
				*field = d.uint64()
			}
			return s, d.err
		})
}
