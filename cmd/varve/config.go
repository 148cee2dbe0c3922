package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve/internal/config"
	jobs "varve/internal/job"
	"varve/internal/location"
	"varve/internal/notice"
)

// configFlag is the flag of all commands that names the configuration file.
const configFlag = "config"

// configPath returns where the configuration file of a command is.
func (a *app) configPath(c *cobra.Command) (string, error) {
	if f := c.Flag(configFlag); f != nil && f.Value.String() != "" {
		return f.Value.String(), nil
	}
	return a.standardConfig()
}

// standardConfig returns where the configuration file is unless a command names another one.
func (a *app) standardConfig() (string, error) {
	path, err := config.Path(a.root, a.env)
	if err == nil && a.root {
		path = a.system + path
	}
	return path, err
}

// loadConfig reads the configuration file of a command.
func (a *app) loadConfig(c *cobra.Command) (*config.Config, string, error) {
	path, err := a.configPath(c)
	if err != nil {
		return nil, "", err
	}
	conf, err := config.Load(path, a.configOptions())
	return conf, path, err
}

// configOptions returns how configuration files are read.
func (a *app) configOptions() config.Options {
	return config.Options{Home: a.env("HOME"), Place: checkPlace, Sources: checkSources}
}

// checkPlace returns what is wrong with a place on another machine.
func checkPlace(text string) error {
	_, err := location.Parse(text)
	return err
}

// checkSources returns what is wrong with the sources of a job together.
func checkSources(texts []string) error {
	var first location.Spec
	for i, text := range texts {
		s, err := location.Parse(text)
		switch {
		case err != nil:
			return err
		case s.Scheme == location.Rsync:
			return errors.New("a job cannot read from an rsync daemon: varve backup can")
		case i == 0:
			first = s
		case s.Scheme != first.Scheme || s.Target != first.Target:
			return fmt.Errorf("%w: %s and %s", location.ErrMachines, first, s)
		}
	}
	return nil
}

// checkConfig returns what this version, or this machine, cannot do of what a configuration asks for.
func checkConfig(conf *config.Config) error {
	var errs []error
	for _, j := range conf.Jobs {
		if err := checkFreeze(j); err != nil {
			errs = append(errs, fmt.Errorf("job %s: %w", j.Name, err))
		}
	}
	_, err := notice.New(channelsOf(conf.Notices, nil), notice.Options{})
	return errors.Join(append(errs, jobs.CheckRoom(conf), err)...)
}

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration file, and describe it to editors",
		Long: `Check the configuration file, and describe it to editors. It is --config FILE, else /etc/varve/varve.toml for root and ~/.config/varve/varve.toml
for others.`,
		Example: `  varve config check
  varve config schema >varve.schema.json`,
		Args: wants(func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command config %q", args[0])
			}
			return nil
		}),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, sub := range []*cobra.Command{a.configCheckCommand(), a.configSchemaCommand()} {
		sub.Flags().SortFlags = false
		c.AddCommand(sub)
	}
	return c
}

func (a *app) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Find what is wrong in the configuration file",
		Long: `Find everything that is wrong in the configuration file, each with its place in it, and what this machine cannot do of it. Nothing is
changed, sent or run. Files and users that it names and that there are not are warned of: they may come. The exit code is 0 where nothing is
wrong, and 1 otherwise.`,
		Example: `  varve config check --config /etc/varve/varve.toml`,
		Args:    wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			conf, path, err := a.loadConfig(c)
			if err == nil {
				err = checkConfig(conf)
			}
			if err != nil {
				return jobError(c.Context(), err)
			}
			return a.checked(path, conf)
		},
	}
}

// pipes reports whether the last command of a line for a shell may be a pipe whose failures nobody sees.
func pipes(line string) bool {
	last := line[strings.LastIndexAny(line, "&;")+1:]
	return strings.Contains(strings.ReplaceAll(last, "||", ""), "|") && !strings.Contains(line, "pipefail")
}

// checked tells that a configuration is good.
func (a *app) checked(path string, conf *config.Config) error {
	for _, j := range conf.Jobs {
		for _, c := range j.Commands {
			if pipes(c.Run.Shell) || slices.Contains(c.Run.Argv, "-c") && pipes(strings.Join(c.Run.Argv, " ")) {
				a.warn("job %s: %s: a pipe fails only if its last command does: half a dump would look whole; set -o pipefail in a shell that knows it",
					j.Name, quote(c.Path))
			}
		}
	}
	a.lookAround(conf)
	if a.json {
		return a.emit(struct {
			Event   string `json:"event"`
			File    string `json:"file"`
			Stores  int    `json:"stores"`
			Jobs    int    `json:"jobs"`
			Notices int    `json:"notices"`
		}{"checked", path, len(conf.Stores), len(conf.Jobs), len(conf.Notices)})
	}
	if a.talks() {
		a.printf("%s is good: %s, %s, %s\n", quote(path), count(int64(len(conf.Stores)), "store", "stores"),
			count(int64(len(conf.Jobs)), "job", "jobs"), count(int64(len(conf.Notices)), "notice", "notices"))
	}
	return nil
}

func (a *app) configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print a JSON schema of the configuration file",
		Long:    `Print a JSON schema of the configuration file, with which editors complete and explain its keys.`,
		Example: `  varve config schema >varve.schema.json`,
		Args:    wants(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(append([]byte(strings.TrimRight(string(config.Schema()), "\n")), '\n'))
			return err
		},
	}
}

// jobError gives an error of a command about jobs the exit code that stands for it.
func jobError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return statusOf(jobCode(ctx, err), err)
}
