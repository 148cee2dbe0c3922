package job

import (
	"fmt"
	"hash/fnv"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"varve/internal/config"
	"varve/internal/location"
	"varve/internal/schedule"
	"varve/internal/units"
)

// Starter says how jobs are started when nobody is there. Whatever starts them asks varve what is due, at the times of the schedules and in
// between. So there is one answer to that question: what failed is tried again, what was missed is made up for, and what is overdue is told,
// as the daemon does it.
type Starter struct {
	// Program and Config are the absolute paths of varve and of the configuration file.
	Program, Config string
	// Name tells the units of the configuration file from those of others: see units.ConfigName; empty for the usual one.
	Name string
	// User says that it is done by what a user has of his own.
	User bool
	// As is the user in a crontab that has that field; empty in others.
	As string
	// State and Cache are the directories of what is remembered; empty for those that varve takes by itself, or systemd gives it.
	State, Cache string
	// Host spreads machines that use the same configuration over the hour.
	Host string
}

// askEvery returns how often varve is asked whether a job is due, besides at the times of its schedule. A span that counts from the last
// run has no such times.
func askEvery(s schedule.Schedule) time.Duration {
	span := s.Every()
	for _, often := range [...]time.Duration{time.Hour, 30 * time.Minute, 15 * time.Minute, 5 * time.Minute} {
		if span == 0 || span >= 8*often {
			return often
		}
	}
	return time.Minute
}

