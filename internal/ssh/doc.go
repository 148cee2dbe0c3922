// Package ssh runs the system's ssh program and gives its standard input and output as one pipe.
//
// The user's own configuration stays in force, with its jump hosts, agents and hardware keys. On top of it a connection is kept
// alive and noticed when it is dead, forwards nothing, has no terminal and no escape character. Secrets are ssh's affair: none is
// ever given as an argument.
//
// # Terminal and signals
//
// Without Options.Interactive nothing may be asked: BatchMode is set, and ssh runs in a session of its own, without a terminal, so
// that a jump host that asks after all fails at once and does not hang. With Interactive ssh shares the terminal and our process
// group, since one in the background that reads the terminal is stopped; it is started through /bin/sh with the keyboard's signals
// ignored. So in neither case ^C ends ssh behind our back; ending it is Close's affair.
//
// # Not for
//
// The package speaks no protocol, neither ssh's nor what runs through the pipe, and knows nothing about keys.
package ssh
