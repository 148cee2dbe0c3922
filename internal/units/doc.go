// Package units writes what starts jobs on a schedule: systemd units, or lines of a crontab.
//
// A job NAME has varve-NAME.service and varve-NAME.timer; one of another configuration file than the usual has varve-CONFIG.NAME.service
// and varve-CONFIG.NAME.timer, where CONFIG is what [ConfigName] returns, and has no dot. The service may do what its job needs and little
// else, see [Unit]. Units carry a mark in their first line; only such files are ever replaced or removed. In a crontab ours are the lines
// between two marks, for each configuration file its own:
//
//	# BEGIN varve
//	# END varve
//	# BEGIN varve CONFIG
//	# END varve CONFIG
//
// All others stay as they are, byte for byte.
//
// # Not for
//
// The package does not decide when jobs are due.
package units
