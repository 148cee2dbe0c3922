// Package hook runs commands that the configuration names: hooks around a job, and programs whose output is a file of a snapshot.
//
// # What a command finds
//
// Its working directory is /, or on another machine where who logs in there begins. It leads a process group of its own, and has no
// terminal. Standard input is what the caller gives, and else empty; a command that does not read it has done nothing wrong.
//
// Its environment is that of varve, without what is not meant for it:
//
//   - variables that begin with VARVE_, but for VARVE_SSH, VARVE_STATE_DIR and VARVE_CACHE_DIR. Passphrases and keys come that way.
//   - variables that begin with AWS_, which open storages.
//   - NOTIFY_SOCKET, WATCHDOG_PID, WATCHDOG_USEC, LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, CREDENTIALS_DIRECTORY and INVOCATION_ID, which
//     systemd gives to varve alone.
//   - as another user also what belongs to the one who runs varve: MAIL, SSH_AUTH_SOCK, DBUS_SESSION_BUS_ADDRESS, and what begins with
//     XDG_, SUDO_. HOME, USER, LOGNAME and SHELL are that user's.
//
// To it come the variables that the caller gives, see [Facts]. On another machine the environment is that of the other machine, and
// these.
//
// # How it ends
//
// A command that takes too long, or whose context ends, gets SIGTERM with its whole process group, and SIGKILL a few seconds later. What a
// command leaves running in the background when it ends by itself is left alone. Of a command on another machine only ssh is ended here;
// sshd there closes its input and output.
//
// # Not for
//
// The package does not decide when hooks run, nor what follows from their failing. It does not speak ssh: the caller names the
// command line that does.
package hook
