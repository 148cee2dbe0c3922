package job

import (
	"context"
	"errors"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/hook"
	"varve/internal/location"
)

// Deps are what runs need from the world. Config, History, Now, Sleep, Machine and Open must be set.
type Deps struct {
	Config  *config.Config
	History *history.Dir
	// Now tells the time, in the location that schedules and calendars are meant in.
	Now func() time.Time
	// Sleep waits, or returns the error of a context that ends before.
	Sleep func(ctx context.Context, d time.Duration) error
	// Random returns a number from 0 to n-1, for drills.
	Random  func(n int64) int64
	Machine Machine
	// Program is the name and version of the program, Built when it was made; zero where that is not known.
	Program string
	Built   time.Time
	// Open opens a store; cold without what is remembered of it on this machine. Errors as of location.Open; see OpenPlace.
	Open func(ctx context.Context, s *config.Store, cold bool) (*Place, error)
	// Sources returns how the machine of a job's sources is reached; nil stands for location's zero Options.
	Sources func(j *config.Job) location.Options
	// Hook runs a command around a run; nil stands for hook.Run.
	Hook func(ctx context.Context, c hook.Command) (output string, err error)
	// Freeze takes a snapshot of the file systems of paths, absolute ones. It must be set where the configuration asks for that. Nothing is
	// left where there is an error, or that says what.
	Freeze func(ctx context.Context, kind config.Freeze, paths []string) (Frozen, error)
	// Notify tells people; nil tells nobody. The error matches ErrNobody where none of those was reached who were to be.
	Notify func(ctx context.Context, e Event) error
	// Owners returns the names of users and groups of this machine, for one goroutine at a time; see walk.Options.
	Owners func(uid, gid uint32) (user, group string)
	// Scratch opens a directory for the user's own eyes that a drill restores into, and which end removes.
	Scratch func() (dir disk.FS, end func() error, err error)
	// Progress, where set, is told what happens, by one goroutine at a time.
	Progress func(varve.Event)
	// Warn, where set, is told of trouble that changes nothing about the outcome.
	Warn func(error)
	// ExitCode returns the exit code that stands for an error, which hooks are told; nil stands for 0 and 1.
	ExitCode func(err error) int
}

// Machine is asked about this machine.
type Machine interface {
	// Host returns its name.
	Host() (string, error)
	// Mounted reports whether something is mounted on the directory at path. A path that does not exist is no error.
	Mounted(path string) (bool, error)
	// Exists reports whether there is anything at path.
	Exists(path string) (bool, error)
	// ReadFile returns what is in a file of patterns.
	ReadFile(path string) ([]byte, error)
}

// Frozen is a snapshot of file systems.
type Frozen interface {
	// OpenDir opens a directory of this machine as it was; see location.Options.
	OpenDir(path string) (disk.FS, error)
	// Since says when it was taken: what was written before is in it.
	Since() time.Time
	// Close removes the snapshot.
	Close() error
}

// Event is something that people may want to hear of.
type Event struct {
	Kind config.Event
	Job  *config.Job
	// Report is nil for config.Start and config.Overdue.
	Report *Report
	// Good is when the last good snapshot was begun; zero where there is none.
	Good time.Time
	// Stores are those that are overdue, for config.Overdue.
	Stores []string
	// Running, for config.Overdue, is since when the job runs; zero where it does not.
	Running time.Time
}

func (d *Deps) warn(err error) {
	if err != nil && d.Warn != nil {
		d.Warn(err)
	}
}

func (d *Deps) runHook(ctx context.Context, c hook.Command) (string, error) {
	if d.Hook != nil {
		return d.Hook(ctx, c)
	}
	return hook.Run(ctx, c)
}

func (d *Deps) exitCode(err error) int {
	switch {
	case d.ExitCode != nil:
		return d.ExitCode(err)
	case err != nil:
		return 1
	}
	return 0
}

// ssh returns the command line that reaches the machine of a job's sources; nil for ssh.
func (d *Deps) ssh(j *config.Job) []string {
	if d.Sources == nil {
		return j.SSH
	}
	return d.Sources(j).Reach.SSH
}

// notify tells people, and reports false where somebody was to be told and nobody was. That changes nothing about a run.
func (d *Deps) notify(ctx context.Context, e Event) (reached bool) {
	if d.Notify == nil {
		return true
	}
	err := d.Notify(context.WithoutCancel(ctx), e)
	d.warn(err)
	return !errors.Is(err, ErrNobody)
}

// Sentinels for what became of a run, though a snapshot was made, or why there is none.
var (
	// ErrIncomplete says that a snapshot was made and lacks something.
	ErrIncomplete = errors.New("incomplete")
	// ErrSuspect says that a snapshot was made that somebody must look at.
	ErrSuspect = errors.New("suspect")
	// ErrGuard says that what must be there before a run is not.
	ErrGuard = errors.New("guard")
	// ErrHook says that a command around the run failed.
	ErrHook = errors.New("hook failed")
	// ErrCommand says that a command whose output was to be saved failed.
	ErrCommand = errors.New("command failed")
	// ErrNobody says that nobody was reached who was to be told.
	ErrNobody = errors.New("nobody was reached")
	// ErrRoom says that there is less room than is asked for.
	ErrRoom = errors.New("too little room")
)
