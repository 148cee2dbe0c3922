package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/freeze"
	"varve/internal/location"
	"varve/internal/mux"
	"varve/internal/remote"
	"varve/internal/retention"
	"varve/internal/rsync"
	"varve/internal/ssh"
	"varve/internal/tree"
	"varve/internal/units"
	"varve/internal/vault"
	"varve/internal/walk"
)

// The exit codes; docs/manual/exit-codes.md explains them. 2 is what the runtime of Go and many shells use for accidents: never ours.
const (
	exitGood        = 0
	exitFailed      = 1
	exitIncomplete  = 3
	exitDamaged     = 4
	exitRestoreGaps = 5
	exitNoStore     = 10
	exitBusy        = 11
	exitWrongKey    = 12
	exitUsage       = 64
	exitNotRun      = 75
	exitInterrupted = 130
)

// Sentinels for what a command did, though not wholly.
var (
	// errUsage says that the command line makes no sense.
	errUsage = errors.New("usage")
	// errIncomplete says that a snapshot was made and lacks something.
	errIncomplete = errors.New("incomplete")
	// errGaps says that a restore did not bring back everything.
	errGaps = errors.New("restore incomplete")
	// errOwners says that a restore lacks nothing but owners that only root may set.
	errOwners = errors.New("owners not restored")
	// errVerified says that damage was found, and all of it told.
	errVerified = fmt.Errorf("verified: %w", varve.ErrDamaged)
	// errFull says that the store, and not just any place, has no room left.
	errFull = errors.New("is full")
	// errStopped says that somebody who was asked for something ended the program instead.
	errStopped = errors.New("interrupted")
	// errSilent says that all that is to be said is the exit code.
	errSilent = errors.New("nothing to tell")
	// errConfigured says that there is a configuration file already.
	errConfigured = errors.New("there is a configuration already")
	// errGuarded says that a snapshot may not be removed by the way.
	errGuarded = errors.New("not removed without --force")
	// errDaemon says that a daemon runs the jobs of a configuration already.
	errDaemon = errors.New("another daemon runs the jobs of it")
	// errProgram says that the program is in a place where nothing may rely on it.
	errProgram = errors.New("the program is in a place where it will not stay")
	// errNoTimers says that nothing on this machine starts jobs.
	errNoTimers = errors.New("this machine has neither systemd nor cron")
)

// treeError says that a tree store has not what was asked for.
type treeError struct{ what, path, instead string }

func (e treeError) Error() string {
	return fmt.Sprintf("%s: %s is a tree store: %s", e.what, quote(e.path), e.instead)
}

// usage marks err as one of the command line; nil stays nil.
func usage(err error) error {
	if err == nil || errors.Is(err, errUsage) {
		return err
	}
	return usageError{err}
}

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// usageError is an error that also matches errUsage, which its text need not say.
type usageError struct{ error }

func (e usageError) Unwrap() []error { return []error{e.error, errUsage} }

// marked is an error that also matches a sentinel, which its text says in its own words.
type marked struct {
	text     string
	sentinel error
}

func (e marked) Error() string { return e.text }

func (e marked) Unwrap() error { return e.sentinel }

// statusError is an error, or none, with which the program ends as another program would.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

// statusOf gives err an exit status; no error where that is 0.
func statusOf(status int, err error) error {
	if status == 0 {
		return err
	}
	if err == nil {
		err = fmt.Errorf("ended with status %d", status)
	}
	return statusError{err, status}
}

// ofStore names the store in an error that says that it has no room left.
func ofStore(path string, err error) error {
	switch {
	case !errors.Is(err, disk.ErrNoSpace):
		return err
	case errors.Is(err, remote.ErrQuota):
		return fmt.Errorf("store %s: %w", quote(path), err)
	}
	return fmt.Errorf("store %s %w: %w", quote(path), errFull, err)
}

// exitCode returns the code that stands for err. Where several would fit, the first of the table counts.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitGood
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	var status statusError
	if errors.As(err, &status) {
		return status.status
	}
	for _, c := range [...]struct {
		sentinel error
		code     int
	}{
		{errUsage, exitUsage},
		{location.ErrPlace, exitUsage},
		{location.ErrScheme, exitUsage},
		{location.ErrMachines, exitUsage},
		{vault.ErrKeyName, exitUsage},
		{vault.ErrExposed, exitWrongKey},
		{retention.ErrEmptyPolicy, exitUsage},
		{errStopped, exitInterrupted},
		{varve.ErrNoStore, exitNoStore},
		{vault.ErrKey, exitWrongKey},
		{varve.ErrBusy, exitBusy},
		{errIncomplete, exitIncomplete},
		{errGaps, exitRestoreGaps},
		{errOwners, exitRestoreGaps},
		{vault.ErrWitness, exitDamaged},
		{varve.ErrDamaged, exitDamaged},
		{ssh.ErrHostKey, exitFailed},
		{ssh.ErrLogin, exitFailed},
		{ssh.ErrCommand, exitFailed},
		{exec.ErrNotFound, exitFailed}, // there is no ssh
		{ssh.ErrUnreachable, exitNotRun},
		{rsync.ErrUnreachable, exitNotRun},
		{disk.ErrLost, exitNotRun},
		{mux.ErrLost, exitNotRun},
	} {
		if errors.Is(err, c.sentinel) {
			return c.code
		}
	}
	return exitFailed
}

