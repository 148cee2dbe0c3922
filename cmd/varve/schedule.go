package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"varve/internal/config"
	"varve/internal/location"
	"varve/internal/units"
)

// scheduling is one run of varve schedule.
type scheduling struct {
	app    *app
	system string // systemd or cron; empty for what there is
	user   bool
	dryRun bool
	shows  bool // nothing is changed, so that a program that will not stay is told of, and no error
	silent bool // nor is it told of

	conf *config.Config
	path string // of the configuration file, absolute
	name string // of the configuration file, in units and crontabs; empty for the usual one
	all  bool   // of all configuration files
}

// The systems that start jobs.
const (
	bySystemd = "systemd"
	byCron    = "cron"
)

func (a *app) scheduleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "schedule",
		Short: "Have systemd or cron run jobs when they are due",
		Long: `Have systemd or cron run the jobs of the configuration file that have a schedule. Each job gets a timer and a service of systemd; where that does
not run, one command in a crontab looks after all jobs. They ask varve at the times of the schedules, and once an hour at the least, what is
due: so what failed is tried again, what was missed while the machine was off is made up for, and what is overdue is told. varve daemon does the
same where there is neither systemd nor cron.`,
		Example: `  varve schedule install
  varve schedule show
  varve schedule remove`,
		Args: wants(func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command schedule %q", args[0])
			}
			return nil
		}),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, sub := range []*cobra.Command{a.scheduleInstallCommand(), a.scheduleShowCommand(), a.scheduleRemoveCommand()} {
		sub.Flags().SortFlags = false
		c.AddCommand(sub)
	}
	return c
}

func (a *app) scheduleInstallCommand() *cobra.Command {
	s := &scheduling{app: a}
	c := &cobra.Command{
		Use:   "install",
		Short: "Install what starts the jobs",
		Long: `Install what starts the jobs that have a schedule, and remove what was installed for jobs that have none any more. It may be done again
whenever the configuration or the place of varve has changed: what is as it should be stays as it is, and so does what other configuration files
have. As root it is for the system; for other users, and with --user, for the user alone, whose timers run while the user is logged in, or
always after loginctl enable-linger.`,
		Example: `  varve schedule install
  varve schedule install --system cron -n`,
		Args: wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.load(c); err != nil {
				return err
			}
			return s.install(c.Context())
		},
	}
	s.add(c)
	c.Flags().BoolVarP(&s.dryRun, "dry-run", "n", false, "print what would be done; change nothing")
	return c
}

func (a *app) scheduleRemoveCommand() *cobra.Command {
	s := &scheduling{app: a}
	c := &cobra.Command{
		Use:   "remove",
		Short: "Remove what starts the jobs",
		Long: `Remove what varve schedule install has installed, for all jobs of the configuration file: units of systemd and lines of a crontab. The file need not
be there any more. A job that runs goes on. Nothing else is touched.`,
		Example: `  varve schedule remove
  varve schedule remove --config /etc/varve/other.toml`,
		Args: wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
			if s.all {
				return s.removeAll(c.Context())
			}
			path, err := s.app.configPath(c)
			if err == nil {
				err = s.find(path)
			}
			if err != nil {
				return err
			}
			return s.remove(c.Context())
		},
	}
	c.Flags().BoolVar(&s.all, "all", false, "remove what all configuration files have")
	c.Flags().BoolVar(&s.user, "user", false, "remove what the user has, and not the system")
	c.Flags().BoolVarP(&s.dryRun, "dry-run", "n", false, "print what would be done; change nothing")
	return c
}

// add gives a command the flags that say where jobs are started from.
func (s *scheduling) add(c *cobra.Command) {
	c.Flags().StringVar(&s.system, "system", "", "use this `SYSTEM`: systemd or cron (default systemd where it runs)")
	c.Flags().BoolVar(&s.user, "user", false, "for the user, and not for the system; without root there is no other way")
	err := c.RegisterFlagCompletionFunc("system", cobra.FixedCompletions([]string{bySystemd, byCron}, cobra.ShellCompDirectiveNoFileComp))
	if err != nil { // the flag is there
		panic(err)
	}
}

// check finds what makes no sense on the command line.
func (s *scheduling) check() error {
	switch {
	case s.app.store != "":
		return usagef("--store: the configuration file says which stores a job has")
	case s.system != "" && s.system != bySystemd && s.system != byCron:
		return usagef("--system %q: want systemd or cron", s.system)
	}
	return nil
}

// load reads the configuration of a command.
func (s *scheduling) load(c *cobra.Command) error {
	if err := s.check(); err != nil {
		return err
	}
	conf, path, err := s.app.loadConfig(c)
	if err == nil {
		err = checkConfig(conf)
	}
	if err != nil {
		return jobError(c.Context(), err)
	}
	s.conf = conf
	return s.find(path)
}

// find enters where the configuration file is, or was, and what it is called.
func (s *scheduling) find(path string) (err error) {
	if s.path, err = filepath.Abs(path); err != nil {
		return err
	}
	key, err := s.app.configKey(path)
	if err == nil && key != "" {
		s.name = units.ConfigName(location.RealPath(s.path), key)
	}
	return err
}
