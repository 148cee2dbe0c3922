package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/replicate"
)

// copying is one run of varve copy.
type copying struct {
	app     *app
	filter  filterFlags
	from    string
	secrets *secrets
	dryRun  bool
}

func (a *app) copyCommand() *cobra.Command {
	k := &copying{app: a, secrets: a.newSecrets("from-")}
	c := &cobra.Command{
		Use:   "copy --from STORE [SNAPSHOT...]",
		Short: "Copy snapshots from another store",
		Long: `Copy all snapshots of another store that this one does not hold yet, or those that are named, oldest first. Copies are complete, whatever
kinds the stores are of, and remember their origin: a snapshot is not copied twice, nor copied back. An interrupted run can be repeated.`,
		Example: `  varve copy --from /mnt/backup/store -s /mnt/box/vault
  varve copy --from /mnt/box/vault -s /mnt/usb/store --series web 30D`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if k.from == "" {
				return usagef("no store to copy from: give --from STORE")
			}
			return k.open(c.Context(), args)
		},
	}
	flags := c.Flags()
	flags.StringVar(&k.from, "from", "", "the `STORE` to copy from")
	flags.BoolVarP(&k.dryRun, "dry-run", "n", false, "print what would be copied; change nothing")
	k.filter.add(c)
	k.secrets.add(c)
	return c
}

// open opens both stores.
func (k *copying) open(ctx context.Context, args []string) error {
	a := k.app
	from, err := a.openPlace(ctx, k.from, k.secrets, a.options(k.secrets))
	if err != nil {
		return fmt.Errorf("copy from: %w", err)
	}
	open := a.withWritten
	if k.dryRun {
		open = a.withStore
	}
	err = open(ctx, func(to *location.Place) error { return k.run(ctx, from, to.Store, args) })
	return errors.Join(err, from.Close())
}

func (k *copying) run(ctx context.Context, from *location.Place, to varve.Store, args []string) error {
	a := k.app
	c, err := a.list(ctx, from.Store, &k.filter)
	if err != nil {
		return fmt.Errorf("copy from: %w", err)
	}
	wanted := c.list
	if len(args) > 0 {
		if wanted, err = c.snapshots(args); err != nil {
			return err
		}
	}
	held, err := a.list(ctx, to, &filterFlags{})
	if err != nil {
		return err
	}
	missing := replicate.Missing(wanted, held.list)
	m := a.newMeter()
	report := newBackupReport(a, m)
	var done replicate.Report
	if !k.dryRun {
		done, err = k.copy(ctx, from, to, missing, report)
	} else {
		err = k.plan(missing)
	}
	k.summary(&done, len(wanted)-len(missing), m)
	if err == nil && c.damage != nil && len(args) == 0 {
		err = marked{"copy: some snapshots could not be listed", varve.ErrDamaged}
	}
	return err
}

// plan tells what would be copied.
func (k *copying) plan(missing []varve.Snapshot) error {
	for _, s := range missing {
		if err := k.tell("to copy", s, s); err != nil {
			return err
		}
	}
	return nil
}

func (k *copying) copy(ctx context.Context, from *location.Place, to varve.Store, missing []varve.Snapshot, report *backupReport) (r replicate.Report, err error) {
	a, m := k.app, report.meter
	var files, bytes int64
	for _, s := range missing {
		files, bytes = files+s.Files+s.Dirs, bytes+s.Bytes
	}
	m.expect(files, bytes)
	options := replicate.Options{Progress: report.event, Ahead: from.Ahead(),
		Done:   func(s, c varve.Snapshot) { _ = k.tell("copied", s, c) }, // what cannot be printed is found at the end
		Failed: func(s varve.Snapshot, err error) { a.warn("%s", describe(err)) }}
	err = a.watch(m, func() (err error) {
		r, err = replicate.Run(ctx, from.Store, to, missing, options)
		return err
	})
	report.close()
	return r, err
}

// tell tells of one snapshot and its copy.
func (k *copying) tell(text string, s, c varve.Snapshot) error {
	a := k.app
	if a.json {
		return a.emit(struct {
			Event string           `json:"event"`
			From  varve.SnapshotID `json:"from"`
			varve.Snapshot
		}{"copy", s.ID, lists(c)})
	}
	if k.dryRun || a.talks() {
		a.printf("%s %s  %s  %s\n", text, s.ID.Short(), a.timeText(s.Time), quote(s.Series))
	}
	return nil
}

// summary tells what was done.
func (k *copying) summary(r *replicate.Report, present int, m *meter) {
	a := k.app
	if a.json {
		a.emitEvent(struct {
			Event  string `json:"event"`
			DryRun bool   `json:"dry_run"`
			replicate.Report
			Present int     `json:"present"`
			Seconds float64 `json:"seconds"`
		}{"summary", k.dryRun, *r, present, m.elapsed().Seconds()})
		return
	}
	if a.talks() && !k.dryRun {
		a.printf("%s copied, %d there already; %s, %s added, in %s\n", count(r.Copied, "snapshot", "snapshots"), present, sizeText(r.Bytes),
			sizeText(r.Added), durationText(m.elapsed()))
	}
}
