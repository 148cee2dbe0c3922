package units

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	words := make([]string, len(c.Words))
	for i, w := range c.Words {
		if control(w) {
			return nil, fmt.Errorf("job %s: %q has control characters, which a crontab cannot have", c.Job, w)
		}
		words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	run := `PATH="$PATH:` + more + `" nice -n 10 ` + strings.Join(words, " ")
	run = strings.ReplaceAll(run, "%", `\%`)
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

// EditFile is Edit of a crontab in a file, which others find as it was or as it is to be. It reports whether anything changed. A file that
// is missing is empty, and one that becomes empty is removed.
func EditFile(path string, jobs []CronJob) (bool, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	text, err := Edit(old, jobs)
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
func EditUser(ctx context.Context, jobs []CronJob) (bool, error) {
	old, err := UserCrontab(ctx)
	if err != nil {
		return false, err
	}
	text, err := Edit(old, jobs)
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
