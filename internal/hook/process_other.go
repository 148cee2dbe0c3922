//go:build !unix

package hook

import (
	"errors"
	"os/exec"
)

// owner finds out who the command is run as.
func (c Command) owner() (owner, error) {
	if c.User != "" {
		return owner{}, errors.New("commands cannot be run as another user on this system")
	}
	return owner{}, nil
}

// apart leaves cmd as it is: it is ended by force alone.
func apart(*exec.Cmd, owner) error { return nil }

// kill does nothing: cmd has ended.
func kill(*exec.Cmd) {}
