package adopt

import (
	"fmt"
	"strconv"
	"strings"

	"varve/internal/retention"
)

// Config is what a configuration of rsnapshot says about its snapshots.
type Config struct {
	// Root is the directory with the snapshots, absolute.
	Root string
	// Levels are the finest first.
	Levels []Level
	Points []Point
	// SyncFirst says that .sync is where rsnapshot collects the next snapshot.
	SyncFirst bool
	// LockFile is there while rsnapshot runs; empty where there is none.
	LockFile string
	// LeftOut are lines that would run a program whose output belongs to the configuration, as FILE:LINE: TEXT.
	LeftOut []string
}

// Level is a level of snapshots, such as "daily", and how many of them are kept.
type Level struct {
	Name  string
	Count int
}

// Point is one thing that is backed up.
type Point struct {
	// Source is a path, HOST:PATH, or a command where Script is set.
	Source string
	Script bool
	// Dest is the directory in a snapshot, without slashes at its ends.
	Dest string
	// Options are those of this point alone, as they stand there.
	Options string
}

// maxIncludes is how many files a configuration may include, one within the other.
const maxIncludes = 16

// ParseConfig reads the configuration of rsnapshot in the file name. read returns the content of a file, that one and what it includes.
// Nothing is run: includes in backticks are in LeftOut. What does not concern snapshots is not checked.
func ParseConfig(name string, read func(name string) ([]byte, error)) (*Config, error) {
	c := &Config{}
	err := c.file(name, read, 0)
	switch {
	case err != nil:
	case c.Root == "":
		err = fmt.Errorf("%s: no snapshot_root", name)
	case len(c.Levels) == 0:
		err = fmt.Errorf("%s: nothing to retain", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read rsnapshot configuration: %w", err)
	}
	return c, nil
}

// file reads one file.
func (c *Config) file(name string, read func(name string) ([]byte, error), depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: more than %d files include one another", name, maxIncludes)
	}
	text, err := read(name)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for n := 0; n < len(lines); n++ {
		at, line := n+1, lines[n]
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		for n+1 < len(lines) && continues(lines[n+1]) {
			n++
			line += "\t" + strings.TrimSpace(lines[n])
		}
		if err := c.line(strings.TrimSuffix(line, "\r"), name, at, read, depth); err != nil {
			return err
		}
	}
	return nil
}

// continues reports whether a line belongs to the one before it.
func continues(line string) bool {
	return line != "" && (line[0] == ' ' || line[0] == '\t') && strings.TrimSpace(line) != ""
}

// line reads one line.
func (c *Config) line(line, name string, at int, read func(name string) ([]byte, error), depth int) error {
	words := strings.FieldsFunc(strings.TrimRight(line, " "), func(r rune) bool { return r == '\t' })
	fail := func(why string) error { return fmt.Errorf("%s:%d: %q: %s", name, at, line, why) }
	if len(words) == 1 {
		if strings.ContainsAny(words[0], " ") {
			return fail("words must be separated by tabs")
		}
		return fail("a second word is missing")
	}
	if words[0] == "include_conf" {
		if strings.HasPrefix(words[1], "`") {
			c.LeftOut = append(c.LeftOut, fmt.Sprintf("%s:%d: %s", name, at, line))
			return nil
		}
		if err := c.file(words[1], read, depth+1); err != nil {
			return fmt.Errorf("%s:%d: %w", name, at, err)
		}
		return nil
	}
	if why := c.set(words); why != "" {
		return fail(why)
	}
	return nil
}

// set takes over the words of a line; it returns what is wrong with them.
func (c *Config) set(words []string) (why string) {
	switch words[0] {
	case "snapshot_root":
		if !strings.HasPrefix(words[1], "/") {
			return "not an absolute path"
		}
		c.Root = "/" + strings.Trim(words[1], "/")
	case "retain", "interval":
		return c.setLevel(words)
	case "backup", "backup_script":
		if len(words) < 3 {
			return "a third word is missing"
		}
		p := Point{Source: words[1], Script: words[0] == "backup_script", Dest: strings.Trim(words[2], "/")}
		if len(words) > 3 {
			p.Options = strings.Join(words[3:], "\t")
		}
		c.Points = append(c.Points, p)
	case "sync_first":
		c.SyncFirst = words[1] == "1"
	case "lockfile":
		c.LockFile = words[1]
	}
	return ""
}

// levelLetters are what names of levels are made of.
const levelLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

// setLevel reads "retain NAME COUNT".
func (c *Config) setLevel(words []string) (why string) {
	if len(words) < 3 {
		return "a third word is missing"
	}
	n, err := strconv.Atoi(words[2])
	if err != nil || n < 1 {
		return "not a number from 1"
	}
	if strings.Trim(words[1], levelLetters) != "" {
		return "not the name of a level"
	}
	for _, l := range c.Levels {
		if l.Name == words[1] {
			return "this level is there twice"
		}
	}
	c.Levels = append(c.Levels, Level{words[1], n})
	return ""
}

// Style is how this configuration names its snapshots. Series is the directory that all backup points share, such as "localhost", else
// "rsnapshot".
func (c *Config) Style() Style {
	s := Style{Series: "rsnapshot"}
	for _, l := range c.Levels {
		s.Levels = append(s.Levels, l.Name)
	}
	for i, p := range c.Points {
		first, _, _ := strings.Cut(p.Dest, "/")
		if i > 0 && first != s.Series || first == "" || first == "." {
			s.Series = "rsnapshot"
			break
		}
		s.Series = first
	}
	return s
}

// rules are the rules of a policy, the finest first, and the names of levels that say which one is meant.
var rules = [...]struct {
	names string // between blanks
	count func(p *retention.Policy) *int
}{
	{"", func(p *retention.Policy) *int { return &p.Last }},
	{" hour hourly hours ", func(p *retention.Policy) *int { return &p.Hourly }},
	{" day daily days nightly ", func(p *retention.Policy) *int { return &p.Daily }},
	{" week weekly weeks ", func(p *retention.Policy) *int { return &p.Weekly }},
	{" month monthly months ", func(p *retention.Policy) *int { return &p.Monthly }},
	{" year yearly years annual annually ", func(p *retention.Policy) *int { return &p.Yearly }},
}

// Policy proposes a policy that keeps by time what the levels keep by rotation. A level whose name tells a span, such as "weekly", keeps
// one snapshot of so many of them. Of others the first keeps the last snapshots, and each further one what is coarser than the level
// before: last, daily, weekly, monthly, yearly. Levels for which nothing coarser is left are returned.
func (c *Config) Policy() (p retention.Policy, left []Level) {
	const last, hourly, daily = 0, 1, 2
	next := last
	for _, l := range c.Levels {
		rule := next
		for i := range rules {
			if strings.Contains(rules[i].names, " "+strings.ToLower(l.Name)+" ") {
				rule = i
			}
		}
		if rule >= len(rules) {
			left = append(left, l)
			continue
		}
		count := rules[rule].count(&p)
		*count = max(*count, l.Count)
		next = max(rule+1, next)
		if next == hourly {
			next = daily
		}
	}
	return p, left
}
