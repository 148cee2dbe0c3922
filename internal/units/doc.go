// Package units writes what starts jobs on a schedule: systemd units, or lines of a crontab.
//
// A job NAME has varve-NAME.service and varve-NAME.timer. The service may do what its job needs and little else, see [Unit]. Units carry
// a mark in their first line; only such files are ever replaced or removed. In a crontab ours are the lines between two marks:
//
//	# BEGIN varve
//	# END varve
//
// All others stay as they are, byte for byte.
//
// # Not for
//
// The package does not decide when jobs are due.
package units
