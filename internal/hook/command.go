package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// ErrTimeout says that a command took longer than it may.
var ErrTimeout = errors.New("took too long and was ended")

// Command is a command and how it is run. One of Shell and Argv must be set.
type Command struct {
	// Name is what errors call the command; empty for the name of its program. It is not shown to the command.
	Name string
	// Shell is a line for /bin/sh.
	Shell string
	// Argv is a program and its arguments. A program without a slash is looked for in PATH.
	Argv []string
	// Remote is a command line that takes one more word and runs it on another machine with the shell of who logs in there, such as
	// ssh, -oBatchMode=yes, --, user@host. The command is run here where it is empty.
	Remote []string
	// User is who the command is run as; empty for who runs varve. Only root can name somebody else, and nobody can for another machine.
	User string
	// Timeout is how long the command may take; 0 for any time.
	Timeout time.Duration
	// Env are variables as NAME=VALUE that are added to the environment. What is no text for one line in a VALUE is made harmless.
	Env []string
	// Stdin is what the command can read.
	Stdin []byte

	grace time.Duration // between asking and forcing to end; 0 for defaultGrace
}

// defaultGrace is how long a command may take to end when it is asked to, and how long what it leaves in the background may keep its
// output open.
const defaultGrace = 5 * time.Second

// IsZero reports whether there is no command.
func (c Command) IsZero() bool { return c.Shell == "" && len(c.Argv) == 0 }

// Check returns an error where the command cannot be run whatever the machine: there is none, or two, or it contradicts itself.
func (c Command) Check() error {
	words := append(append([]string{c.Shell}, c.Argv...), append(c.Remote, c.Env...)...)
	switch {
	case c.IsZero():
		return errors.New("no command")
	case c.Shell != "" && len(c.Argv) > 0:
		return errors.New("both a line for the shell and a list of words")
	case c.Shell == "" && c.Argv[0] == "":
		return errors.New("the name of the program is empty")
	case len(c.Remote) > 0 && c.User != "":
		return errors.New("on another machine the user is who logs in there")
	case c.Timeout < 0:
		return errors.New("the time that it may take is negative")
	case strings.ContainsRune(strings.Join(words, ""), 0):
		return errors.New("a word of it holds a NUL")
	}
	for _, v := range c.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || !isName(name) {
			return fmt.Errorf("%q is not NAME=VALUE", v)
		}
	}
	return nil
}

// isName reports whether every shell takes name for that of a variable.
func isName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return name != "" && strings.Trim(name, letters+"0123456789") == "" && strings.Contains(letters, name[:1])
}

// label is what errors call the command.
func (c Command) label() string {
	switch {
	case c.Name != "":
		return Line(c.Name)
	case c.Shell != "" || c.IsZero():
		return "shell command"
	}
	return Line(c.Argv[0])
}

// words returns what is started here.
func (c Command) words() []string {
	words := c.Argv
	if c.Shell != "" {
		words = []string{"/bin/sh", "-c", c.Shell}
	}
	if len(c.Remote) == 0 {
		return words
	}
	there := []string{"env"}
	for _, v := range c.Env {
		there = append(there, oneLine(v))
	}
	return append(append([]string{}, c.Remote...), quote(append(there, words...)))
}

// quote returns a line that a shell takes apart into words again.
func quote(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

// prepare returns the command ready to be started. It ends with ctx.
func (c Command) prepare(ctx context.Context) (*exec.Cmd, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	who, err := c.owner()
	if err != nil {
		return nil, err
	}
	words := c.words()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = "/"
	cmd.Env = environment(os.Environ(), who)
	if len(c.Remote) == 0 {
		for _, v := range c.Env {
			cmd.Env = append(cmd.Env, oneLine(v))
		}
	}
	cmd.WaitDelay = defaultGrace
	if c.grace > 0 {
		cmd.WaitDelay = c.grace
	}
	return cmd, apart(cmd, who)
}

// within returns a context that ends after the command's time.
func (c Command) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.Timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("%w after %v", ErrTimeout, c.Timeout))
}

// outcome returns why a command that was run within ctx failed: because it was ended, else what status says and the last of its words.
// It is nil where it succeeded.
func (c Command) outcome(ctx context.Context, status error, words string) error {
	switch {
	case status == nil, errors.Is(status, exec.ErrWaitDelay) && ctx.Err() == nil:
		return nil // in the second case what it left in the background held on to its output
	case ctx.Err() != nil:
		return c.fault(context.Cause(ctx), words)
	}
	return c.fault(status, words)
}

// fault returns err with the name of the command, and the last lines that it wrote.
func (c Command) fault(err error, words string) error {
	if last := LastLines(words, 3); last != "" {
		return fmt.Errorf("%s: %w: %s", c.label(), err, last)
	}
	return fmt.Errorf("%s: %w", c.label(), err)
}
