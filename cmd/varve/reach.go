package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/ssh"
)

// reachFlags say how other machines are reached.
type reachFlags struct {
	command     string
	connections int
	program     string

	words []string // of the ssh command, once checked
}

// maxConnections is how many sessions with one server may be asked for.
const maxConnections = 64

// add gives the program the flags.
func (r *reachFlags) add(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&r.command, "ssh", "", "reach other machines with this ssh `COMMAND` line (default $VARVE_SSH, or ssh)")
	flags.IntVar(&r.connections, "connections", 0, "have up to `N` sessions with an SFTP server at once (default 4)")
	flags.StringVar(&r.program, "remote-varve", "", "the `PROGRAM` that is varve on the machine of ssh://HOST/DIR (default varve)")
}

// check reads what needs reading.
func (r *reachFlags) check(a *app) (err error) {
	if r.connections < 0 || r.connections > maxConnections {
		return usagef("--connections %d: want a number from 1 to %d", r.connections, maxConnections)
	}
	command, origin := r.command, "--ssh"
	if command == "" {
		command, origin = a.env("VARVE_SSH"), "VARVE_SSH"
	}
	if command == "" {
		return nil
	}
	if r.words, err = ssh.SplitCommand(command); err != nil {
		return usage(fmt.Errorf("%s: %w", origin, err))
	}
	return nil
}

// reach returns how other machines are reached.
func (r *reachFlags) reach(a *app) location.Reach {
	return location.Reach{SSH: r.words, Interactive: a.errTTY && a.canAsk(), Connections: r.connections, Program: r.program, Version: program(),
		Warn: a.gotOver, Stopped: a.stopped, Dialled: func() { debug.SetMemoryLimit(farHeap) }}
}

// gotOver tells whoever watches what went wrong with a connection and is being mended. Once all is well nobody else needs to know, and where
// it does not get well there is an error.
func (a *app) gotOver(err error) {
	if a.verbose > 0 || a.errTTY && !a.quiet {
		a.warn("%s", describe(err))
	}
}
