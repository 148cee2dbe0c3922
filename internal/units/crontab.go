package units

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Crontab is what cron reads lines of ours from.
type Crontab struct {
	// File is its path, where it is a file of the system; empty for the user's own, which the program crontab keeps.
	File string
	// Config is the name of the configuration file whose lines are meant, as in Unit.
	Config string
}

// Usable reports whether there is such a crontab, or may be one: the directory of the file, or the program.
func (c Crontab) Usable() bool {
	if c.File != "" {
		_, err := os.Stat(filepath.Dir(c.File))
		return err == nil
	}
	_, err := exec.LookPath("crontab")
	return err == nil
}

// Lines returns the lines that jobs are to have.
func (c Crontab) Lines(jobs []CronJob) ([]string, error) {
	var all []string
	for i := range jobs {
		lines, err := jobs[i].lines()
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	return all, nil
}

// Configs returns the names of the configuration files that have lines there, each once; an empty one for the usual file.
func (c Crontab) Configs(ctx context.Context) ([]string, error) {
	text, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	all, err := blocks(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	var names []string
	for _, b := range all {
		names = append(names, b.config)
	}
	return names, nil
}

// Installed returns the lines of the configuration file that are there, without the marks; none where there is no such crontab.
func (c Crontab) Installed(ctx context.Context) ([]string, error) {
	text, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	lines, err := Ours(text, c.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	return lines, nil
}

// Plan returns what Install would do; nothing where all is as it should be.
func (c Crontab) Plan(ctx context.Context, jobs []CronJob) ([]Step, error) {
	want, err := c.Lines(jobs)
	if err != nil {
		return nil, err
	}
	have, err := c.Installed(ctx)
	switch {
	case err != nil:
		return nil, err
	case slices.Equal(want, have):
		return nil, nil
	case len(want) == 0:
		return []Step{{"remove", "lines of " + c.String()}}, nil
	}
	return []Step{{"write", "lines of " + c.String()}}, nil
}

// Install puts the lines of jobs in the place of those that are there; without jobs there are none left. It returns what was done.
func (c Crontab) Install(ctx context.Context, jobs []CronJob) ([]Step, error) {
	steps, err := c.Plan(ctx, jobs)
	if err != nil || len(steps) == 0 {
		return nil, err
	}
	if c.File != "" {
		_, err = EditFile(c.File, c.Config, jobs)
	} else {
		_, err = EditUser(ctx, c.Config, jobs)
	}
	if err != nil {
		return nil, err
	}
	return steps, nil
}

// String returns what the crontab is called.
func (c Crontab) String() string {
	if c.File == "" {
		return "the user's crontab"
	}
	return c.File
}

func (c Crontab) read(ctx context.Context) ([]byte, error) {
	if c.File == "" {
		return UserCrontab(ctx)
	}
	text, err := os.ReadFile(c.File)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return text, err
}

// EditFile is Edit of a crontab in a file, which others find as it was or as it is to be. It reports whether anything changed. A file that
// is missing is empty, and one that becomes empty is removed.
func EditFile(path, config string, jobs []CronJob) (bool, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	text, err := Edit(old, config, jobs)
	switch {
	case err != nil:
		return false, fmt.Errorf("%s: %w", path, err)
	case bytes.Equal(text, old):
		return false, nil
	case len(text) == 0:
		return true, os.Remove(path)
	}
	return true, replace(path, text)
}

// EditUser is Edit of the crontab of the user, through the program crontab.
func EditUser(ctx context.Context, config string, jobs []CronJob) (bool, error) {
	old, err := UserCrontab(ctx)
	if err != nil {
		return false, err
	}
	text, err := Edit(old, config, jobs)
	if err != nil || bytes.Equal(text, old) {
		return false, err
	}
	cmd := crontab(ctx, "-")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return false, fmt.Errorf("install crontab: %w: %q", err, bytes.TrimSpace(out))
	}
	return true, nil
}

// UserCrontab returns the crontab of the user; nothing where there is none.
func UserCrontab(ctx context.Context) ([]byte, error) {
	cmd := crontab(ctx, "-l")
	var words bytes.Buffer
	cmd.Stderr = &words
	text, err := cmd.Output()
	var status *exec.ExitError
	switch {
	case err == nil:
		return text, nil
	case errors.As(err, &status) && bytes.Contains(words.Bytes(), []byte("no crontab for")):
		return nil, nil
	}
	return nil, fmt.Errorf("read crontab: %w: %q", err, bytes.TrimSpace(words.Bytes()))
}

func crontab(ctx context.Context, arg string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "crontab", arg)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}
