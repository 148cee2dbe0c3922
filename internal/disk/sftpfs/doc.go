// Package sftpfs is a directory on another machine as a disk.FS, over SFTP, so that nothing has to be installed there.
//
// A [Disk] opens sessions as they are needed, up to a number, and spreads what is asked over them. A session that is lost is replaced
// by another one, at once, then with growing pauses; what was under way is asked again. So an operation ends well, or with the
// server's own refusal, or, when nobody has answered for [Options].GiveUp, with disk.ErrLost, as does everything asked later.
//
// # What is asked again
//
// When a session is lost before the answer came, a request may have been carried out or not. Reading and setting are repeated. For
// what makes, moves or removes a name the repetition is refused where the first one was carried out; then a look settles it: a new
// file that is there and empty, a directory, a symlink with the same target that is there, a name to be removed that is gone, a
// name to be moved that is gone while the other is there, are taken for the outcome of the first one. Somebody else could have done
// the same in that moment. The names in a store are random, named by their content, or guarded by a lease, so nobody does.
//
// A file being written is opened again and what the server has not acknowledged is sent again; since the server itself may have
// crashed in between, the whole file is then read back and compared before Sync or Close returns nil, unless nothing had arrived. A file
// being read must still have the size and modification time it had, and its name. A file that this Disk moves while it writes it is
// found again.
//
// # What a crash of the server takes
//
// Files that were closed and not flushed are remembered, wherever this Disk moves them, with a sum of what was written, until SyncAll has
// flushed them. A session that was lost since may mean that the server crashed: SyncAll then reads such a file back. A file that is gone,
// or holds something else, or could not be flushed, is an error of every SyncAll until it is removed or replaced through this
// Disk. So that memory and what must be read back stay small, files are flushed before others are made when many wait, and
// when they are closed for a minute after each loss.
//
// # What SFTP does not have
//
// Directories are not held but named by their paths: one that is moved is lost to those who hold it, and somebody on the other
// machine who replaces a directory by a symlink leads others astray. Names, as the package checks them, cannot. There are no inode
// numbers, change times, device numbers, link counts, extended attributes, flags and holes; stamps are zero. Times are whole
// seconds from 1970 to 2106. Special files cannot be made. Directories cannot be flushed: their entries are as durable as the
// server's file system makes them unasked. [Abilities] tells what else one server lacks.
//
// A write that fails for want of room, a name that is taken, a directory with entries: the protocol has one word for all of these,
// so a failure is followed by a look around.
//
// # Leases
//
// Lock makes the file itself the lease; see lease.go. While leases are held, every attempt at an operation that changes a name first makes
// sure that they still are. It excludes those who lock through this package, not those who use the directory through the operating
// system there.
package sftpfs
