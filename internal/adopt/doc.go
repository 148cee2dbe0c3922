// Package adopt finds the snapshots that other programs have made of plain directories, so that a tree store can take them in as they
// are.
//
//	YYYY-MM-DD           Hactar: a directory a day                           [Hactar]
//	PREFIX-YYYY-MM-DD    the same for several sources in one place           [Prefixed]
//	LEVEL.N              rsnapshot: daily.0 is the newest of its level       [Config.Style]
//	anything with a date                                                     [Named]
//
// A [Style] says how names are made; [Guess] proposes some for a directory. [Find] tells the snapshots with their times: those in their
// names, else the modification times of the directories. A name is taken only if it is one as a whole: "web" stands neither for
// web-staging-2024-01-31 nor for web-notes. What was left unfinished, is about to be removed, or may be written to right now is told
// apart, since it is no snapshot, or not yet.
//
// [Under] puts what such a directory holds under the path that it had where it was backed up.
//
// # What times are worth
//
// rsnapshot gives its directories the time of the backup. An rsync that copies times gives a snapshot's directory that of its source,
// so where names have no date it may be any: Found.From says what a time was taken from. Names tell local time; a day without a time
// of day stands for its midnight. Where times of rsnapshot's directories contradict their numbers, those that do not fit are Doubtful.
//
// # Not for
//
// The package reads names and times, and a configuration that it is given. It runs nothing, not even what a configuration of rsnapshot
// asks for in backticks, reads no files of a snapshot, and changes nothing.
package adopt
