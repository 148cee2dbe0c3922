// Package sftp speaks version 3 of the SSH file transfer protocol, and OpenSSH's extensions to it, to a server at the other end of
// one pipe.
//
// A [Session] is one such pipe. What is asked is a [Request], made by the function of its name ([Lstat], [Read], [PosixRename] ...).
// [Go] sends it and returns a [Call] to be waited for; [Do] does both. Requests of one goroutine go out in the order in which they
// were sent, and a server works on the requests for one file in that order, so that WRITEs and the CLOSE that follows them can be
// under way together. [Session.ListDir], [Session.ReadAt], [Session.WriteAt] and [Reader] keep so many requests under way that the
// distance to the server no longer matters.
//
// The server is not trusted. Packets are bounded, every count and length is held against what is there, answers that were not
// asked for end the session with [ErrProtocol], names in listings are single elements, and what a server says in words is made
// harmless before it gets into an error. A session takes no more memory than its Options allow, plus what its callers keep.
//
// # Packets
//
//	uint32 length of what follows | byte type | uint32 request ID | fields
//
// Numbers are big-endian; a string is its length as uint32 and its bytes. INIT and VERSION hold a version in the place of the ID.
//
// # Not for
//
// The package makes no connections, repeats nothing and knows no file system: a session that is lost stays lost, and what its
// requests did before is for the caller to find out.
package sftp
