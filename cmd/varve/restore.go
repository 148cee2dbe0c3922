package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/restore"
	"varve/internal/seal"
)

// restoring is one run of varve restore.
type restoring struct {
	app     *app
	filter  filterFlags
	target  string
	inPlace bool
	delete  bool
	dryRun  bool
	noOwner bool
	sync    bool
}

func (a *app) restoreCommand() *cobra.Command {
	r := &restoring{app: a}
	c := &cobra.Command{
		Use:   "restore SNAPSHOT[:PATH] (--target DIR | --in-place)",
		Short: "Bring back a snapshot or a part of it",
		Long: `Bring back a snapshot. With :PATH, what lies in the directory PATH lands in DIR, and a file PATH lands in DIR under its name. What is
there already and right is left alone, what differs is replaced, and what the snapshot does not have stays unless --delete is given.`,
		Example: `  varve restore -s /mnt/backup/store latest:/home/u -t /tmp/u
  varve restore -s /mnt/backup/store 10D:/etc --in-place -n`,
		Args: wants(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if (r.target != "") == r.inPlace {
				return usagef("give either --target DIR or --in-place")
			}
			return a.withStore(c.Context(), func(p *location.Place) error {
				return a.withPick(c.Context(), p.Store, &r.filter, args[0], func(o *opened) error { return r.run(c.Context(), p, o) })
			})
		},
	}
	flags := c.Flags()
	flags.StringVarP(&r.target, "target", "t", "", "restore into this `DIR`, which is made if it does not exist; HOST:DIR is one on another machine")
	flags.BoolVar(&r.inPlace, "in-place", false, "restore to where the files came from on this machine")
	flags.BoolVar(&r.delete, "delete", false, "delete what the snapshot does not have, and print it")
	flags.BoolVarP(&r.dryRun, "dry-run", "n", false, "print what would change; change nothing")
	flags.BoolVar(&r.sync, "sync", false, "end only when the disk has taken everything")
	flags.BoolVar(&r.noOwner, "no-owner", false, "leave owners and groups alone")
	r.filter.add(c)
	return c
}

// run restores what was picked.
func (r *restoring) run(ctx context.Context, p *location.Place, o *opened) error {
	if err := mayRead(p); err != nil && !r.dryRun {
		return fmt.Errorf("restore: %w", err)
	}
	target, err := r.open(ctx, p, o)
	if err != nil {
		return err
	}
	return errors.Join(r.into(ctx, p, o, target), target.Close())
}

// open opens the target.
func (r *restoring) open(ctx context.Context, p *location.Place, o *opened) (*location.Target, error) {
	spec := r.target
	if r.inPlace {
		if err := r.athome(o); err != nil {
			return nil, err
		}
		spec = "/" + o.base
	}
	at, err := location.Parse(spec)
	if err != nil {
		return nil, usage(fmt.Errorf("target: %w", err))
	}
	if at.Scheme == location.SSH {
		over := at
		over.Scheme = location.SFTP
		return nil, usagef("what is restored goes to another machine over SFTP: in the place of --target %s give -t %s", quote(at.String()), quote(over.String()))
	}
	if err := r.check(at, p, o); err != nil {
		return nil, err
	}
	return location.Into(ctx, spec, r.app.options(r.app.secrets), r.dryRun)
}

// athome refuses to restore in place what is from another machine: in its place here lies something else.
func (r *restoring) athome(o *opened) error {
	host, err := r.app.host()
	if err != nil || o.snap.Host == escape(host) {
		return nil
	}
	return usagef("restore --in-place: snapshot %s is of the host %s, and this is %s: say where to with --target", o.snap.ID.Short(), quote(o.snap.Host), quote(host))
}

