// Package history remembers between runs what became of jobs and how stores are: when a job last succeeded, when a store was last
// verified, pruned and restored from, how it grows.
//
//	STATE/history/job-NAME.json      one job
//	STATE/history/store-NAME.json    one store
//	STATE/history/alarm-NAME.json    what was told of a job while it ran
//	STATE/history/*.lock             who writes the one of this name
//
// Jobs and stores of a configuration that is not the usual one are in STATE/history-KEY.
//
// A record is written whole, made durable and put in the place of the one before, by whoever holds its lease. One that is missing or
// damaged costs nothing but memory: reading it gives an empty record, and the next write replaces it.
//
// # Not for
//
// Nothing here decides anything. What snapshots there are is for the stores to say: no record proves that one exists.
package history
