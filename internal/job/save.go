package job

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"varve"
	"varve/internal/config"
	"varve/internal/location"
	"varve/internal/remote"
)

// markerOf reads a NAME or NAME:HEADER that the configuration has checked.
func markerOf(text string) remote.Marker {
	name, header, _ := strings.Cut(text, ":")
	return remote.Marker{Name: name, Header: header}
}

// options returns how the machine of the sources is reached.
func (r *run) options() location.Options {
	if r.deps.Sources == nil {
		return location.Options{}
	}
	return r.deps.Sources(r.job)
}

// origin connects to the machine of the sources; frozen may stand for its disks.
func (r *run) origin(ctx context.Context, frozen Frozen) (*location.Origin, error) {
	specs, err := specsOf(r.job)
	if err != nil {
		return nil, err
	}
	o := r.options()
	if frozen != nil {
		o.OpenDir = frozen.OpenDir
	}
	return location.From(ctx, specs, r.request, o)
}

func specsOf(j *config.Job) ([]location.Spec, error) {
	var specs []location.Spec
	for _, source := range j.Sources {
		s, err := location.Parse(source)
		if err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// isFar reports whether the sources are on another machine.
func isFar(j *config.Job) bool {
	specs, err := specsOf(j)
	return err == nil && len(specs) > 0 && specs[0].Scheme != location.Local
}

// reachSources waits for the machine of the sources, if that is another one, and makes sure that no source lies in a store.
func (r *run) reachSources(ctx context.Context) error {
	if isFar(r.job) {
		return r.reach(ctx, func() error {
			o, err := r.origin(ctx, nil)
			if err != nil {
				return err
			}
			return o.Close()
		})
	}
	specs, err := specsOf(r.job)
	for _, s := range specs {
		for _, t := range r.targets {
			at, parsed := location.Parse(t.conf.Place)
			if parsed == nil && location.InStore(s.Path, at) {
				return fmt.Errorf("source %s lies in the store %s", s.Path, t.conf.Name)
			}
		}
	}
	return err
}

// attempt makes the snapshot, and tries again where that may help.
func (r *run) attempt(ctx context.Context) (snap varve.Snapshot, err error) {
	frozen, err := r.freeze(ctx)
	if err != nil {
		return snap, err
	}
	if frozen != nil {
		defer r.thaw(frozen)
	}
	found := len(r.report.Findings)
	err = r.tryAgain(ctx, []*target{r.first}, func() (err error) {
		r.report.Attempts++
		r.report.Findings = r.report.Findings[:found] // what was found before is found again
		snap, err = r.save(ctx, frozen)
		return err
	})
	return snap, err
}

// watch returns what is told of all that happens while a store saves. Damage that it comes upon there is no reason to save nothing, but one
// to alarm people: the snapshots before this one are not what they were.
func (r *run) watch(t *target) func(varve.Event) {
	return func(e varve.Event) {
		if e.Kind == varve.Damage && !t.damaged {
			t.damaged = true
			t.fail("save", fmt.Errorf("what was saved there before is %w", varve.ErrDamaged))
		}
		r.progress(e)
	}
}

// thaw removes the snapshot of the file system. One that stays takes room.
func (r *run) thaw(frozen Frozen) {
	if err := frozen.Close(); err != nil {
		r.remains = errors.Join(r.remains, fmt.Errorf("job %s: remove the snapshot of the file system: %w", r.job.Name, err))
	}
}

// errFreeze says that the sources could not be made to hold still, which is not the store's fault.
var errFreeze = errors.New("take a snapshot of the file systems")

// freeze takes a snapshot of the file systems of the sources, where that is asked for.
func (r *run) freeze(ctx context.Context) (Frozen, error) {
	if kind := r.job.Snapshot; kind == "" || kind == config.None || isFar(r.job) || len(r.job.Sources) == 0 {
		return nil, nil
	}
	specs, err := specsOf(r.job)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, s := range specs {
		paths = append(paths, s.Path)
	}
	frozen, err := r.deps.Freeze(ctx, r.job.Snapshot, paths)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFreeze, err)
	}
	return frozen, nil
}

