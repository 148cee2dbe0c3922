// Package notice tells people and machines what became of a run: by mail, to a web hook, ntfy, a service that waits for pings, a command,
// a file for Prometheus, and the system's log. It also tells systemd how a service is doing.
//
// One [Report] goes to all. Its text is complete in itself: what ran, when, how it ended, what is missing, what is to be done, which
// snapshot is good, and how to restore from it. It has no control characters whatever names and errors have.
//
// A channel tries a few times within a minute, and gives up; a start is told once, within ten seconds, since a run waits for it. That
// nobody could be told is an error for the caller to print, and never one of the run.
//
// # Secrets
//
// The address of a web service is often a secret, and so errors show no more of it than its host. What servers answer is not shown
// either, except by SMTP servers.
//
// # What ping services get
//
//	start                                   POST to URL/start
//	success, recovered                      POST to URL
//	failure, suspect, incomplete, overdue   POST to URL/fail
//
// The report is the body, cut at 10,000 bytes. What URL has behind a question mark stays behind it.
//
// # Not for
//
// The package does not decide what is trouble, remembers nothing, and never looks at a store.
package notice
