package units

import (
	"bytes"
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

// The marks around our lines.
const (
	begin = "# BEGIN varve"
	end   = "# END varve"
)

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

// Edit returns a crontab with the lines of jobs in the place of our earlier ones, or at its end; without jobs there are none of ours. All
// other lines stay as they are; a last one without a newline gets one. A crontab in which our marks are not one pair is an error.
func Edit(old []byte, jobs []CronJob) ([]byte, error) {
	before, after, err := around(old)
	if err != nil {
		return nil, err
	}
	var block bytes.Buffer
	for i := range jobs {
		lines, err := jobs[i].lines()
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			block.WriteString(l + "\n")
		}
	}
	if block.Len() == 0 {
		return append(append([]byte{}, before...), after...), nil
	}
	var b bytes.Buffer
	b.Write(before)
	if len(before) > 0 && before[len(before)-1] != '\n' {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s\n%s%s\n", begin, &block, end)
	b.Write(after)
	return b.Bytes(), nil
}

// Ours returns our lines of a crontab, without the marks.
func Ours(crontab []byte) ([]string, error) {
	before, after, err := around(crontab)
	if err != nil {
		return nil, err
	}
	ours := strings.Split(strings.TrimSuffix(string(crontab[len(before):len(crontab)-len(after)]), "\n"), "\n")
	if len(ours) < 2 {
		return nil, nil
	}
	return ours[1 : len(ours)-1], nil
}

// around returns what stands before and after our lines with their marks; all stands before where there are none.
func around(text []byte) (before, after []byte, err error) {
	start, stop, at := -1, -1, 0
	for line := range bytes.Lines(text) {
		switch next := at + len(line); string(bytes.TrimRight(line, "\r\n")) {
		case begin:
			if start >= 0 {
				return nil, nil, errMarks
			}
			start = at
		case end:
			if start < 0 || stop >= 0 {
				return nil, nil, errMarks
			}
			stop = next
		}
		at += len(line)
	}
	switch {
	case start < 0:
		return text, nil, nil
	case stop < 0:
		return nil, nil, errMarks
	}
	return text[:start], text[stop:], nil
}

// errMarks says that nobody can tell which lines are ours.
var errMarks = fmt.Errorf("the lines %q and %q of the crontab are not one pair: mend it by hand", begin, end)
