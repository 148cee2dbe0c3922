package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/term"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/location"
	"varve/internal/vault"
)

// app is the outside world of one run of the program, and the flags that every command has. Tests make their own.
type app struct {
	in      io.Reader
	out     *output
	screen  *screen
	outTTY  bool // standard output is a terminal
	errTTY  bool // standard error is a terminal
	now     func() time.Time
	env     func(string) string
	root    bool                   // the superuser runs it, whose files are those of the system
	program func() (string, error) // the path of the program, for others to run it
	system  string                 // what stands before /etc and /run; empty but in tests
	host    func() (string, error)
	open    func(path string) (disk.FS, error)
	tty     func() (*os.File, error) // opens the terminal where a passphrase can be asked for; nil where there is none
	hangups chan os.Signal           // those that end the program as SIGTERM does, unless the daemon takes them for itself
	signals chan os.Signal           // those that ask for a line of progress
	stopped <-chan struct{}          // closed when the program is to end

	workFactor int // of new passphrases; 0 for the usual one

	sendmail string // the program that takes mail; empty for the machine's
	syslog   string // the socket of the system's log; empty for the machine's

	store    string
	secrets  *secrets // what opens the store, where it is a vault
	cacheDir string
	noCache  bool
	reach    reachFlags
	json     bool
	quiet    bool
	verbose  int
	served   bool // somebody on another machine reads what is said
}

// newApp returns the app of the operating system.
func newApp() *app {
	width := func() int {
		if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && w > 0 {
			return w
		}
		return 80
	}
	return &app{
		in:      os.Stdin,
		out:     newOutput(os.Stdout),
		screen:  &screen{w: os.Stderr, width: width},
		outTTY:  term.IsTerminal(int(os.Stdout.Fd())),
		errTTY:  term.IsTerminal(int(os.Stderr.Fd())),
		now:     time.Now,
		env:     os.Getenv,
		root:    os.Geteuid() == 0,
		program: lastingProgram,
		host:    os.Hostname,
		open:    osfs.Open,
		tty:     openTerminal,
		hangups: make(chan os.Signal, 1),
		signals: make(chan os.Signal, 1),
	}
}

// run carries out one command line, without the program's name, and returns the exit code.
func run(ctx context.Context, a *app, args []string) (code int) {
	defer func() {
		if p := recover(); p != nil { // the runtime's own exit code would be 2
			a.screen.line(fmt.Sprintf("varve: internal error: %s\n%s", plain(fmt.Sprint(p)), debug.Stack()))
			code = exitFailed
		}
	}()
	a.stopped = ctx.Done()
	root := a.rootCommand()
	root.SetArgs(append([]string{}, args...))
	root.SetOut(a.out)
	root.SetErr(a.screen)
	err := root.ExecuteContext(ctx)
	if flushed := a.out.Flush(); flushed != nil {
		err = errors.Join(err, fmt.Errorf("write output: %w", flushed))
	}
	return a.finish(ctx, err, args)
}

// talks reports whether results that a person may want to see, and a script not, are to be printed.
func (a *app) talks() bool { return !a.json && !a.quiet && (a.verbose > 0 || a.outTTY) }

// printf prints to standard output. A failure to write is found when the output is flushed.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// warn prints a warning, also with --quiet: somebody must act. With --json it is an object.
func (a *app) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if a.json {
		a.screen.object(struct {
			Warning string `json:"warning"`
		}{text})
		return
	}
	a.screen.line("varve: warning: " + text)
}

// storeSpec returns the store that was asked for.
func (a *app) storeSpec() (string, error) {
	if a.store != "" {
		return a.store, nil
	}
	if spec := a.env("VARVE_STORE"); spec != "" {
		return spec, nil
	}
	return "", usagef("no store: give --store STORE or set VARVE_STORE")
}

// options returns how stores are opened: vaults with what sec says.
func (a *app) options(sec *secrets) location.Options {
	return location.Options{OpenDir: a.open, Reach: a.reach.reach(a), Unlock: func(ctx context.Context, path string) (vault.Credentials, vault.Options, error) {
		creds, err := sec.credentials(ctx, path)
		cache, state := a.dirs()
		return creds, vault.Options{Cache: cache, State: state, Place: path, Now: a.now, Warn: func(err error) { a.warn("%s", describe(err)) }}, err
	}}
}

// passphraseTries is how often a passphrase may be typed.
const passphraseTries = 3

// openPlace opens a store with the options of the same secrets. Who typed a wrong passphrase is asked again.
func (a *app) openPlace(ctx context.Context, spec string, sec *secrets, o location.Options) (*location.Place, error) {
	for try := 1; ; try++ {
		place, err := location.Open(ctx, spec, o)
		if !errors.Is(err, vault.ErrKey) || !sec.typed || try == passphraseTries {
			return place, err
		}
		sec.forget()
		a.screen.line("varve: that passphrase does not open it")
	}
}

// withStore opens the store that was asked for, calls f and closes it.
func (a *app) withStore(ctx context.Context, f func(*location.Place) error) error {
	spec, err := a.storeSpec()
	if err != nil {
		return err
	}
	place, err := a.openPlace(ctx, spec, a.secrets, a.options(a.secrets))
	if err != nil {
		return err
	}
	return errors.Join(f(place), place.Close())
}

// withWritten is withStore for commands that change the store. An error that says that there is no room names the store.
func (a *app) withWritten(ctx context.Context, f func(*location.Place) error) error {
	return a.withStore(ctx, func(p *location.Place) error {
		a.warnOpen(p)
		return ofStore(p.Path, f(p))
	})
}

// warnOpen warns of a vault that keeps nothing secret.
func (a *app) warnOpen(p *location.Place) {
	if p.Vault != nil && p.Vault.Unencrypted() && !a.quiet {
		a.warn("THIS VAULT IS NOT ENCRYPTED: whoever can read %s can read every file in it", quote(p.Path))
	}
}

// withVault is withWritten for what a tree has not; hint says what to do instead.
func (a *app) withVault(ctx context.Context, what, instead string, f func(*location.Place) error) error {
	return a.withWritten(ctx, func(p *location.Place) error {
		if p.Vault == nil {
			return treeError{what: what, path: p.Path, instead: instead}
		}
		return f(p)
	})
}

// list returns the snapshots that the filters leave. Damage is told, and does not hide the others.
func (a *app) list(ctx context.Context, store varve.Store, filter *filterFlags) (*catalog, error) {
	c, err := a.quietList(ctx, store, filter)
	if err == nil && c.damage != nil {
		a.warn("%s", describe(c.damage))
	}
	return c, err
}

// quietList is list for those whose next step tells of damage anyway.
func (a *app) quietList(ctx context.Context, store varve.Store, filter *filterFlags) (*catalog, error) {
	c := &catalog{now: a.now}
	all, err := store.Snapshots(ctx)
	if errors.Is(err, varve.ErrDamaged) {
		c.damage, err = err, nil
	}
	c.list = filter.apply(all)
	return c, err
}
