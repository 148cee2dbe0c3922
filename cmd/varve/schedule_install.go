package main

import (
	"context"
	"slices"

	jobs "varve/internal/job"
	"varve/internal/units"
)

// expected are what should be installed: by the system that is chosen all, and by the other one nothing.
type expected struct {
	by    string
	units []units.Unit
	cron  []units.CronJob
}

// expect returns what should be installed.
func (s *scheduling) expect() (*expected, error) {
	by, err := s.choose()
	if err != nil {
		return nil, err
	}
	systemd, cron, err := s.starters()
	if err != nil {
		return nil, err
	}
	e := &expected{by: by}
	if by == byCron {
		e.cron = cron.Cron(s.conf)
		return e, nil
	}
	e.units, err = systemd.Units(s.conf)
	return e, err
}

// install installs what starts the jobs.
func (s *scheduling) install(ctx context.Context) error {
	e, err := s.expect()
	if err != nil {
		return err
	}
	if err := s.apply(ctx, e); err != nil {
		return err
	}
	if len(e.units)+len(e.cron) == 0 {
		s.app.warn("no job of %s has a schedule: nothing runs by itself", quote(s.path))
	}
	s.doubt(e)
	return nil
}

// remove removes what starts the jobs of the configuration file.
func (s *scheduling) remove(ctx context.Context) error { return s.apply(ctx, &expected{}) }

// removeAll removes what starts the jobs of any configuration file.
func (s *scheduling) removeAll(ctx context.Context) error {
	names, err := s.names(ctx)
	if err != nil {
		return err
	}
	done := 0
	for _, s.name = range names {
		n, err := s.change(ctx, &expected{})
		if done += n; err != nil {
			return err
		}
	}
	s.nothing(done)
	return nil
}

// apply makes what is installed what is expected, and tells what was done.
func (s *scheduling) apply(ctx context.Context, e *expected) error {
	done, err := s.change(ctx, e)
	if err == nil {
		s.nothing(done)
	}
	return err
}

// nothing tells that nothing was done, if so.
func (s *scheduling) nothing(done int) {
	if done == 0 && s.app.talks() {
		s.app.printf("all is as it should be\n")
	}
}

// change is apply that returns how many things were done. What goes goes first: no job is started twice.
func (s *scheduling) change(ctx context.Context, e *expected) (done int, err error) {
	systemd, err := s.systemd()
	if err != nil {
		return 0, err
	}
	crontab := s.crontab()
	parts := []func() ([]units.Step, error){
		func() ([]units.Step, error) {
			if s.dryRun {
				return systemd.Plan(e.units)
			}
			return systemd.Install(ctx, e.units)
		},
		func() ([]units.Step, error) {
			if e.by != byCron && !crontab.Usable() {
				return nil, nil
			}
			if s.dryRun {
				return crontab.Plan(ctx, e.cron)
			}
			return crontab.Install(ctx, e.cron)
		},
	}
	if e.by == bySystemd {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		steps, err := part()
		done += len(steps)
		s.tell(steps)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// tell prints what was done, or would be: the latter is all that a dry run is for.
func (s *scheduling) tell(steps []units.Step) {
	a := s.app
	for _, step := range steps {
		switch {
		case a.json:
			a.emitEvent(struct {
				Event  string `json:"event"`
				DryRun bool   `json:"dry_run"`
				units.Step
			}{"schedule", s.dryRun, step})
		case a.talks() || s.dryRun && !a.quiet:
			a.printf("%s\n", plain(step.String()))
		}
	}
}

// doubt warns of what may go wrong when nobody is there.
func (s *scheduling) doubt(e *expected) {
	if len(e.cron) > 0 && !units.CronRuns(s.app.system) {
		s.app.warn("no cron runs on this machine, and until one does nothing is run by itself; varve daemon needs none")
	}
	used := map[string]bool{}
	for _, j := range s.conf.Jobs {
		for _, name := range j.Stores {
			used[name] = used[name] || !j.Schedule.Never()
		}
	}
	for _, store := range s.conf.Stores {
		if why := jobs.Unattended(store); why != "" && used[store.Name] {
			s.app.warn("store %s may not open when nobody is there: %s", store.Name, why)
		}
	}
}
