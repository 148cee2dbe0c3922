package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/digest"
	"varve/internal/location"
)

// jobFlags say what is backed up, and how the snapshot is called.
type jobFlags struct {
	filesFrom string
	tags      [][]string
	host      string
	series    string
	pin       bool
}

// add gives a command the flags.
func (f *jobFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.filesFrom, "files-from", "", "take more sources from this `FILE`, one path a line; - is standard input")
	flags.Var(&tagLists{&f.tags}, "tag", "give the snapshot these comma-separated tags (repeatable)")
	flags.Var(parsed(&f.host, "NAME", label("host")), "host", "take this for the name of the host (default that of the machine with the sources)")
	flags.Var(parsed(&f.series, "NAME", label("series")), "series", "the series of the snapshot (default host and sources)")
	flags.BoolVar(&f.pin, "pin", false, "never let a retention policy remove the snapshot")
}

// label returns the parser of a name.
func label(what string) func(string) (string, error) {
	return func(text string) (string, error) { return text, checkLabel(what, text) }
}

// job is what one backup is about.
type job struct {
	// sources are relative to the root of the machine that they are on, sorted, each once.
	sources []string
	far     bool // they are on another machine
	series  string
	host    string
	tags    []string
	pin     bool
}

// specs returns the sources that arguments and flags name.
func (f *jobFlags) specs(a *app, args []string) ([]location.Spec, error) {
	var specs []location.Spec
	for _, arg := range args {
		s, err := location.Parse(arg)
		if err != nil {
			return nil, usage(fmt.Errorf("source: %w", err))
		}
		if strings.ContainsRune(s.Path, 0) {
			return nil, usagef("source %q: not a path", arg)
		}
		specs = append(specs, s)
	}
	listed, err := f.listed(a.in)
	if err != nil {
		return nil, err
	}
	for _, path := range listed {
		specs = append(specs, location.Spec{Path: path})
	}
	if len(specs) == 0 {
		return nil, usagef("no source: name at least one file or directory")
	}
	return specs, nil
}

// job returns the job that flags, and arguments for sources of origin, describe.
func (f *jobFlags) job(a *app, origin *location.Origin, args []string) (*job, error) {
	j := &job{sources: origin.Sources, far: origin.Far(), host: f.host, series: f.series, tags: union(f.tags), pin: f.pin}
	switch {
	case j.host != "":
	case j.far:
		j.host = escape(origin.Spec.Target.Host)
	default:
		host, err := a.host()
		if err != nil || host == "" {
			return nil, errors.Join(usagef("the name of this host is not known: give --host NAME"), err)
		}
		j.host = escape(host)
	}
	if j.series != "" {
		return j, nil
	}
	named := j.absolute()
	if !j.far {
		var err error
		if named, err = absolute(args); err != nil {
			return nil, err
		}
	}
	var err error
	j.series, err = f.defaultSeries(j.host, named)
	return j, err
}

// listed returns the absolute paths of the sources in the file of --files-from.
func (f *jobFlags) listed(in io.Reader) ([]string, error) {
	var text []byte
	var err error
	switch f.filesFrom {
	case "":
		return nil, nil
	case "-":
		text, err = io.ReadAll(in)
	default:
		text, err = os.ReadFile(f.filesFrom)
	}
	if err != nil {
		return nil, fmt.Errorf("read list of sources: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	if len(lines) == 0 {
		return nil, fmt.Errorf("list of sources %s is empty", f.filesFrom)
	}
	return absolute(lines)
}

// absolute returns paths as absolute ones, sorted and each once.
func absolute(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		if path == "" || strings.ContainsRune(path, 0) {
			return nil, usagef("source %q: not a path", path)
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", path, err)
		}
		all = append(all, abs)
	}
	return unique(all), nil
}

// unique sorts paths and drops those that come twice.
func unique(paths []string) []string {
	slices.Sort(paths)
	return slices.Compact(paths)
}

// defaultSeries returns the host and what was named on the command line. A list of sources stands for its content, so that the series
// goes on when a line is added.
func (f *jobFlags) defaultSeries(host string, named []string) (string, error) {
	var names []string
	for _, path := range named {
		names = append(names, escape(path))
	}
	if f.filesFrom == "-" {
		names = append(names, "@-")
	} else if f.filesFrom != "" {
		list, err := filepath.Abs(f.filesFrom)
		if err != nil {
			return "", fmt.Errorf("list of sources: %w", err)
		}
		names = append(names, "@"+escape(list))
	}
	series := host + ":" + strings.Join(names, ",")
	if len(series) <= maxLabel {
		return series, nil
	}
	sum := digest.Sum([]byte(series))
	cut := 900
	for !utf8.RuneStart(series[cut]) {
		cut--
	}
	return series[:cut] + "~" + hex.EncodeToString(sum[:8]), nil
}

// escape writes what a series could not hold, or what would make two lists of sources look the same, as % and two hexadecimal
// digits.
func escape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		_, n := utf8.DecodeRuneInString(name[i:])
		piece := name[i : i+n]
		if piece == "," || piece == "%" || !printable(piece) {
			for _, c := range []byte(piece) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(piece)
		}
		i += n
	}
	return b.String()
}

// absolute returns the sources as absolute paths.
func (j *job) absolute() []string {
	var paths []string
	for _, source := range j.sources {
		paths = append(paths, "/"+source)
	}
	return paths
}

// checkOutside returns an error where a source is the store or lies in it: a store does not keep itself.
func (j *job) checkOutside(spec string) error {
	at, err := location.Parse(spec)
	if err != nil || j.far {
		return err
	}
	for _, path := range j.absolute() {
		if location.InStore(path, at) {
			return fmt.Errorf("source %s lies in the store", path)
		}
	}
	return nil
}

// within reports whether the absolute path lies in the absolute directory dir, or is it.
func within(path, dir string) bool {
	return varve.Within(strings.TrimPrefix(path, "/"), strings.TrimPrefix(dir, "/"))
}
