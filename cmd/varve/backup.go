package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/freeze"
	"varve/internal/location"
	"varve/internal/remote"
)

// backup is one run of varve backup.
type backup struct {
	app      *app
	excludes excludeFlags
	job      jobFlags
	origin   *location.Origin
	wanted   location.Wanted
	dryRun   bool
	recheck  bool
	init     bool // a directory that is not a store becomes one
	dayNames bool
	// snapshot is the kind of the file system's snapshot that is read; empty for the files as they are. frozen is set while there is one.
	snapshot freeze.Kind
	frozen   *freeze.Frozen
	// passwordFile holds the password for an rsync daemon.
	passwordFile string
}

func (a *app) backupCommand() *cobra.Command {
	b := &backup{app: a}
	c := &cobra.Command{
		Use:   "backup [--init] SOURCE...",
		Short: "Make a snapshot of files and directories",
		Long: `Make a snapshot of the sources, under their absolute paths. What cannot be read is told and left out, and makes the snapshot incomplete:
exit code 3. A file .varveignore in a directory leaves things out by gitignore's rules.

A SOURCE is a path; HOST:PATH on another machine, over SFTP with nothing of ours there; ssh://HOST/PATH with varve there, which is faster;
or HOST::MODULE/PATH of an rsync daemon.`,
		Example: `  varve backup -s /mnt/backup/store /home /etc
  varve backup --init -s /mnt/backup/store -x -e '*.tmp' -e /var/cache /`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error { return b.run(c.Context(), args) },
	}
	b.excludes.add(c)
	b.job.add(c)
	flags := c.Flags()
	flags.BoolVarP(&b.dryRun, "dry-run", "n", false, "print what would be added, changed and removed since the last snapshot; change nothing")
	flags.BoolVar(&b.recheck, "recheck", false, "read what older snapshots hold before it is built on, and save anew what is damaged")
	flags.BoolVar(&b.init, "init", false, "make the store if there is none")
	flags.StringVar(&b.passwordFile, "rsync-password-file", "", "read the password for an rsync daemon from this `FILE` (default $RSYNC_PASSWORD)")
	flags.Var(parsed(&b.snapshot, "KIND", parseFreeze), "snapshot", "read local sources from a snapshot of their file system: btrfs, lvm, zfs")
	flags.BoolVar(&b.dayNames, "day-names", false, "name the directory of the snapshot by the day, as in 2026-11-20")
	return c
}

// run makes the snapshot, or tells what it would hold.
func (b *backup) run(ctx context.Context, args []string) error {
	spec, err := b.app.storeSpec()
	if err != nil {
		return err
	}
	specs, err := b.job.specs(b.app, args)
	if err != nil {
		return err
	}
	if b.wanted.Request, err = b.excludes.request(); err != nil {
		return err
	}
	if err := b.checkSnapshot(specs); err != nil {
		return err
	}
	if pulls(specs) {
		return b.pull(ctx, spec, specs)
	}
	b.origin, err = location.From(ctx, specs, b.wanted.Request, b.sourceOptions())
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return errors.Join(b.from(ctx, spec, args), b.origin.Close())
}

// from is run with the sources at hand.
func (b *backup) from(ctx context.Context, spec string, args []string) error {
	job, err := b.job.job(b.app, b.origin, args)
	if err != nil {
		return err
	}
	b.wanted.Owners = newOwners()
	if err := job.checkOutside(spec); err != nil {
		return err
	}
	place, err := b.place(ctx, spec)
	if err != nil {
		return err
	}
	if place == nil {
		return b.still(ctx, job, func() error { return b.compare(ctx, nil, job) })
	}
	if b.job.series == "" && place.Series != "" { // the key's forced command has decided
		job.series = place.Series
	}
	b.wanted.Skip, b.wanted.Stores = place.Skip, []string{place.Path}
	err = b.still(ctx, job, func() error {
		if b.dryRun {
			return b.compare(ctx, place.Store, job)
		}
		b.app.warnOpen(place)
		return ofStore(place.Path, b.save(ctx, place, job))
	})
	return errors.Join(err, place.Close())
}

