package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/location"
	"varve/internal/remote"
	"varve/internal/ssh"
	"varve/internal/vault"
)

// errAway says that none of the stores is there.
var errAway = errors.New("no store is there")

// Series returns the series of a job's snapshots and the host that they are of.
func Series(j *config.Job, m Machine) (series, host string, err error) {
	host = j.Host
	if host == "" && len(j.Sources) > 0 {
		spec, err := location.Parse(j.Sources[0])
		if err != nil {
			return "", "", err
		}
		host = spec.Target.Host
	}
	if host == "" {
		if host, err = m.Host(); err != nil {
			return "", "", fmt.Errorf("find the name of this host: %w", err)
		}
	}
	if series = j.Series; series == "" {
		series = host + ":" + j.Name
	}
	return series, host, nil
}

// prepare makes sure, before anything is run or changed, that there is what a run needs.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.report.Series, r.host, err = Series(r.job, r.deps.Machine); err != nil {
		return err
	}
	if r.request, err = request(r.job, r.deps.Machine); err != nil {
		return err
	}
	if err := r.enlist(); err != nil {
		return err
	}
	if err := r.guard(); err != nil {
		return err
	}
	if err := r.openStores(ctx); err != nil {
		return err
	}
	return r.reachSources(ctx)
}

// request returns what a job leaves out.
func request(j *config.Job, m Machine) (remote.SourceRequest, error) {
	q := remote.SourceRequest{IgnoreFile: location.IgnoreFile, OneFileSystem: j.OneFileSystem, LargerThan: int64(j.ExcludeLargerThan)}
	for _, text := range j.ExcludeIfPresent {
		q.IfPresent = append(q.IfPresent, markerOf(text))
	}
	if j.ExcludeCaches {
		q.IfPresent = append(q.IfPresent, location.Caches())
	}
	for _, file := range j.ExcludeFrom {
		text, err := m.ReadFile(file)
		if err != nil {
			return q, fmt.Errorf("read patterns: %w", err)
		}
		q.Excludes = append(q.Excludes, remote.Exclude{Name: file, Text: string(text)})
	}
	for _, pattern := range j.Exclude {
		q.Excludes = append(q.Excludes, remote.Exclude{Text: pattern})
	}
	_, err := location.WalkOptions(q, nil)
	return q, err
}

// guard looks for what must be there before a run.
func (r *run) guard() error {
	for _, path := range r.job.Guard.Mounted {
		if err := isMounted(r.deps.Machine, path); err != nil {
			return fmt.Errorf("%w: %w", ErrGuard, err)
		}
	}
	for _, path := range r.job.Guard.Marker {
		if err := exists(r.deps.Machine, path); err != nil {
			return fmt.Errorf("%w: %w", ErrGuard, err)
		}
	}
	return nil
}

