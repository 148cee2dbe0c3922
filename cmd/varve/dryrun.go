package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"varve"
	"varve/internal/compare"
	"varve/internal/digest"
)

// compare walks the sources, compares them with the last snapshot of the series, and prints what a backup would find. store is nil
// where there is none yet. Nothing is changed.
func (b *backup) compare(ctx context.Context, store varve.Store, job *job) error {
	before, done, err := b.last(ctx, store, job.series)
	if err != nil {
		return err
	}
	src, err := b.walk(ctx)
	if err != nil {
		return errors.Join(err, done())
	}
	m := b.app.newMeter()
	d := &dryRun{app: b.app, src: src, report: newBackupReport(b.app, m), meter: m}
	err = b.app.watch(m, func() error { return d.run(ctx, before) })
	d.report.untold(b.origin)
	d.report.leftOut(src.LeftOut())
	d.report.complaints(src.Complaints())
	d.report.close()
	if err = errors.Join(err, src.Close(), done()); err != nil {
		return err
	}
	d.summary()
	if d.Skipped > 0 {
		return marked{"the snapshot would be incomplete: " + count(d.Skipped, "object", "objects") + " could not be read", errIncomplete}
	}
	return nil
}

// last returns the entries of the last snapshot of a series, none where there is no such snapshot, and what closes it.
func (b *backup) last(ctx context.Context, store varve.Store, series string) (iter.Seq2[varve.Entry, error], func() error, error) {
	nothing := func(func(varve.Entry, error) bool) {}
	noClose := func() error { return nil }
	if store == nil {
		return nothing, noClose, nil
	}
	c, err := b.app.list(ctx, store, &filterFlags{})
	if err != nil {
		return nil, nil, err
	}
	b.checkClock(c.list, series)
	newest := newestOf(c.list, series)
	if newest == nil {
		return nothing, noClose, nil
	}
	view, err := store.View(ctx, newest.ID)
	if err != nil {
		return nil, nil, err
	}
	return view.Entries(ctx), view.Close, nil
}

// dryRun counts what a backup would find.
type dryRun struct {
	app    *app
	src    varve.Source
	report *backupReport
	meter  *meter
	dryRunCounts
}

// dryRunCounts are the numbers of a dry run; Bytes is the content that would be read and stored at most.
type dryRunCounts struct {
	Added     int64 `json:"added"`
	Changed   int64 `json:"changed"`
	Removed   int64 `json:"removed"`
	Unchanged int64 `json:"unchanged"`
	Skipped   int64 `json:"skipped"`
	Bytes     int64 `json:"bytes"`
}

func (d *dryRun) run(ctx context.Context, before iter.Seq2[varve.Entry, error]) error {
	for c, err := range compare.Sequences(before, d.src.Entries(ctx)) {
		if err != nil {
			return fmt.Errorf("dry run: %w", err)
		}
		if err := d.one(ctx, c); err != nil {
			return fmt.Errorf("dry run: %w", err)
		}
	}
	return nil
}

// one takes one path.
func (d *dryRun) one(ctx context.Context, c compare.Change) error {
	if c.After != nil {
		d.meter.add(1, c.After.Size)
		if c.After.Err != nil {
			d.lost(c.After)
			return nil
		}
	}
	if passed(c.After) || c.After == nil && passed(c.Before) {
		return nil
	}
	if c.Before != nil && c.After != nil {
		if err := d.settle(ctx, &c); err != nil {
			return err
		}
	}
	switch {
	case c.Before == nil:
		d.Added++
		d.Bytes += c.After.Size
	case c.After == nil:
		d.Removed++
	case c.Same():
		d.Unchanged++
		return nil
	default:
		d.Changed++
		if c.Aspects&varve.Content != 0 {
			d.Bytes += c.After.Size
		}
	}
	return d.app.printChange(c)
}

// passed reports whether e is a directory on the way to a source, which nobody asked for.
func passed(e *varve.Entry) bool { return e != nil && e.Marks&varve.Passage != 0 }

// lost takes what could not be read.
func (d *dryRun) lost(e *varve.Entry) {
	kind := varve.Skipped
	if isVanished(e.Err) {
		kind = varve.Vanished
	} else {
		d.Skipped++
	}
	d.report.event(varve.Event{Kind: kind, Path: e.Path, Err: e.Err})
}

// settle decides what a walk leaves open. It knows no flags that only an open file tells, and no content: where nothing else tells
// whether a file changed, it is read.
func (d *dryRun) settle(ctx context.Context, c *compare.Change) error {
	if c.After.Kind != varve.Regular || c.Before.Kind != varve.Regular {
		return nil
	}
	c.Aspects &^= varve.Flags
	if c.Aspects&varve.Content == 0 || c.Before.Size != c.After.Size {
		return nil
	}
	same, err := d.sameContent(ctx, c)
	if same {
		c.Aspects &^= varve.Content
	}
	return err
}

// sameContent reads a file and holds it against the digest of the snapshot. What cannot be read counts as changed: Save will tell why.
func (d *dryRun) sameContent(ctx context.Context, c *compare.Change) (bool, error) {
	f, err := d.src.Open(ctx, *c.After)
	if err != nil {
		return false, ctx.Err()
	}
	defer f.Close()
	now, err := f.Entry()
	if err != nil || !slices.Equal(now.Holes, c.Before.Holes) {
		return false, ctx.Err()
	}
	sum := digest.New()
	_, err = io.Copy(sum, readerUntil{ctx, f})
	return err == nil && sum.Digest() == c.Before.Digest, ctx.Err()
}

// readerUntil reads until its context ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// summary tells the counts.
func (d *dryRun) summary() {
	if d.app.json {
		d.app.emitEvent(struct {
			Event  string `json:"event"`
			DryRun bool   `json:"dry_run"`
			dryRunCounts
		}{"summary", true, d.dryRunCounts})
		return
	}
	if d.app.talks() {
		d.app.printf("%d to add, %d changed, %d gone, %d unchanged; %s to read\n", d.Added, d.Changed, d.Removed, d.Unchanged, sizeText(d.Bytes))
	}
}
