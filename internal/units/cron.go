package units

import (
	"fmt"
	"strings"
)

// CronJob is a job in a crontab.
type CronJob struct {
	// Job is the name of the job.
	Job string
	// Fields are when it starts, five fields each.
	Fields []string
	// Words are the command: an absolute path of a program, and its arguments.
	Words []string
	// Env are variables of the command, as NAME=VALUE.
	Env []string
	// As is the user in a crontab of the system, such as /etc/crontab, which has that field; empty in a crontab of a user.
	As string
}

// more are the directories that cron leaves out of PATH, and programs for file systems and mail are in.
const more = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lines returns the lines of a job.
func (c *CronJob) lines() ([]string, error) {
	if err := checkJob(c.Job); err != nil {
		return nil, err
	}
	if len(c.Words) == 0 || !strings.HasPrefix(c.Words[0], "/") {
		return nil, fmt.Errorf("job %s: want the absolute path of a program", c.Job)
	}
	env, err := c.env()
	if err != nil {
		return nil, err
	}
	words, err := c.quoted(c.Words)
	if err != nil {
		return nil, err
	}
	run := `PATH="$PATH:` + more + `" ` + env + "nice -n 10 " + strings.Join(words, " ")
	run = strings.ReplaceAll(run, "%", `\%`)
	if len(run) > maxCommand {
		return nil, fmt.Errorf("job %s: its command has %d characters, and cron takes %d: use shorter paths", c.Job, len(run), maxCommand)
	}
	if c.As != "" {
		if control(c.As) || strings.ContainsAny(c.As, " %") {
			return nil, fmt.Errorf("job %s: %q is no user", c.Job, c.As)
		}
		run = c.As + " " + run
	}
	var lines []string
	for _, at := range c.Fields {
		if control(at) || len(strings.Fields(at)) != 5 {
			return nil, fmt.Errorf("job %s: %q are not the five fields of a crontab", c.Job, at)
		}
		lines = append(lines, at+" "+run)
	}
	return lines, nil
}

// maxCommand is how long a command may be, in bytes; Debian's cron cuts what is longer.
const maxCommand = 990

// env returns the variables of the command as a shell has them, each with a space after it.
func (c *CronJob) env() (string, error) {
	var b strings.Builder
	for _, assignment := range c.Env {
		name, value, found := strings.Cut(assignment, "=")
		if !found || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
			return "", fmt.Errorf("job %s: %q is no variable", c.Job, assignment)
		}
		words, err := c.quoted([]string{value})
		if err != nil {
			return "", err
		}
		b.WriteString(name + "=" + words[0] + " ")
	}
	return b.String(), nil
}

// quoted returns words as a shell has them.
func (c *CronJob) quoted(words []string) ([]string, error) {
	all := make([]string, len(words))
	for i, w := range words {
		if control(w) {
			return nil, fmt.Errorf("job %s: %q has control characters, which a crontab cannot have", c.Job, w)
		}
		if plain(w) {
			all[i] = w
			continue
		}
		all[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return all, nil
}
