package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"varve/internal/config"
	"varve/internal/units"
)

// started is what starts the jobs that have a schedule, by name. A job of which that cannot be told is missing.
type started map[string]shown

// lookLimit is how long a look at what is installed may take.
const lookLimit = 5 * time.Second

// startedBy returns what starts the jobs of the configuration at path. Root may have it from his own systemd or crontab, too.
func (a *app) startedBy(ctx context.Context, j *configured, path string) started {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	all, blind := started{}, false
	for _, user := range slices.Compact([]bool{!a.root, true}) {
		now, err := a.installed(ctx, j.deps.Config, path, user)
		if err != nil {
			blind = true
			continue
		}
		for _, one := range j.deps.Config.Jobs {
			if !one.Schedule.Never() && len(all[one.Name].Starters) == 0 {
				all[one.Name] = now.of(j, one)
			}
		}
	}
	_, err := a.program()
	for name, one := range all {
		if blind && len(one.Starters) == 0 {
			delete(all, name)
		} else if err != nil { // nothing of this program would be installed, and nothing is out of date by it
			one.Stale = nil
			all[name] = one
		}
	}
	return all
}

// installed looks what is installed for the system, or for the user.
func (a *app) installed(ctx context.Context, conf *config.Config, path string, user bool) (*installed, error) {
	s := &scheduling{app: a, user: user, shows: true, silent: true, conf: conf}
	if err := s.find(path); err != nil {
		return nil, err
	}
	now, err := s.look(ctx)
	if errors.Is(err, errNoTimers) {
		now = &installed{expected: &expected{}}
		now.daemon, err = a.hasDaemon(s.path)
	}
	if err == nil && !units.CronRuns(a.system) {
		now.lines = nil // nobody reads them
	}
	return now, err
}

// notes tells of the jobs that nothing starts, or something that is out of date.
func (s started) notes() []string {
	var none, stale []string
	for name, one := range s {
		switch {
		case len(one.Starters) == 0:
			none = append(none, name)
		case len(one.Stale) == len(one.Starters):
			stale = append(stale, name)
		}
	}
	slices.Sort(none)
	slices.Sort(stale)
	var notes []string
	if len(none) > 0 {
		notes = append(notes, "nothing that varve knows of starts "+strings.Join(none, ", ")+
			" when due; varve schedule install has systemd or cron do it, and varve daemon does where neither runs")
	}
	if len(stale) > 0 {
		notes = append(notes, "what starts "+strings.Join(stale, ", ")+" is out of date: varve schedule install renews it")
	}
	return notes
}
