package units

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// The marks around our lines. After them, and a space, stands the name of the configuration file, unless that is the usual one.
const (
	begin = "# BEGIN varve"
	end   = "# END varve"
)

// block is where the lines of one configuration file stand in a crontab, with their marks: from start to before stop.
type block struct {
	config      string
	start, stop int
}

// Edit returns a crontab with the lines of jobs in the place of the earlier ones of their configuration file, or at its end; without jobs
// there are none of it. All other lines stay as they are; a last one without a newline gets one. A crontab in which our marks are not in
// pairs is an error.
func Edit(old []byte, config string, jobs []CronJob) ([]byte, error) {
	if config != "" && !isConfig(config) {
		return nil, fmt.Errorf("%q is no name of a configuration file", config)
	}
	before, after, err := around(old, config)
	if err != nil {
		return nil, err
	}
	var inside bytes.Buffer
	for i := range jobs {
		lines, err := jobs[i].lines()
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			inside.WriteString(l + "\n")
		}
	}
	if inside.Len() == 0 {
		return append(append([]byte{}, before...), after...), nil
	}
	var b bytes.Buffer
	b.Write(before)
	if len(before) > 0 && before[len(before)-1] != '\n' {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s\n%s%s\n", mark(begin, config), &inside, mark(end, config))
	b.Write(after)
	return b.Bytes(), nil
}

// Ours returns the lines of a configuration file in a crontab, without the marks.
func Ours(crontab []byte, config string) ([]string, error) {
	before, after, err := around(crontab, config)
	if err != nil {
		return nil, err
	}
	ours := strings.Split(strings.TrimSuffix(string(crontab[len(before):len(crontab)-len(after)]), "\n"), "\n")
	if len(ours) < 2 {
		return nil, nil
	}
	return ours[1 : len(ours)-1], nil
}

// around returns what stands before and after the lines of a configuration file with their marks; all stands before where there are none.
func around(text []byte, config string) (before, after []byte, err error) {
	all, err := blocks(text)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		if b.config == config {
			return text[:b.start], text[b.stop:], nil
		}
	}
	return text, nil, nil
}

// blocks returns where our lines are: one block for each configuration file.
func blocks(text []byte) (all []block, err error) {
	at, open := 0, false
	for line := range bytes.Lines(text) {
		next := at + len(line)
		if config, ok := marked(line, begin); ok {
			if open || slices.ContainsFunc(all, func(b block) bool { return b.config == config }) {
				return nil, errMarks
			}
			all, open = append(all, block{config: config, start: at}), true
		}
		if config, ok := marked(line, end); ok {
			if !open || all[len(all)-1].config != config {
				return nil, errMarks
			}
			all[len(all)-1].stop, open = next, false
		}
		at = next
	}
	if open {
		return nil, errMarks
	}
	return all, nil
}

// mark returns a mark of a configuration file.
func mark(begin, config string) string {
	if config == "" {
		return begin
	}
	return begin + " " + config
}

// marked reports whether a line is a mark, and returns the name of the configuration file.
func marked(line []byte, begin string) (config string, ok bool) {
	rest, ok := strings.CutPrefix(string(bytes.TrimRight(line, "\r\n")), begin)
	if !ok || rest == "" {
		return "", ok
	}
	config, ok = strings.CutPrefix(rest, " ")
	return config, ok && isConfig(config)
}

// errMarks says that nobody can tell which lines are ours.
var errMarks = fmt.Errorf("the lines that begin with %q and %q are not in pairs: mend the crontab by hand", begin, end)
