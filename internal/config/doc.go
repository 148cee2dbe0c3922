// Package config reads the file that says what is backed up where, when, how long it is kept, and who hears of trouble.
//
// The file is TOML. Its tables are
//
//	[store.NAME]       a place that keeps snapshots
//	[job.NAME]         what is backed up into which stores
//	[notice.NAME]      who is told
//	[defaults.store]   what holds for every store and job that does not say otherwise
//	[defaults.job]
//
// and docs/manual/config.md tells all their keys, as the comments of [Store], [Job] and [Notice] do. [Parse] is strict: whatever it does
// not understand, and whatever makes no sense, is an error that points at its place in the file; all of them are found at once. [Schema]
// describes the same types to editors.
//
// Secrets do not stand in the file. It names files and commands that have them.
//
// # Defaults
//
// A key that a store or job does not have is taken from the defaults, before anything is checked. That goes for the keys inside of
// guard, hook, verify, prune and drill one by one; every other value, lists and keep included, is taken whole.
//
// # Not for
//
// The package opens no store, looks at no source, and runs nothing. It reads no file but the one it is told to.
package config
