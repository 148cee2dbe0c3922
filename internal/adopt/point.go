package adopt

import (
	"path"
	"strings"
)

// Host is the name of the machine that a point is on; empty for this one, and for the output of a command.
func (p Point) Host() string {
	host, _, far := p.split()
	if !far {
		return ""
	}
	return host
}

// Path is the absolute path of a point on its machine; empty for the output of a command, and for a module of an rsync daemon.
func (p Point) Path() string {
	_, at, _ := p.split()
	if p.Script || !strings.HasPrefix(at, "/") {
		return ""
	}
	return path.Clean(at)
}

// split splits a source as rsync does: [USER@]HOST:PATH, [USER@]HOST::MODULE, rsync://[USER@]HOST[:PORT]/MODULE, or a path.
func (p Point) split() (host, at string, far bool) {
	if p.Script {
		return "", "", false
	}
	if rest, ok := strings.CutPrefix(p.Source, "rsync://"); ok {
		host, _, _ = strings.Cut(rest, "/")
		host, _, _ = strings.Cut(host[strings.LastIndexByte(host, '@')+1:], ":")
		return host, "", true
	}
	host, at, far = strings.Cut(p.Source, ":")
	if !far || strings.Contains(host, "/") {
		return "", p.Source, false
	}
	return host[strings.LastIndexByte(host, '@')+1:], at, true
}

// Splits reports whether the directories in a snapshot are those of several things that were backed up, such as hosts, each with its files
// under their full paths, and not those of the files themselves.
func (c *Config) Splits() bool {
	for _, p := range c.Points {
		if first, _, _ := strings.Cut(p.Dest, "/"); first == "" || first == "." {
			return false
		}
	}
	return true
}

// Of returns the points whose files lie in one directory of a snapshot.
func (c *Config) Of(dir string) (list []Point) {
	for _, p := range c.Points {
		if first, _, _ := strings.Cut(p.Dest, "/"); first == dir {
			list = append(list, p)
		}
	}
	return list
}
