// Package daemon runs jobs when they are due, one at a time, until it is told to end: for machines that have neither systemd nor cron.
//
// Whatever happens, it looks at the clock at least once a minute: a machine that slept, or whose clock was set, needs no other care. Of
// several jobs that are due the one comes first that ran longest ago, so that none keeps the others from running, and none runs again
// within a minute of its end, whatever became of that run.
//
// The configuration is read anew on demand, between two jobs. One that is broken is told of, and the old one stays in force.
//
// # Not for
//
// The package does not decide when jobs are due, knows no signals, and writes to no log.
package daemon
