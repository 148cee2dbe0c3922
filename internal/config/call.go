package config

import (
	"errors"
	"reflect"
	"time"

	"varve/internal/retention"

	"varve/internal/ssh"
)

// Words are a command as it is started: a line for the shell, or a program and its arguments. At most one of the two is set.
type Words struct {
	Shell string
	Argv  []string
}

// IsZero reports whether there is no command.
func (w Words) IsZero() bool { return w.Shell == "" && len(w.Argv) == 0 }

// Args returns the program and its arguments, the shell being /bin/sh; none where there is no command.
func (w Words) Args() []string {
	if w.Shell != "" {
		return []string{"/bin/sh", "-c", w.Shell}
	}
	return w.Argv
}

// decode reads a line or a list of words. Both may be empty: that turns off a default.
func (w *Words) decode(d *decoder, n *node) {
	switch n.kind {
	case aString:
		d.text(n, reflect.ValueOf(&w.Shell).Elem())
	case aList:
		w.Argv = d.texts(n)
	default:
		d.fault(n, "want a line for the shell or a list of words, got %s", n.kind)
	}
	if len(w.Argv) > 0 && w.Argv[0] == "" {
		d.fault(n, "the name of the program is empty")
	}
}

// The times after which commands are ended that do not say how long they may take.
const (
	hookTimeout    = Span(time.Hour)
	outputTimeout  = Span(24 * time.Hour)
	programTimeout = Span(time.Minute)
)

// Call is a command and how it is run.
type Call struct {
	// Run is the command: a line for the shell or a list of words.
	Run Words `toml:"run" required:"true"`
	// On is the machine that it is run on, as ssh names it: host or user@host. The default is this one.
	On string `toml:"on"`
	// User is who it is run as. The default is who runs varve.
	User string `toml:"user"`
	// Timeout is how long it may take. The default is 1h for hooks, 1d for the output of commands, 1m for notices.
	Timeout Span `toml:"timeout"`
}

// IsZero reports whether there is no command.
func (c Call) IsZero() bool { return c.Run.IsZero() }

// decode reads a command alone, or a table.
func (c *Call) decode(d *decoder, n *node) {
	if n.kind != aTable {
		c.Run.decode(d, n)
		return
	}
	d.fields(n, c)
	d.checkCall(n, c)
}

// checkCall finds what is wrong with a command in the table n.
func (d *decoder) checkCall(n *node, c *Call) {
	if at := n.table["timeout"]; at != nil && c.Timeout == 0 {
		d.fault(at, "want a time that is longer than none")
	}
	if run := n.table["run"]; run != nil && c.IsZero() {
		d.fault(run, "the command is empty")
	}
	if at := n.table["on"]; at != nil {
		d.check(at, checkMachine(c.On))
	}
	if at := n.table["user"]; at != nil {
		d.check(at, checkUser(c.User))
		if c.On != "" {
			d.fault(at, "on another machine the command is run as who logs in there: write on = \"user@host\"")
		}
	}
}

// Command is a program whose output is saved as a file.
type Command struct {
	// Path is where the file is in the snapshot: an absolute path.
	Path string `toml:"path" required:"true"`
	Call
}

// decode reads a table.
func (c *Command) decode(d *decoder, n *node) {
	if n.kind != aTable {
		d.fault(n, "want a table with path and run, got %s", n.kind)
		return
	}
	d.fields(n, c)
	d.checkCall(n, &c.Call)
	if at := n.table["path"]; at != nil {
		d.check(at, checkFilePath(c.Path))
	}
	if c.Timeout == 0 {
		c.Timeout = outputTimeout
	}
}

// Line is a command line that is started without a shell. A text is split into words as ssh's own configuration does it.
type Line []string

// decode reads a line or a list of words.
func (l *Line) decode(d *decoder, n *node) {
	switch n.kind {
	case aString:
		args, err := ssh.SplitCommand(n.text)
		d.check(n, err)
		*l = args
	case aList:
		*l = d.texts(n)
		if len(*l) == 0 || (*l)[0] == "" {
			d.check(n, errors.New("the name of the program is empty"))
		}
	default:
		d.fault(n, "want a command line or a list of words, got %s", n.kind)
	}
}

// decode reads a number or "unlimited".
func (c *Count) decode(d *decoder, n *node) {
	count, err := n.integer()
	switch {
	case n.kind == aString && n.text == "unlimited":
		*c = retention.Unlimited
	case err != nil || count < 0 || count > maxCount:
		d.fault(n, "want a number from 0, or \"unlimited\"")
	default:
		*c = Count(count)
	}
}

// maxCount is the largest number of snapshots that can be kept without keeping all.
const maxCount = 1_000_000_000