func isMounted(m Machine, path string) error {
	ok, err := m.Mounted(path)
	if err == nil && !ok {
		err = errors.New("nothing is mounted there")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func exists(m Machine, path string) error {
	ok, err := m.Exists(path)
	if err == nil && !ok {
		err = errors.New("is not there")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// enlist makes the targets of the run: a report tells of all stores, whatever happens to them.
func (r *run) enlist() error {
	for _, name := range r.job.Stores {
		t := &target{conf: r.deps.Config.Store(name), used: -1, sum: -1, report: StoreReport{Store: name}}
		if t.conf == nil {
			return fmt.Errorf("there is no store %q", name)
		}
		r.targets = append(r.targets, t)
	}
	return nil
}

// openStores opens the stores that are there. The first of them that can be read gets the backup. The error matches errAway where none is there and that is
// all that is wrong.
func (r *run) openStores(ctx context.Context) error {
	var away []error
	broken := false
	for _, t := range r.targets {
		err := r.openStore(ctx, t)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if r.first == nil || r.first.blind && !t.blind { // from a store that cannot be read nothing can be copied
				r.first = t
			}
		case errors.Is(err, varve.ErrNoStore), errors.Is(err, ssh.ErrUnreachable):
			t.report.Absent = err
			away = append(away, fmt.Errorf("store %s: %w", t.conf.Name, err))
		default:
			broken = true
			t.fail("open", err)
		}
	}
	switch {
	case r.first != nil:
		return nil
	case broken:
		return errors.Join(append([]error{errors.New("no store can be used")}, away...)...)
	}
	return fmt.Errorf("%w: %w", errAway, errors.Join(away...))
}

// openStore opens a store and looks at it.
func (r *run) openStore(ctx context.Context, t *target) error {
	if err := r.reopen(ctx, t); err != nil {
		return err
	}
	err := r.lookAt(ctx, t)
	if err != nil {
		err = errors.Join(err, t.place.Close())
		t.place = nil
	}
	return err
}

// reopen opens a store, which it closes first if it is open.
func (r *run) reopen(ctx context.Context, t *target) error {
	if t.place != nil {
		r.deps.warn(t.place.Close())
		t.place = nil
	}
	if err := present(r.deps.Machine, t.conf); err != nil {
		return fmt.Errorf("%w: %w", varve.ErrNoStore, err)
	}
	return r.reach(ctx, func() (err error) {
		t.place, err = r.deps.Open(ctx, t.conf, false)
		return err
	})
}

// present looks for what says that a store is there.
func present(m Machine, s *config.Store) error {
	if s.Mounted != "" {
		if err := isMounted(m, s.Mounted); err != nil {
			return err
		}
	}
	if s.Marker != "" {
		return exists(m, s.Marker)
	}
	return nil
}

// lookAt makes sure that the snapshots of a store and the clock go together, and that it has room. That some snapshots cannot be read is no
// reason not to make another one.
func (r *run) lookAt(ctx context.Context, t *target) error {
	list, err := t.place.Store.Snapshots(ctx)
	switch {
	case errors.Is(err, vault.ErrKey): // it is open, so the key is one that only adds
		t.blind = true
	case errors.Is(err, varve.ErrDamaged):
		t.fail("list snapshots", err)
	case err != nil:
		return err
	}
	r.renamed(t, list)
	t.doubt = r.doubtOf(newest(list, r.report.Series))
	return r.checkRoom(ctx, t)
}

// doubtOf returns why the clock may be wrong where last, nil for none, is the newest snapshot.
func (r *run) doubtOf(last *varve.Snapshot) error {
	err := r.clock.follows(last)
	if last == nil || !signsOf(r.memory, r.job.Schedule, r.clock.now).last.IsZero() {
		return err
	}
	// Without memory of earlier runs the snapshots are all that tells of the time before.
	if _, leapt := r.clock.leapt(r.memory, signs{last: last.Time, believed: last.Time, leap: longLeap}); err == nil {
		err = leapt
	}
	return err
}

const (
	// The shortest and the longest time between two tries to reach a machine.
	firstKnock = 5 * time.Second
	lastKnock  = time.Minute
	// The shortest and the longest time between two tries to make a snapshot or a copy.
	firstPause = 30 * time.Second
	lastPause  = 10 * time.Minute
)

// reach opens something on another machine, which it waits for as long as the job says, all machines together.
func (r *run) reach(ctx context.Context, open func() error) error {
	limit := time.Duration(r.job.WaitNetwork)
	for knock := firstKnock; ; knock = min(2*knock, lastKnock) {
		err := open()
		if !errors.Is(err, ssh.ErrUnreachable) || r.waited >= limit {
			return err
		}
		pause := min(knock, limit-r.waited)
		if e := r.deps.Sleep(ctx, pause); e != nil {
			return errors.Join(err, e)
		}
		r.waited += pause
	}
}

// temporary reports whether something may well succeed the next time.
func temporary(err error) bool {
	return errors.Is(err, ssh.ErrUnreachable) || errors.Is(err, disk.ErrLost) || errors.Is(err, varve.ErrBusy)
}

// tryAgain does something as often as the job allows while it fails for reasons that may pass. The stores it uses are opened anew before
// each further time.
func (r *run) tryAgain(ctx context.Context, using []*target, do func() error) error {
	pause := firstPause
	for n := 0; ; n++ {
		err := do()
		if err == nil || n >= r.job.Retries || !temporary(err) || ctx.Err() != nil {
			return err
		}
		r.deps.warn(fmt.Errorf("job %s: %w; trying again in %s", r.job.Name, err, pause))
		if e := r.deps.Sleep(ctx, pause); e != nil {
			return errors.Join(err, e)
		}
		pause = min(2*pause, lastPause)
		for _, t := range using {
			if e := r.reopen(ctx, t); e != nil {
				return errors.Join(err, e)
			}
		}
	}
}