// save makes the snapshot in the first store.
func (r *run) save(ctx context.Context, frozen Frozen) (snap varve.Snapshot, err error) {
	origin, err := r.origin(ctx, frozen)
	if err != nil {
		return snap, err
	}
	defer func() { err = errors.Join(err, origin.Close()) }()
	basis := remote.NewBasis(r.first.place.Store, r.report.Series)
	defer basis.Close() // what was read of an earlier snapshot
	opts := varve.SaveOptions{Series: r.report.Series, Host: r.host, Sources: r.sources(origin), Tags: r.job.Tags, Program: r.deps.Program,
		Judge: r.judge, Ahead: origin.Ahead(), Now: r.deps.Now, Progress: r.watch(r.first)}
	if len(r.job.Sources) == 0 {
		return r.saveWith(ctx, nil, opts)
	}
	wanted := r.wanted(basis.Open)
	if frozen != nil {
		wanted.Since = frozen.Since()
	}
	files, err := origin.Walk(ctx, wanted)
	if err != nil {
		return snap, err
	}
	guarded, end := origin.Guard(ctx, files)
	snap, err = r.saveWith(guarded, files, opts)
	end()
	r.report.LeftOut, r.report.Complaints = files.LeftOut(), files.Complaints()
	return snap, errors.Join(err, files.Close())
}

// saveWith makes the snapshot of files, which may be nil, and of what the commands of the job print.
func (r *run) saveWith(ctx context.Context, files varve.Source, opts varve.SaveOptions) (snap varve.Snapshot, err error) {
	out, err := r.outputs()
	if err != nil {
		return snap, err
	}
	if out == nil {
		return r.first.place.Store.Save(ctx, files, opts)
	}
	snap, err = out.Save(ctx, r.first.place.Store, files, opts)
	if err != nil && out.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrCommand, err)
	}
	return snap, errors.Join(err, out.Close())
}

// wanted says which files of the sources go into the snapshot: no store of the job does.
func (r *run) wanted(basis remote.Basis) location.Wanted {
	w := location.Wanted{Request: r.request, Owners: r.deps.Owners, Basis: basis}
	for _, t := range r.targets {
		if t.place != nil {
			w.Skip, w.Stores = append(w.Skip, t.place.Skip...), append(w.Stores, t.place.Path)
		}
	}
	return w
}

// sources returns what the snapshot is of, as absolute paths.
func (r *run) sources(origin *location.Origin) []string {
	var paths []string
	for _, path := range origin.Sources {
		paths = append(paths, "/"+path)
	}
	for _, c := range r.job.Commands {
		paths = append(paths, c.Path)
	}
	return paths
}

// few is up to how many changed files are no matter of concern, whatever share they are: a job may be about a single dump.
const few = 10

// judge says whether a snapshot differs so much from the last good one that somebody must look.
func (r *run) judge(d varve.Difference) varve.State {
	g := &r.job.Guard
	share := func(n, of int64) float64 { return float64(n) / float64(max(of, 1)) }
	r.suspect = ""
	switch {
	case d.Files < int64(g.MinFiles):
		r.suspect = fmt.Sprintf("it has %d files, and at least %d are wanted", d.Files, g.MinFiles)
	case d.Before > 0 && share(d.Lost, d.Before) > float64(g.MaxLost):
		r.suspect = fmt.Sprintf("it lacks %d of %d files that the last good one had", d.Lost, d.Before)
	case share(d.WorstLost, d.WorstBefore) > float64(g.MaxLost):
		r.suspect = fmt.Sprintf("of %s it lacks %d of %d files that the last good one had", d.Worst, d.WorstLost, d.WorstBefore)
	case d.Before > 0 && d.Changed > few && share(d.Changed, d.Before) > float64(g.MaxChanged):
		r.suspect = fmt.Sprintf("%d of %d files have another content than in the last good one", d.Changed, d.Before)
	}
	if r.suspect == "" {
		return varve.Complete
	}
	if r.how.Accept {
		r.accepted = true
		r.note("%s; it was accepted", r.suspect)
		return varve.Complete
	}
	return varve.Suspect
}
