// Package rsync lets the real rsync program bring files into a staged snapshot.
//
// Two ways lead here. [Serve] is the far end of a push: a stock rsync client that logs in with a key whose forced command is varve
// talks to an `rsync --server` that runs in a cage. [Pull] runs an rsync client against a daemon. Either way rsync fills an empty
// directory, the [Stage], hard-linking what has not changed from older snapshots by --link-dest, and a Stage that was filled is
// committed as a snapshot.
//
// # What a client may do
//
// Nothing of the client's command line reaches rsync as it was sent. It is taken apart, every option is held against a list, and a
// new one is written: an option is handed on, or left out because it means nothing to an empty directory, or refused by name. Paths
// are never taken over: the destination is the Stage, whatever the client calls it.
//
// # The cage
//
// rsync runs in a session of its own with an empty environment, confined by Landlock: it may read and execute programs and libraries, read
// the few files in /etc that libraries want, read older snapshots, and write below the Stage. From Linux 6.7 on TCP is closed but for the
// daemon of a pull, from 6.12 on signals and abstract sockets. As root it keeps the capabilities alone that files need, and a push is in
// a network of its own, where there is nothing; for others Landlock leaves UDP open. Where neither closes TCP there is a warning.
//
// A link from an older snapshot is allowed by the kernel only where the file gains no rights by it. Therefore files in
// transit have a directory beside the Stage, the only one where files may be written; in the Stage they may be made, linked, renamed
// and removed but not opened for writing, no more than in the older snapshots. With --fake-super this is impossible, since rsync writes
// what stands for a symlink in place; the older snapshots' files can be written by the caged process then, though not removed.
// Landlock governs neither modes, owners nor times of files that can be reached: a Stage checks at its commit that
// the inodes it shares with older snapshots are what they were.
//
// rsync before 3.5.0 is run with a warning: dozens of weaknesses that a hostile peer could use, memory corruption among them, were
// published with and mended in that release. A distribution may have mended an older one, which its version does not tell.
//
// # What the other side could not read
//
// A sender tells a receiver of files and directories that it could not read, since protocol 30: rsync exits with 23 and the snapshot is
// marked incomplete. It does not tell of a source named on its command line that does not exist at all, and of nothing before that
// protocol, so older clients are refused. As far as a snapshot came about, the client's own exit status is the better witness: an
// rsync client exits with 0 only where varve has committed.
//
// With --fake-super rsync, 3.5.0 included, loses the default ACL of a directory that has other extended attributes, too, and does not say
// so. Where that matters varve has to serve as root.
//
// # Not for
//
// It is not an implementation of rsync's protocol, and it does not send files: who wants to read a store has varve's own commands.
package rsync