// hint returns what may help somebody who met err; empty where nothing comes to mind.
func hint(err error) string {
	for _, h := range [...]struct {
		sentinel error
		text     string
	}{
		{location.ErrMachines, "run one backup for each machine; each makes a series of its own"},
		{location.ErrNotOffered, "the key's forced command on that machine says what may be read: varve serve --read DIR..."},
		{ssh.ErrHostChanged, "was the machine set up anew? If not, somebody may be in its place: do not log in. varve doctor shows what to compare"},
		{ssh.ErrHostKey, "compare the key with what its administrator says, then accept it once by hand: ssh HOST"},
		{ssh.ErrLogin, "is the key known there? varve doctor tells how to set it up; --ssh 'ssh -i FILE' names another key"},
		{ssh.ErrCommand, "ssh://HOST/DIR wants varve there (--remote-varve names it), HOST:DIR an SFTP server and nothing else"},
		{mux.ErrLost, "the next run goes on where this one stopped"},
		{rsync.ErrUnreachable, "is the machine on, and the daemon there? Is that its port?"},
		{ssh.ErrUnreachable, "is the machine on, and the network there? The next run goes on where this one stopped"},
		{location.ErrPassword, "a machine is reached with an ssh key: varve doctor HOST:DIR tells how; an rsync daemon's password comes from --rsync-password-file"},
		{location.ErrPlace, "a directory whose name has a colon is written ./a:b or with its absolute path"},
		{errUsage, "varve help COMMAND explains the arguments"},
		{varve.ErrNoStore, "is it a disk that is not mounted? To make a new store there, run varve init STORE, or backup with --init"},
		{vault.ErrLocked, "give --passphrase-file, --passphrase-command or --key, or run it on a terminal, which is asked; copy takes --from-passphrase-file and so on for the store that it reads"},
		{vault.ErrWitness, "do not trust this storage: snapshots are missing, or it is another vault than the one that the words are from"},
		{vault.ErrPruned, "a copy of it may be in another store: varve copy"},
		{vault.ErrNoKey, "varve key list tells the names"},
		{vault.ErrKeyName, "a name is printable, has 128 bytes at most, and was never given to another key of this vault: varve key list"},
		{vault.ErrExposed, "did somebody put another vault in its place? To open this one as it is, give no passphrase and no key"},
		{vault.ErrWithheld, "was the storage set back, or did it lose objects? What is there can be read; varve prune --give-up goes on without the rest"},
		{vault.ErrLastKey, "add another one first: varve key add"},
		{vault.ErrKey, "--key FILE takes a key file, or the recovery sheet typed into a file"},
		{errDaemon, "one is enough: kill -HUP has it read the file anew"},
		{errProgram, "build varve with make build, put it into a directory such as /usr/local/bin, and run it from there"},
		{errNoTimers, "varve daemon runs jobs when they are due, and needs neither"},
		{units.ErrSystemd, "what was written stays; where systemd does not run, --system cron uses cron. A user's systemd wants a session of the user"},
		{varve.ErrBusy, "another backup or forget of this series is running; try again when it has ended"},
		{varve.ErrNoSnapshot, "varve snapshots lists what there is"},
		{freeze.ErrKind, "--snapshot names another kind; without it the files are read as they are"},
		{walk.ErrNoSource, "is it a disk that is not mounted? No snapshot was made"},
		{retention.ErrClock, "correct the clock, or forget the snapshots with wrong times by their IDs; nothing was removed"},
		{errConfigured, "add what was printed to it, look whether it is right (varve config check), and make the store: varve init STORE"},
		{errGuarded, "--force removes it nevertheless"},
		{disk.ErrCrossDevice, "a directory is taken in as it is where the store is on the same file system; --copy saves it in any store"},
		{tree.ErrOrder, "snapshots are taken in oldest first; --series puts them into a series of their own"},
		{errOwners, "run as root to restore owners, or leave them alone with --no-owner"},
		{remote.ErrQuota, "who looks after that store makes room there with varve forget, in a vault together with varve prune, or gives the key a larger --quota"},
		{errFull, "varve forget makes room, in a vault together with varve prune; both work on a full disk"},
		{disk.ErrNotEmpty, "a new store wants an empty directory"},
		{errVerified, "varve backup --recheck saves damaged files anew; another snapshot may hold a good copy of what is named above"},
		{varve.ErrDamaged, "varve verify tells all that is damaged"},
	} {
		if errors.Is(err, h.sentinel) {
			return h.text
		}
	}
	return ""
}

// finish tells err, if any, and returns the exit code. With --json the error is an object, too.
func (a *app) finish(ctx context.Context, err error, args []string) int {
	code := exitCode(ctx, err)
	if code == exitGood || errors.Is(err, errSilent) {
		return code
	}
	text, help := describe(err), hint(err)
	if a.served { // the other end shows the last line, and has hints of its own
		help = ""
	}
	if code == exitInterrupted {
		text, help = "interrupted", ""
	}
	if a.json || asksForJSON(args) {
		a.screen.object(struct {
			Error string `json:"error"`
			Code  int    `json:"code"`
			Hint  string `json:"hint,omitempty"`
		}{text, code, help})
		return code
	}
	a.screen.line("varve: " + strings.ReplaceAll(text, "\n", "\n  "))
	if help != "" {
		a.screen.line("hint: " + help)
	}
	return code
}

// asksForJSON reports whether --json is among arguments that could not be parsed.
func asksForJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}

// describe returns the text of err for people: one line for each of several errors, nothing that a terminal would act on.
func describe(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}
