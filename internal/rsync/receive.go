package rsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"varve"
)

// transfer is one run of rsync that fills a stage.
type transfer struct {
	options []string // of rsync, without what the stage and the cage need
	from    []string // what stands between the options and the destination
	silence time.Duration
	dry     bool
	port    int  // the TCP port to be reached; 0 for none
	xattrs  bool // extended attributes of all name spaces are received
	stdin   io.Reader
	stdout  io.Writer
}

// process is one rsync to be run.
type process struct {
	program string
	args    []string
	cage    *cage
	rules   *ruleset // nil where it cannot be confined
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	warn    func(string)
	uncaged bool // it is run even where it cannot be confined
}

// receive has rsync fill a stage, and commits it.
func (r *Receiver) receive(ctx context.Context, t *transfer) (Result, error) {
	program, version, err := r.program(ctx)
	if err != nil {
		return Result{Status: statusStart}, err
	}
	if err := r.cageable(); err != nil {
		return Result{Status: statusStart}, err
	}
	stage, err := r.Stage(ctx)
	if err != nil {
		return Result{Status: statusFileIO}, fmt.Errorf("begin a snapshot: %w", err)
	}
	status, err := r.fill(ctx, stage, t, program, version)
	if err == nil {
		err = worthless(stage, status, t.dry)
	}
	if err != nil || t.dry {
		return r.keep(stage, status, err)
	}
	return r.commit(ctx, stage, status)
}

// cageable finds out whether rsync can be confined, before anything is begun.
func (r *Receiver) cageable() error {
	if r.caged() {
		return nil
	}
	if !r.Uncaged {
		return ErrUncaged
	}
	r.warn("rsync is not confined: " + ErrUncaged.Error())
	return nil
}

// fill runs rsync. The error says that it could not be run or was ended.
func (r *Receiver) fill(ctx context.Context, stage Stage, t *transfer, program string, version Version) (status int, err error) {
	c, err := newCage(stage, r.fakes())
	if err != nil {
		return statusFileIO, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.port, c.attributes = t.port, t.xattrs
	p := &process{program: program, cage: c, stdin: t.stdin, stdout: t.stdout, stderr: r.Stderr, warn: r.warn, uncaged: r.Uncaged}
	p.args = append(append(r.options(t, version), c.args()...), t.from...)
	p.args = append(p.args, "./")
	if r.caged() {
		if p.rules, err = c.rules(program); err != nil {
			return statusStart, err
		}
		defer func() { err = errors.Join(err, p.rules.close()) }()
	}
	r.log(fmt.Sprintf("run %s %q", program, p.args))
	return p.run(ctx)
}

// options returns the options of rsync that do not depend on the stage.
func (r *Receiver) options(t *transfer, version Version) []string {
	args := append(t.options[:len(t.options):len(t.options)], "--partial", "--timeout="+seconds(t.silence))
	if !version.Before(exact) {
		args = append(args, "--modify-window=-1")
	}
	if r.fakes() {
		args = append(args, "--fake-super")
	}
	return args
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(max(d/time.Second, 1)), 10) }

// worthless returns why no snapshot is made of what rsync left behind; nil where one is, or nobody wants one.
func worthless(stage Stage, status int, dry bool) error {
	if status != statusGood && status != statusPartial && status != statusVanished {
		return statusError(status)
	}
	if dry {
		return nil
	}
	empty, err := isEmpty(stage.Path())
	if err == nil && empty {
		err = errNothing
	}
	return err
}

// errNothing guards against a source that is missing, or not mounted: the sender does not tell of the former.
var errNothing = errors.New("nothing has arrived, and no snapshot is made of nothing")

// keep ends a transfer without a snapshot.
func (r *Receiver) keep(stage Stage, status int, err error) (Result, error) {
	if errors.Is(err, errNothing) {
		status = max(status, statusPartial)
	} else if err != nil && status == statusGood {
		status = statusFileIO
	}
	if keepErr := stage.Keep(); keepErr != nil {
		err = errors.Join(err, fmt.Errorf("keep what has arrived: %w", keepErr))
	}
	if err != nil {
		r.log("no snapshot: " + err.Error())
		return Result{Status: max(status, statusUsage)}, err
	}
	r.log("dry run: no snapshot")
	return Result{Status: status}, nil
}

// commit makes the snapshot.
func (r *Receiver) commit(ctx context.Context, stage Stage, status int) (Result, error) {
	src, held, err := r.Source(stage.Path())
	if err != nil {
		return r.keep(stage, statusFileIO, err)
	}
	snap, err := stage.Commit(ctx, &received{Source: src, fakes: r.fakes(), lacks: lack(status)})
	err = errors.Join(err, held.Close())
	if err != nil {
		r.log("no snapshot: " + err.Error())
		return Result{Status: statusFileIO}, err
	}
	r.log(fmt.Sprintf("snapshot %s of %s: %s, rsync status %d", snap.ID.Short(), snap.Series, snap.State, status))
	return Result{Snapshot: snap, Made: true, Status: status}, nil
}

// lack is what the source says where rsync did not transfer everything; nil where it did.
func lack(status int) error {
	switch status {
	case statusPartial:
		return fmt.Errorf("rsync: %s; the sender knows which", meanings[status])
	case statusVanished:
		return &fs.PathError{Op: "rsync", Path: "some files", Err: os.ErrNotExist}
	}
	return nil
}

var _ varve.Source = (*received)(nil)
