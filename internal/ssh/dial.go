package ssh

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// Options of Dial. The zero value is right for a job that runs unattended.
type Options struct {
	// Command is the program with its first arguments; {"ssh"} where empty. It must take the options of OpenSSH's ssh.
	Command []string
	// Interactive allows ssh to ask on the terminal.
	Interactive bool
	// Grace is how long ssh may take to end by itself, and again after it was asked to end; 2 s where 0.
	Grace time.Duration
	// Stopped, where set, is closed when the program is to end: from then on ssh is ended once the other side has been silent for a
	// second and a half.
	Stopped <-chan struct{}
}

// settings are what varve asks of ssh, whatever its configuration says.
var settings = []string{
	"-T", "-a", "-x", "-e", "none",
	"-o", "ClearAllForwardings=yes",
	"-o", "RemoteCommand=none",
	"-o", "ConnectTimeout=30",
	"-o", "ServerAliveInterval=15",
	"-o", "ServerAliveCountMax=3",
}

// noQuestions keeps ssh from opening a window to ask in.
const noQuestions = "SSH_ASKPASS_REQUIRE=never"

// Dial starts ssh to t and lets it run s there. That ssh runs says nothing yet about the other side: what is wrong with it is the
// error of the first Read. ctx is for starting alone. An error of Dial says that t or the command is not usable.
func Dial(ctx context.Context, t Target, s Service, o Options) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	words, err := arguments(t, s, o)
	if err != nil {
		return nil, err
	}
	program := "ssh"
	if len(o.Command) > 0 {
		program, words = o.Command[0], append(o.Command[1:len(o.Command):len(o.Command)], words...)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	cmd := apart(path, words)
	if o.Interactive {
		cmd = sharing(path, words)
	}
	if o.Grace <= 0 {
		o.Grace = 2 * time.Second
	}
	return start(t, cmd, o)
}

// arguments returns ssh's arguments.
func arguments(t Target, s Service, o Options) ([]string, error) {
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	words, subsystem, err := s.words()
	if err != nil {
		return nil, err
	}
	args := append([]string{}, settings...)
	if !o.Interactive {
		args = append(args, "-o", "BatchMode=yes")
	}
	if t.Port != 0 {
		args = append(args, "-p", strconv.Itoa(t.Port))
	}
	if t.User != "" {
		args = append(args, "-l", t.User)
	}
	if subsystem {
		args = append(args, "-s")
	}
	args = append(args, "--", t.Host)
	return append(args, words...), nil
}