// place opens the store, which is made where that was asked for, but not without anything to put into it. In a dry run of a backup that
// would make a store there is none.
func (b *backup) place(ctx context.Context, spec string) (*location.Place, error) {
	o := b.app.options(b.app.secrets)
	o.DayNames = b.dayNames
	place, err := b.app.openPlace(ctx, spec, b.app.secrets, o)
	if err == nil || !b.init || !errors.Is(err, varve.ErrNoStore) {
		return place, err
	}
	if err := b.look(ctx); err != nil || b.dryRun {
		return nil, err
	}
	if err := ofStore(spec, location.Init(ctx, spec, o)); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return location.Open(ctx, spec, o)
}

// look makes sure that there is a source.
func (b *backup) look(ctx context.Context) error {
	if b.origin == nil { // an rsync daemon cannot be asked beforehand
		return nil
	}
	src, err := b.walk(ctx)
	if err != nil {
		return err
	}
	return src.Close()
}

// walk opens the sources.
func (b *backup) walk(ctx context.Context) (location.Files, error) {
	src, err := b.origin.Walk(ctx, b.wanted)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return src, nil
}

// save makes the snapshot.
func (b *backup) save(ctx context.Context, place *location.Place, job *job) error {
	a, store := b.app, place.Store
	basis := remote.NewBasis(store, job.series)
	defer basis.Close() // what was read of an earlier snapshot
	b.wanted.Basis = basis.Open
	src, err := b.walk(ctx)
	if err != nil {
		return err
	}
	m := a.newMeter()
	b.expect(ctx, store, job.series, m)
	r := newBackupReport(a, m)
	var snap varve.Snapshot
	guarded, end := b.origin.Guard(ctx, src)
	defer end()
	err = a.watch(m, func() (err error) {
		snap, err = store.Save(guarded, src, varve.SaveOptions{Series: job.series, Host: job.host, Sources: job.absolute(), Tags: job.tags,
			Pinned: job.pin, Program: program(), Recheck: b.recheck, Ahead: b.origin.Ahead(), Now: a.now, Progress: r.event})
		if cause := context.Cause(guarded); err != nil && cause != nil && ctx.Err() == nil {
			err = fmt.Errorf("backup: %w", cause) // what has failed, and not that the save was ended for it
		}
		return err
	})
	r.untold(b.origin)
	r.leftOut(src.LeftOut())
	r.complaints(src.Complaints())
	r.close()
	if err = errors.Join(err, src.Close()); err != nil {
		return err
	}
	r.summary(snap, a.witnessOf(ctx, place, snap))
	return incomplete(snap)
}

// expect tells the meter what the last snapshot of the series held, without which nobody knows how long the run will take, and warns
// where the clock is wrong.
func (b *backup) expect(ctx context.Context, store varve.Store, series string, m *meter) {
	all, err := store.Snapshots(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return // Save will say so
	}
	if last := newestOf(all, series); last != nil {
		m.expect(last.Files+last.Dirs, last.Bytes)
	}
	b.checkClock(all, series)
}

// checkClock warns where the clock is earlier than a snapshot of the series. The snapshot is made nevertheless: a machine may have no
// clock that survives a reboot, and retention is on its guard.
func (b *backup) checkClock(all []varve.Snapshot, series string) {
	now := b.app.now()
	var latest time.Time
	for _, s := range all {
		if s.Series == series && s.Time.After(latest) {
			latest = s.Time
		}
	}
	if now.Before(latest) {
		b.app.warn("the clock is earlier than the newest snapshot: it is %s here, and the series has one of %s; no policy removes that one until the clock is right",
			b.app.timeText(now), b.app.timeText(latest))
	}
}

// newestOf returns the newest snapshot of a series, by sequence; nil where there is none.
func newestOf(all []varve.Snapshot, series string) *varve.Snapshot {
	var newest *varve.Snapshot
	for i := range all {
		if s := &all[i]; s.Series == series && (newest == nil || s.Seq > newest.Seq) {
			newest = s
		}
	}
	return newest
}

// incomplete returns an error where the snapshot lacks something, or is suspect.
func incomplete(s varve.Snapshot) error {
	switch {
	case s.State.Good():
		return nil
	case s.State == varve.Suspect:
		return marked{fmt.Sprintf("snapshot %s was made, but is %s", s.ID.Short(), suspectText), errIncomplete}
	}
	return marked{fmt.Sprintf("snapshot %s was made, but is incomplete: %s could not be read", s.ID.Short(),
		count(s.Skipped, "object", "objects")), errIncomplete}
}

// suspectText says what it means that a snapshot is suspect.
const suspectText = "suspect: so much was lost or changed since the last good one that somebody must look"