// into restores what was picked into target.
func (r *restoring) into(ctx context.Context, p *location.Place, o *opened, target *location.Target) error {
	a := r.app
	switch {
	case o.snap.State == varve.Suspect:
		a.warn("snapshot %s is %s", o.snap.ID.Short(), suspectText)
	case !o.snap.State.Good():
		a.warn("snapshot %s is incomplete: %s could not be read when it was made", o.snap.ID.Short(), count(o.snap.Skipped, "object", "objects"))
	}
	m := a.newMeter()
	if o.path == "" {
		m.expect(o.snap.Files+o.snap.Dirs, o.snap.Bytes)
	}
	t := &restoreReport{restoring: r, meter: m, dir: target.Path, made: target.Made, far: target.Far(), failed: a.newLimited(), unkept: unkept{}}
	t.begin()
	uid := os.Geteuid()
	var report restore.Report
	err := a.watch(m, func() (err error) {
		report, err = restore.Run(ctx, o.source, target.Dir, restore.Options{UID: uint32(uid), GID: uint32(os.Getegid()), Privileged: uid == 0,
			NoOwner: r.noOwner, Delete: r.delete, Spare: p.Skip, DryRun: r.dryRun, Sync: r.sync, Far: target.Far(), Ahead: p.Ahead(), Progress: t.event})
		return err
	})
	t.close()
	if errors.Is(err, varve.ErrNoSnapshot) {
		return fmt.Errorf("snapshot %s was forgotten while it was restored: %w", o.snap.ID.Short(), err)
	}
	if err != nil {
		return err
	}
	t.summary(&report)
	return t.gaps(&report)
}

// mayRead returns an error that matches vault.ErrKey, and names the key that is needed, where the store is a vault that was opened with a key
// that opens no file. Without it every single file would be told.
func mayRead(p *location.Place) error {
	if p.Vault == nil {
		return nil
	}
	var needed *seal.KeyError
	if _, err := p.Vault.KeyFile(seal.RestoreKey, ""); errors.As(err, &needed) {
		return needed
	}
	return nil
}

// check refuses what would harm the store, or the target.
func (r *restoring) check(at location.Spec, p *location.Place, o *opened) error {
	target, store := at.Path, p.Spec.Path
	here := at.Scheme == location.Local && !p.Far()
	if here {
		target, store = location.RealPath(target), location.RealPath(store)
	}
	same := here || at.Scheme != location.Local && p.Far() && at.Target == p.Spec.Target
	switch {
	case same && within(target, store), here && r.inside(target, p.Skip):
		return fmt.Errorf("restore into %s: it lies in the store", quote(at.String()))
	case r.delete && same && wouldDelete(o, target, store):
		return fmt.Errorf("restore with --delete into %s: the store lies in what would be deleted", quote(at.String()))
	case r.delete && !o.snap.State.Good():
		return fmt.Errorf("restore with --delete: snapshot %s is %s: what it lacks would be deleted", o.snap.ID.Short(), plain(string(o.snap.State)))
	}
	return nil
}

// inside reports whether a path without symlinks lies in one of some directories, whatever the path that they are known by.
func (r *restoring) inside(path string, dirs []varve.Stamp) bool {
	for {
		if dir, err := r.app.open(path); err == nil {
			info, err := dir.Lookup(".")
			_ = dir.Close() // nothing was written
			is := func(s varve.Stamp) bool { return s.Dev == info.Stamp.Dev && s.Ino == info.Stamp.Ino }
			if err == nil && slices.ContainsFunc(dirs, is) {
				return true
			}
		}
		up := filepath.Dir(path)
		if up == path {
			return false
		}
		path = up
	}
}

// wouldDelete reports whether the store lies where a restore of o into target deletes what the snapshot has not: in the place of a
// source. The snapshot never has the store itself.
func wouldDelete(o *opened, target, store string) bool {
	if !within(store, target) {
		return false
	}
	below := strings.Trim(strings.TrimPrefix(store, target), "/")
	place := strings.Trim(o.base+"/"+below, "/")
	return slices.ContainsFunc(o.snap.Sources, func(source string) bool { return varve.Within(place, strings.Trim(source, "/")) })
}

// restoreReport tells what a restore does.
type restoreReport struct {
	*restoring
	meter  *meter
	dir    string
	made   bool // the target did not exist
	far    bool // it is on another machine
	failed *limited
	unkept unkept
	coarse unkeptCount // of times that the target keeps in coarser units
}

// at returns the path on the target that people see.
func (t *restoreReport) at(path string) string {
	switch {
	case path == "":
		return t.dir
	case strings.HasSuffix(t.dir, ":."): // another machine's login directory
		return strings.TrimSuffix(t.dir, ".") + path
	}
	return strings.TrimSuffix(t.dir, "/") + "/" + path
}

