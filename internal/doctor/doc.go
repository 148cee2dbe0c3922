// Package doctor looks at a place as varve would use it and says, finding by finding, what is good there, what is worth knowing, and what
// is wrong, each with what mends it.
//
// A place is a directory of this machine, one on an SFTP server, a varve on another machine, or a module of an rsync daemon. Whether it is
// a store, or could become one, or is there to be backed up, is read from what lies there.
//
// # What is done there
//
// Nothing is changed but in a directory that the package makes in the place and removes again; where the place does not exist, the first
// directory that is missing is made and removed at once, since some servers refuse some names. [Options.ReadOnly] leaves both out. No host
// key is accepted, and no key installed. Of what fails little is asked twice: servers shut out who makes many errors.
//
// # Trust
//
// The other side is not trusted. What it says gets into a Finding as text that a terminal cannot obey, and into what mends something never.
//
// # Not for
//
// The package does not read stores through (varve verify does), needs no key of a vault, and walks no source.
package doctor
