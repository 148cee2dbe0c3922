// Package job runs the jobs of a configuration, says when they are due and how they are, and rehearses restores.
//
// A run goes through these steps, in this order, and what fails early is told by what comes late:
//
//	lease        one run of a job at a time
//	guards       what must be mounted or there is; room; stores that are away are left out, unreachable machines waited for
//	before       the hook
//	catch up     the store that gets the backup, if it was away, gets copies of what the others have
//	save         from a snapshot of the file system where asked for, with the output of commands; tried again where that may help, and
//	             in the next store where this one cannot take it
//	copy         to the other stores
//	forget       in each store that holds the new snapshot, if that is good and the clock can be trusted
//	care         verify, prune and drill the stores, where due
//	after        the hook, or failed
//	finally      the hook, in every case
//
// # What is never deleted
//
// What retention keeps; anything of a series whose newest snapshots are suspect, nor is a vault pruned then; anything in the run in which
// somebody accepted a snapshot; anything while the clock may be wrong, while another store of the job is not well, or while a store is
// known to be damaged; more than the budget of a store in one run. A last look before the deletion makes sure of the last good snapshot
// of every series whatever was planned.
//
// # Not for
//
// The package prints nothing and reads no configuration file. It makes no stores: a disk that is not mounted must not get one.
package job
