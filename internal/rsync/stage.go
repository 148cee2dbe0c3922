package rsync

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"varve"
)

// Stage is a snapshot whose files rsync puts into place. It ends with one call of Commit or of Keep.
type Stage interface {
	// Path is the absolute path of the directory to be filled, which is empty. The directory that it lies in belongs to the stage,
	// too: another one is made there for as long as rsync runs.
	Path() string
	// Links are absolute paths of directories that unchanged files may be hard-linked from, the best first.
	Links() []string
	// Commit makes a snapshot of what lies in Path, recorded as src yields it. An error leaves things as Keep does.
	Commit(ctx context.Context, src varve.Source) (varve.Snapshot, error)
	// Keep makes no snapshot; what has arrived serves the next attempt.
	Keep() error
}

// Sentinels that callers branch on.
var (
	// ErrRefused says that a client asked for something that it may not have. The text says what and why.
	ErrRefused = errors.New("refused")
	// ErrUncaged says that the kernel cannot confine rsync.
	ErrUncaged = errors.New("this kernel cannot confine rsync: it has no Landlock (Linux 5.19 or newer, not switched off)")
)

// Receiver says where rsync's files go and how it is run. Stage and Source are required.
type Receiver struct {
	// Stage begins the snapshot. It is called once nothing else can be refused.
	Stage func(ctx context.Context) (Stage, error)
	// Source returns the files below an absolute path as they lie there, all of them and with all attributes.
	Source func(path string) (varve.Source, io.Closer, error)
	// Program is the path of rsync; empty for the one that the search path finds.
	Program string
	// FakeSuper keeps owners, special modes and devices in extended attributes, as is always done where varve is not root.
	FakeSuper bool
	// Stall is how long the other side may be silent; 0 for an hour. A client that lists millions of files before it sends the
	// first one is silent for that time.
	Stall time.Duration
	// Uncaged runs rsync also where the kernel cannot confine it.
	Uncaged bool
	// Stderr takes what rsync and this package have to say to people; nil for nobody.
	Stderr io.Writer
	// Log takes one line, without a line end, for everything worth a log; nil for none.
	Log func(line string)

	bare bool // as if the kernel had no Landlock
}

// Result is what came of a transfer.
type Result struct {
	// Snapshot is what was made; its State says whether anything is missing. Zero where Made is false.
	Snapshot varve.Snapshot
	// Made says that there is a new snapshot. Without an error it is false only after a dry run.
	Made bool
	// Status is rsync's exit status, or the one of rsync's that comes closest: what a forced command should exit with. It is 0 only
	// where everything went well, 23 or 24 where a snapshot lacks something.
	Status int
}

const (
	defaultStall = time.Hour
	maxLinks     = 20 // rsync takes no more --link-dest
)

func (r *Receiver) stall() time.Duration {
	if r.Stall <= 0 {
		return defaultStall
	}
	return max(r.Stall, time.Second)
}

// fakes reports whether owners go into extended attributes.
func (r *Receiver) fakes() bool { return r.FakeSuper || os.Geteuid() != 0 }

// caged reports whether rsync is confined.
func (r *Receiver) caged() bool { return !r.bare && landlocked() }

func (r *Receiver) log(line string) {
	if r.Log != nil {
		r.Log(line)
	}
}

// warn tells people and the log.
func (r *Receiver) warn(line string) {
	r.log("warning: " + line)
	if r.Stderr != nil {
		// Nothing depends on whether anybody listens.
		_, _ = io.WriteString(r.Stderr, "varve: warning: "+line+"\n")
	}
}
