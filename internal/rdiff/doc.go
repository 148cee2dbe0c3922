// Package rdiff reads repositories of rdiff-backup, versions 1.2 and 2.x, without that program: every session that a repository
// keeps is a [Version], which is a varve.View.
//
//	DIR/…                                    the mirror: the files as the newest session found them
//	DIR/rdiff-backup-data/
//	    current_mirror.TIME.data             when that was; two of them where the last session was broken off
//	    mirror_metadata.TIME.{snapshot,diff} what was there at TIME, a diff against the next newer session
//	    extended_attributes.TIME.snapshot    access_control_lists.TIME.snapshot
//	    increments/PATH.TIME.{snapshot,diff,dir,missing}
//	                                         what PATH was at TIME, before a later session changed it
//	    long_filename_data/N…                mirror files and increments whose names would have been too long
//	    chars_to_quote, error_log.TIME.data
//
// All of these may end in ".gz". A diff of metadata holds the records that were other ones at TIME; a diff of a file is a delta of
// librsync that makes the older content out of the newer. So the content at TIME begins with the oldest whole copy that is not older
// than TIME, an increment or the mirror, and takes the deltas from there back to TIME, the newest first. They are not applied one
// after the other: copies of copies are resolved first, and then the content is read once, from where its bytes lie.
//
// # What can be relied on
//
// Nothing in a repository is trusted: names, sizes, numbers and order are checked, and what is read is held in memory or in
// temporary files no larger than a version's metadata and the files that are open. Content is checked against length and SHA-1 that the
// metadata tell; a mismatch is an error of that file alone, at the end of its content.
//
// Where the metadata do not tell SHA-1, as for what programs before 1.1 wrote, length alone is checked. They tell whole seconds, and no
// time at all for symlinks and devices, which therefore have the zero varve.Time. Holes are not known.
//
// A regular file has a varve.Stamp made of its path and SHA-1: in versions read one after the other, what did not change is
// recognised and not read again. Import the oldest version first: each is then stored as what it changed in the one before, and what
// is stored ends with the newest, as a series does.
//
// # Not for
//
// The package writes nothing into a repository and does not mend it. It cannot read what rdiff-backup itself can no longer read, such
// as sessions without metadata.
package rdiff