// Units returns what starts the jobs that have a schedule under systemd.
func (s Starter) Units(c *config.Config) ([]units.Unit, error) {
	var all []units.Unit
	for _, j := range c.Jobs {
		if j.Schedule.Never() {
			continue
		}
		u, err := s.unit(c, j)
		if err == nil {
			err = u.Check()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

func (s Starter) unit(c *config.Config, j *config.Job) (units.Unit, error) {
	often := askEvery(j.Schedule)
	u := units.Unit{Job: j.Name, Config: s.Name, Words: s.words(j.Name), User: s.User, State: s.State, Cache: s.Cache, Delay: often / 10}
	if j.Schedule.Every() == 0 {
		times, err := j.Schedule.OnCalendar()
		if err != nil {
			return u, fmt.Errorf("job %s: %w", j.Name, err)
		}
		u.Calendar = times
	}
	minutes := "00"
	if often < time.Hour {
		minutes = fmt.Sprintf("0/%d", often/time.Minute)
	}
	u.Calendar = append(u.Calendar, "*-*-* *:"+minutes+":00")
	slices.Sort(u.Calendar)
	u.Calendar = slices.Compact(u.Calendar)
	u.Sources = []string{s.Config}
	if err := ofJob(&u, j); err != nil {
		return u, err
	}
	for _, name := range j.Stores {
		if store := c.Store(name); store != nil {
			if err := ofStore(&u, store); err != nil {
				return u, err
			}
		}
	}
	for _, n := range c.Notices { // a run tells of what is overdue, whichever job that is
		ofNotice(&u, n)
	}
	return u, nil
}

// words returns the command that asks what is due of some jobs, or of all.
func (s Starter) words(jobs ...string) []string {
	return append([]string{s.Program, "run", "--due", "--config", s.Config}, jobs...)
}

// ofJob enters what a job needs by itself.
func ofJob(u *units.Unit, j *config.Job) error {
	for _, source := range j.Sources {
		at, err := location.Parse(source)
		if err != nil {
			return fmt.Errorf("job %s: %w", j.Name, err)
		}
		if at.Scheme == location.Local {
			u.Sources = append(u.Sources, at.Path)
		} else {
			u.Far = true
		}
	}
	u.Sources = slices.Concat(u.Sources, j.ExcludeFrom, j.Guard.Marker)
	u.Mounted = append(u.Mounted, j.Guard.Mounted...)
	u.Freeze = j.Snapshot != config.None
	u.Devices = j.Snapshot == config.LVM || j.Snapshot == config.ZFS
	h := &j.Hook
	for _, call := range []config.Call{h.Before, h.After, h.Failed, h.Finally} {
		u.Commands = u.Commands || !call.IsZero()
	}
	u.Commands = u.Commands || len(j.Commands) > 0
	return nil
}

// ofStore enters what a store needs.
func ofStore(u *units.Unit, s *config.Store) error {
	at, err := location.Parse(s.Place)
	if err != nil {
		return fmt.Errorf("store %s: %w", s.Name, err)
	}
	if at.Scheme == location.Local {
		u.Writable = append(u.Writable, at.Path)
		u.Tree = u.Tree || s.Kind != config.Vault
	} else {
		u.Far = true
	}
	for _, p := range []string{s.Marker, s.PassphraseFile, s.KeyFile} {
		if p != "" {
			u.Sources = append(u.Sources, p)
		}
	}
	if s.Mounted != "" {
		u.Mounted = append(u.Mounted, s.Mounted)
	}
	u.Commands = u.Commands || !s.PassphraseCommand.IsZero()
	return nil
}

// ofNotice enters what telling people needs.
func ofNotice(u *units.Unit, n *config.Notice) {
	switch n.Kind {
	case config.Mail:
		u.Network = u.Network || n.SMTP != ""
		u.Commands = u.Commands || n.SMTP == "" // the machine's own mail system, which is more than one program
	case config.Webhook, config.Ntfy, config.Ping:
		u.Network = true
	case config.Program:
		u.Commands = true
	case config.Prometheus:
		u.Writable = append(u.Writable, filepath.Dir(n.Path))
	}
	for _, p := range []string{n.SMTPPasswordFile, n.URLFile, n.TokenFile} {
		if p != "" {
			u.Sources = append(u.Sources, p)
		}
	}
}

// Cron returns what starts the jobs that have a schedule under cron. One command asks for all of them, so that they run one after another.
func (s Starter) Cron(c *config.Config) []units.CronJob {
	var fields []string
	often := time.Duration(0)
	for _, j := range c.Jobs {
		if j.Schedule.Never() {
			continue
		}
		if ask := askEvery(j.Schedule); often == 0 || ask < often {
			often = ask
		}
		if times, err := j.Schedule.Cron(); err == nil && j.Schedule.Every() == 0 {
			fields = append(fields, times...)
		}
	}
	if often == 0 {
		return nil
	}
	fields = append(fields, s.between(often))
	slices.Sort(fields)
	return []units.CronJob{{Job: "all", Fields: slices.Compact(fields), Words: append(s.words(), "--cron"), Env: s.env(), As: s.As}}
}

// env returns the variables that say where things are remembered.
func (s Starter) env() []string {
	var env []string
	if s.State != "" {
		env = append(env, "VARVE_STATE_DIR="+s.State)
	}
	if s.Cache != "" {
		env = append(env, "VARVE_CACHE_DIR="+s.Cache)
	}
	return env
}

// between returns the fields of a crontab for every hour, or every so many minutes. Machines have other minutes than their neighbours.
func (s Starter) between(often time.Duration) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Host + "\x00" + s.Config)) // which cannot fail
	step := uint32(often / time.Minute)
	switch first := h.Sum32() % step; {
	case step == 60:
		return fmt.Sprintf("%d * * * *", first)
	case step == 1:
		return "* * * * *"
	default:
		var minutes []string
		for m := first; m < 60; m += step {
			minutes = append(minutes, fmt.Sprint(m))
		}
		return strings.Join(minutes, ",") + " * * * *"
	}
}

// Unattended returns a reason why a store may not open when nobody is there; empty where all is said that opens it.
func Unattended(s *config.Store) string {
	if s.Kind != config.Vault || s.PassphraseFile != "" || s.KeyFile != "" || !s.PassphraseCommand.IsZero() {
		return ""
	}
	return "it is a vault, and none of passphrase-file, passphrase-command and key-file says what opens it"
}
