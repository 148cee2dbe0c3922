// Command bench measures varve beside the programs it is compared with: the same data, in turn, each on a file system made fresh.
//
// Some programs keep plain files, as varve does in a tree, and some sealed objects, as it does in a vault; each is compared with varve
// of its kind. For every data set and round the steps are first, unchanged, change, list, restore, verify and forget. Each program
// does one step before any does the next, and leaves out what it has no command for. Medians of wall time, CPU time, peak memory and
// space are printed, with the ratio of varve to every other program and, where there is one, the ratio to reach.
//
// Not for: deciding whether a change is good. It exits with 0 whatever the figures say; figures of one machine on one day only
// compare with one another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Exit codes; those of the measured programs do not matter to them.
const (
	exitGood        = 0
	exitFailed      = 1
	exitUsage       = 64
	exitInterrupted = 130
)

// options are what the command line says.
type options struct {
	sets   []string
	peers  []string
	rounds int
	scale  float64
	dir    string // where the work directory is made; "" stands for the system's temporary directory
	varve  string // the binary
	keep   bool   // leave the last round's file systems and the data
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == measureArg {
		return measureChild(args[1:])
	}
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitGood
	case err != nil:
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = bench(ctx, opts, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return exitGood
}

// parse reads the command line; what is wrong with it has been printed when it returns an error.
func parse(args []string, stderr io.Writer) (options, error) {
	opts := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	sets := flags.String("sets", strings.Join(setNames(), ","), "data `sets` to use")
	peers := flags.String("peers", strings.Join(peerNames(), ","), "`programs` to measure; those not installed are left out")
	flags.IntVar(&opts.rounds, "rounds", 3, "how often to go through all steps; medians are printed")
	flags.Float64Var(&opts.scale, "scale", 1, "size of the data sets; 1 is the full size")
	flags.StringVar(&opts.dir, "dir", "", "`directory` for data and file systems, on a real disk; a temporary one by default")
	flags.StringVar(&opts.varve, "varve", filepath.Join("bin", "varve"), "the varve `binary`")
	flags.BoolVar(&opts.keep, "keep", false, "leave the data and the file systems of the last round, mounted")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	opts.sets, opts.peers = split(*sets), split(*peers)
	err := opts.check(flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return opts, err
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// check says what is wrong with the options, and makes the path of the binary absolute.
func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if err := known("data set", o.sets, setNames()); err != nil {
		return err
	}
	if err := known("program", o.peers, peerNames()); err != nil {
		return err
	}
	if o.rounds < 1 || o.rounds > 100 {
		return fmt.Errorf("-rounds %d: want 1 to 100", o.rounds)
	}
	if !(o.scale > 0 && o.scale <= 10) { // so written that it refuses NaN
		return fmt.Errorf("-scale %g: want more than 0, at most 10", o.scale)
	}
	abs, err := filepath.Abs(o.varve)
	o.varve = abs
	return err
}

func known(what string, words, all []string) error {
	if len(words) == 0 {
		return fmt.Errorf("no %s given", what)
	}
	seen := map[string]bool{}
	for _, w := range words {
		if !slices.Contains(all, w) {
			return fmt.Errorf("unknown %s %q: there are %s", what, w, strings.Join(all, ", "))
		}
		if seen[w] {
			return fmt.Errorf("%s %q is given twice", what, w)
		}
		seen[w] = true
	}
	return nil
}
