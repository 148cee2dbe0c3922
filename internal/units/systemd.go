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
	"strings"
)

// Systemd is one that starts jobs: that of the system, or of a user.
type Systemd struct {
	// Dir is its directory for units.
	Dir string
	// Config is the name of the configuration file whose units are meant, as in Unit.
	Config string
	// User says that it is the user's own.
	User bool
	// Offline says that it does not run now: timers are enabled for the next time that it does.
	Offline bool
}

// Step is one thing that an installation does.
type Step struct {
	// Do is what is done: write, remove, enable, disable.
	Do string `json:"do"`
	// What is the path of a file, or the name of a unit.
	What string `json:"what"`
}

// String returns the step in words.
func (s Step) String() string { return s.Do + " " + s.What }

// Plan returns what Install would do for these units; nothing where all is as it should be.
func (s Systemd) Plan(all []Unit) ([]Step, error) {
	texts, err := render(s.Config, all)
	if err != nil {
		return nil, err
	}
	write, remove, err := compare(s.Dir, s.Config, texts)
	if err != nil {
		return nil, err
	}
	var steps []Step
	add := func(do string, names []string, full bool) {
		for _, name := range names {
			if full {
				name = filepath.Join(s.Dir, name)
			}
			steps = append(steps, Step{do, name})
		}
	}
	add("disable", timers(remove), false)
	add("write", write, true)
	add("remove", remove, true)
	add("enable", timers(write), false)
	return steps, nil
}

// Install writes the units of all jobs, removes ours of jobs that are not among them, and has systemd start the timers, also those that
// were written before. It returns what was done, as far as it came.
func (s Systemd) Install(ctx context.Context, all []Unit) ([]Step, error) {
	steps, err := s.Plan(all)
	if err != nil {
		return nil, err
	}
	var gone, fresh, wanted []string
	for _, step := range steps {
		switch step.Do {
		case "disable":
			gone = append(gone, step.What)
		case "enable":
			fresh = append(fresh, step.What)
		}
	}
	for i := range all {
		wanted = append(wanted, all[i].Timer())
	}
	if len(all) == 0 && len(steps) == 0 {
		return nil, nil
	}
	if err := s.tell(ctx, gone, "disable"); err != nil {
		return nil, err
	}
	if _, _, err := Install(s.Dir, s.Config, all); err != nil {
		return nil, err
	}
	if !s.Offline {
		if err := s.control(ctx, "daemon-reload"); err != nil {
			return steps, err
		}
	}
	if err := s.tell(ctx, wanted, "enable"); err != nil {
		return steps, err
	}
	if s.Offline {
		return steps, nil
	}
	return steps, s.tell(ctx, fresh, "restart") // one that ran before does not go by its new times otherwise
}

// Text returns the units of a job as they are written: first the service, then the timer.
func (s Systemd) Text(u *Unit) (paths, texts []string, err error) {
	all, err := render(s.Config, []Unit{*u})
	if err != nil {
		return nil, nil, err
	}
	for _, name := range sorted(all) {
		paths, texts = append(paths, filepath.Join(s.Dir, name)), append(texts, all[name])
	}
	return paths, texts, nil
}

// tell tells systemd to do something with some units, if there are any: at once, where it runs.
func (s Systemd) tell(ctx context.Context, units []string, verb string) error {
	if len(units) == 0 {
		return nil
	}
	args := []string{verb}
	if !s.Offline && verb != "restart" {
		args = append(args, "--now")
	}
	return s.control(ctx, append(args, units...)...)
}

// ErrSystemd says that systemd did not do what it was told.
var ErrSystemd = errors.New("systemd did not do that")

// control runs systemctl.
func (s Systemd) control(ctx context.Context, args ...string) error {
	if s.User {
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %w: %q", strings.Join(args, " "), ErrSystemd, err, bytes.TrimSpace(out))
	}
	return nil
}

// Configs returns the names of the configuration files that units are installed of, each once; an empty one for the usual file.
func (s Systemd) Configs() ([]string, error) {
	names, err := Installed(s.Dir)
	for i := range names {
		names[i] = configOf(names[i])
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// timers returns the names that are those of timers.
func timers(names []string) []string {
	var found []string
	for _, name := range names {
		if filepath.Ext(name) == ".timer" {
			found = append(found, name)
		}
	}
	return found
}

// Compare returns the names of the units that are installed as they should be, and of ours that no job has any more.
func (s Systemd) Compare(all []Unit) (fresh, left []string, err error) {
	texts, err := render(s.Config, all)
	if err != nil {
		return nil, nil, err
	}
	write, left, err := compare(s.Dir, s.Config, texts)
	if err != nil {
		return nil, nil, err
	}
	return slices.DeleteFunc(sorted(texts), func(name string) bool { return slices.Contains(write, name) }), left, nil
}