// event takes what Run reports.
func (t *restoreReport) event(e restore.Event) {
	a := t.app
	switch e.Action {
	case restore.Failed:
		if a.json {
			a.emitEvent(t.json(e))
			return
		}
		t.failed.warn("not restored", quote(t.at(e.Path)), describe(cause(e.Err)))
		return
	case restore.Unkept:
		t.unkept.add(e.Aspect, e.Path)
		return
	case restore.Coarse:
		if t.coarse.count++; t.coarse.count == 1 {
			t.coarse.aspect, t.coarse.example = e.Aspect, e.Path
		}
		return
	case restore.Partly:
		t.meter.add(0, e.Bytes)
		return
	}
	t.meter.add(1, e.Bytes)
	if e.Action == restore.Same {
		return
	}
	if !(t.made && e.Path == "") { // which begin has told
		t.tell(e)
	}
}

// begin tells that the target does not exist.
func (t *restoreReport) begin() {
	if t.made {
		t.tell(restore.Event{Action: restore.Create})
	}
}

// tell prints one change if that is wanted.
func (t *restoreReport) tell(e restore.Event) {
	a := t.app
	switch {
	case a.json:
		a.emitEvent(t.json(e))
	case t.dryRun, a.verbose > 0, e.Action == restore.Delete && !a.quiet:
		t.print(e)
	}
}

// print prints one change.
func (t *restoreReport) print(e restore.Event) {
	differs := e.Aspect
	if e.Action != restore.Replace && e.Action != restore.Update {
		differs = 0
	}
	t.app.printf("%s %s\n", e.Action, change(quote(t.at(e.Path)), differs))
}

func (t *restoreReport) json(e restore.Event) jsonEvent {
	p := rawPath(t.at(e.Path))
	return jsonEvent{Event: e.Action.String(), jsonPath: &p, Error: errorText(e.Err), Aspects: aspectWords(e.Aspect)}
}

// close tells what was counted rather than told.
func (t *restoreReport) close() {
	t.failed.close("could not be restored")
	for _, u := range t.unkept.sorted() {
		path := t.at(u.example)
		if t.app.json {
			t.app.emitEvent(u.json(path))
			continue
		}
		t.app.warn("not restored: %s", u.text(path))
	}
	if t.coarse.count > 0 {
		t.tellCoarse()
	}
}

// tellCoarse tells of times that lack their end, which is no gap: nobody who restores to such a place expects more.
func (t *restoreReport) tellCoarse() {
	objects := count(t.coarse.count, "object", "objects")
	switch {
	case t.app.json:
		event := t.coarse.json(t.at(t.coarse.example))
		event.Event = restore.Coarse.String()
		t.app.emitEvent(event)
	case t.app.quiet:
	case t.far:
		t.app.screen.line("varve: times of " + objects + " are kept to the second: SFTP has no fractions")
	default:
		t.app.screen.line("varve: times of " + objects + " are kept as exactly as the file system of " + quote(t.dir) + " can")
	}
}

// summary tells what was done.
func (t *restoreReport) summary(r *restore.Report) {
	a := t.app
	if a.json {
		a.emitEvent(struct {
			Event  string `json:"event"`
			DryRun bool   `json:"dry_run"`
			restore.Report
			Seconds float64 `json:"seconds"`
		}{"summary", t.dryRun, *r, t.meter.elapsed().Seconds()})
		return
	}
	if !a.talks() {
		return
	}
	a.printf("%s, %s: %d created, %d replaced, %d updated, %d deleted, %d the same; %s written in %s\n",
		count(r.Files, "file", "files"), count(r.Dirs, "directory", "directories"), r.Created, r.Replaced, r.Updated, r.Deleted, r.Same, sizeText(r.Bytes), durationText(t.meter.elapsed()))
}

// gaps returns an error where not everything came back.
func (t *restoreReport) gaps(r *restore.Report) error {
	switch {
	case r.Failed > 0:
		return marked{"restore incomplete: " + count(r.Failed, "object", "objects") + " could not be restored", errGaps}
	case r.Unkept == 0:
		return nil
	}
	sentinel := errGaps
	text := "restore incomplete: of " + count(r.Unkept, "object", "objects") + " not all metadata could be restored"
	for aspect := range t.unkept {
		if aspect&varve.Owner != 0 && os.Geteuid() != 0 {
			sentinel = errOwners
		}
	}
	return marked{text, sentinel}
}
