// Command bench measures varve beside the programs it is compared with: the same data, in turn, each on a file system made fresh.
//
// Some programs keep plain files, as varve does in a tree, and some sealed objects, as it does in a vault; each is compared with varve
// of its kind. For every data set and round the steps are first, unchanged, change, list, restore, verify and forget. Each program
// does one step before any does the next, and leaves out what it has no command for. Medians of wall time, CPU time, peak memory and
// space are printed, with the ratio of varve to every other program and, where there is one, the ratio to reach.
//
// With -far the programs reach their source or their store over ssh: through an sshd that is started for it on the loopback interface, and
// through a line that makes every round trip so much longer. The steps are those that make backups, and after them it is looked
// whether varve's snapshot is the source. The data set is called after what is done with it: pull, push or vault.
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
	"time"
)

// Exit codes; those of the measured programs do not matter to them.
const (
	exitGood        = 0
	exitFailed      = 1
	exitUsage       = 64
	exitInterrupted = 130
)

// maxTrip is the longest round trip that can be asked for.
const maxTrip = 10 * time.Second

// options are what the command line says.
type options struct {
	sets   []string
	peers  []string
	rounds int
	scale  float64
	dir    string          // where the work directory is made; "" stands for the system's temporary directory
	varve  string          // the binary
	keep   bool            // leave the last round's file systems and the data
	far    []time.Duration // how long a round trip to the far side takes, one after the other; none where all is on this machine
	limit  time.Duration   // the longest that a step may take
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
	sets := flags.String("sets", "", "data `sets` to use, of "+choice(setNames(), jobNames()))
	peers := flags.String("peers", "", "`programs` to measure, of "+choice(peerNames(), farNames())+"; those not installed are left out")
	far := flags.String("far", "", "back up over ssh, with round trips that take so much longer: `durations` such as 0,20ms")
	flags.DurationVar(&opts.limit, "limit", 0, "the longest that a step may take; by default an hour, and 10 minutes with -far")
	flags.IntVar(&opts.rounds, "rounds", 3, "how often to go through all steps; medians are printed")
	flags.Float64Var(&opts.scale, "scale", 1, "size of the data sets; 1 is the full size")
	flags.StringVar(&opts.dir, "dir", "", "`directory` for data and file systems, on a real disk; a temporary one by default")
	flags.StringVar(&opts.varve, "varve", filepath.Join("bin", "varve"), "the varve `binary`")
	flags.BoolVar(&opts.keep, "keep", false, "leave the data and the file systems of the last round, mounted")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	err := opts.choose(flags, *far, *sets, *peers)
	if err == nil {
		err = opts.check(flags.Args())
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return opts, err
}

// choice writes the words for this machine, and those for -far.
func choice(here, far []string) string {
	return strings.Join(here, ",") + ", with -far of " + strings.Join(far, ",")
}

// choose reads what there are lists of. Those that are not given stand for everything.
func (o *options) choose(flags *flag.FlagSet, far, sets, peers string) error {
	for _, word := range split(far) {
		trip, err := time.ParseDuration(word)
		if err != nil || trip < 0 || trip > maxTrip || slices.Contains(o.far, trip) {
			return fmt.Errorf("-far %s: want different durations from 0 to %v", far, maxTrip)
		}
		o.far = append(o.far, trip)
	}
	o.sets, o.peers = split(sets), split(peers)
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["far"] && len(o.far) == 0 {
		return errors.New("-far: no duration given")
	}
	if !given["sets"] {
		o.sets = o.setNames()
	}
	if !given["peers"] {
		o.peers = o.peerNames()
	}
	return nil
}

// setNames returns the names that -sets may have, peerNames those of -peers.
func (o *options) setNames() []string {
	if len(o.far) > 0 {
		return jobNames()
	}
	return setNames()
}

func (o *options) peerNames() []string {
	if len(o.far) > 0 {
		return farNames()
	}
	return peerNames()
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// check says what is wrong with the options, and makes the path of the binary absolute.
func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if err := known("data set", o.sets, o.setNames()); err != nil {
		return err
	}
	if err := known("program", o.peers, o.peerNames()); err != nil {
		return err
	}
	if o.rounds < 1 || o.rounds > 100 {
		return fmt.Errorf("-rounds %d: want 1 to 100", o.rounds)
	}
	if !(o.scale > 0 && o.scale <= 10) { // so written that it refuses NaN
		return fmt.Errorf("-scale %g: want more than 0, at most 10", o.scale)
	}
	if o.limit < 0 || o.limit > stepTimeout {
		return fmt.Errorf("-limit %v: want at most %v", o.limit, stepTimeout)
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
