package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"varve/internal/config"
	jobs "varve/internal/job"
	"varve/internal/units"
)

func (a *app) scheduleShowCommand() *cobra.Command {
	s := &scheduling{app: a, shows: true}
	c := &cobra.Command{
		Use:   "show [JOB...]",
		Short: "Show when jobs are due, and what starts them",
		Long: `Show for each job, or for those that are named, when it is due and what starts it now, and then what varve schedule install would install. Something
that is out of date is not what would be installed now.`,
		Example: `  varve schedule show
  varve schedule show home --system cron`,
		Args:              wants(cobra.ArbitraryArgs),
		ValidArgsFunction: a.completeJobs,
		RunE: func(c *cobra.Command, names []string) error {
			if err := s.load(c); err != nil {
				return err
			}
			return a.withJobs(c, func(j *configured) error { return s.show(c.Context(), j, names) })
		},
	}
	s.add(c)
	return c
}

// completeJobs completes the names of jobs.
func (a *app) completeJobs(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if conf, _, err := a.loadConfig(c); err == nil { // of a broken file nothing is completed
		for _, j := range conf.Jobs {
			names = append(names, j.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// shown is what there is to tell of a job.
type shown struct {
	Event    string    `json:"event"`
	Job      string    `json:"job"`
	Schedule string    `json:"schedule"`
	Next     time.Time `json:"next,omitzero"`
	// Starters are what starts the job now: systemd, cron, daemon; and Stale those of them that are out of date.
	Starters []string `json:"starters"`
	Stale    []string `json:"stale"`
}

// show shows jobs, and what would be installed for them.
func (s *scheduling) show(ctx context.Context, j *configured, names []string) error {
	list := j.deps.Config.Jobs
	if len(names) > 0 {
		var err error
		if list, err = j.named(names); err != nil {
			return err
		}
	}
	now, err := s.look(ctx)
	if err != nil {
		return err
	}
	var all []shown
	for _, one := range list {
		all = append(all, now.of(j, one))
	}
	if s.app.json {
		for _, one := range all {
			s.app.emitEvent(one)
		}
		return s.texts(now, list, func(path, text string) {
			s.app.emitEvent(struct {
				Event string `json:"event"`
				Path  string `json:"path"`
				Text  string `json:"text"`
			}{"file", path, text})
		})
	}
	if s.app.quiet {
		return nil
	}
	if err := s.table(all); err != nil {
		return err
	}
	for _, name := range now.left {
		s.app.printf("left over, and removed by varve schedule install: %s\n", plain(name))
	}
	for _, name := range now.others {
		s.app.printf("installed besides, for another configuration file: %s\n", cmp.Or(name, "the usual one"))
	}
	return s.texts(now, list, func(path, text string) { s.app.printf("\n# %s\n%s", plain(path), text) })
}

// table prints one line for each job.
func (s *scheduling) table(all []shown) error {
	w := tabwriter.NewWriter(s.app.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tSCHEDULE\tDUE\tSTARTED BY")
	for _, one := range all {
		var by []string
		for _, name := range one.Starters {
			if slices.Contains(one.Stale, name) {
				name += " (out of date)"
			}
			by = append(by, name)
		}
		if len(by) == 0 {
			by = []string{"nothing"}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", one.Job, one.Schedule, s.app.whenText(one.Next), strings.Join(by, ", "))
	}
	return w.Flush()
}

// installed is what starts jobs now, beside what should.
type installed struct {
	*expected
	systemd units.Systemd
	crontab units.Crontab
	names   []string // of units that are installed
	fresh   []string // those of them that are as they should be
	left    []string // those that no job has any more
	others  []string // other configuration files that something is installed for
	lines   []string // of the crontab
	daemon  bool
}

// look looks what is installed.
func (s *scheduling) look(ctx context.Context) (*installed, error) {
	e, err := s.expect()
	if err != nil {
		return nil, err
	}
	now := &installed{expected: e, crontab: s.crontab()}
	if now.systemd, err = s.systemd(); err != nil {
		return nil, err
	}
	if now.names, err = units.Installed(now.systemd.Dir); err != nil {
		return nil, err
	}
	if now.fresh, now.left, err = now.systemd.Compare(e.units); err != nil {
		return nil, err
	}
	if now.crontab.Usable() {
		if now.lines, err = now.crontab.Installed(ctx); err != nil {
			return nil, err
		}
	}
	if len(now.lines) > 0 && len(e.cron) == 0 {
		now.left = append(now.left, "lines of "+now.crontab.String())
	}
	if now.others, err = s.names(ctx); err != nil {
		return nil, err
	}
	now.others = slices.DeleteFunc(now.others, func(name string) bool { return name == s.name })
	now.daemon, err = s.app.hasDaemon(s.path)
	return now, err
}

// of returns what there is to tell of a job.
func (n *installed) of(j *configured, one *config.Job) shown {
	h, _ := j.deps.History.Job(one.Name) // what is not known is due, which is told
	o := shown{"schedule", one.Name, one.Schedule.String(), jobs.NextRun(one, &h, j.deps.Now()), []string{}, []string{}}
	add := func(by string, fresh bool) {
		o.Starters = append(o.Starters, by)
		if !fresh {
			o.Stale = append(o.Stale, by)
		}
	}
	u := units.Unit{Job: one.Name, Config: n.systemd.Config}
	if slices.Contains(n.names, u.Timer()) {
		add(bySystemd, slices.Contains(n.fresh, u.Timer()) && slices.Contains(n.fresh, u.Service()))
	}
	if want, err := n.crontab.Lines(n.cron); len(n.lines) > 0 && !one.Schedule.Never() {
		add(byCron, err == nil && slices.Equal(want, n.lines))
	}
	if n.daemon && !one.Schedule.Never() {
		add("daemon", true)
	}
	return o
}

// texts tells what would be installed: the units of some jobs, or the lines for all.
func (s *scheduling) texts(now *installed, list []*config.Job, tell func(path, text string)) error {
	if now.by == byCron {
		lines, err := now.crontab.Lines(now.cron)
		if len(lines) > 0 {
			tell(now.crontab.String(), strings.Join(lines, "\n")+"\n")
		}
		return err
	}
	for i := range now.units {
		u := &now.units[i]
		if !slices.ContainsFunc(list, func(j *config.Job) bool { return j.Name == u.Job }) {
			continue
		}
		paths, texts, err := now.systemd.Text(u)
		if err != nil {
			return err
		}
		for k := range paths {
			tell(paths[k], texts[k])
		}
	}
	return nil
}
