package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"varve/internal/disk"
	"varve/internal/location"
	"varve/internal/remote"
	"varve/internal/walk"
)

// excludeFlags say what is left out; backup and why have the same.
type excludeFlags struct {
	list       []exclusion // of --exclude and --exclude-from, in the order of the command line
	ifPresent  []walk.Marker
	caches     bool
	largerThan int64
	oneFS      bool
}

// exclusion is one --exclude or --exclude-from.
type exclusion struct {
	text string
	file bool // text names a file of patterns
}

// add gives a command the flags.
func (x *excludeFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.VarP(&exclusions{to: &x.list}, "exclude", "e", "leave out what matches this gitignore pattern (repeatable)")
	flags.Var(&exclusions{to: &x.list, file: true}, "exclude-from", "leave out what matches the patterns in this file, one a line (repeatable)")
	flags.Var(&markers{&x.ifPresent}, "exclude-if-present", "leave out the content of directories that hold such a file (repeatable)")
	flags.BoolVar(&x.caches, "exclude-caches", true, "leave out the content of directories with a CACHEDIR.TAG")
	flags.Var(parsed(&x.largerThan, "SIZE", parseSize), "exclude-larger-than", "leave out files of more bytes; K, M, G, T are powers of 1024")
	flags.BoolVarP(&x.oneFS, "one-file-system", "x", false, "stay on the file systems of the sources")
}

// request returns what is left out, with the patterns of files. It knows no sources.
func (x *excludeFlags) request() (remote.SourceRequest, error) {
	r := remote.SourceRequest{IgnoreFile: location.IgnoreFile, OneFileSystem: x.oneFS, LargerThan: x.largerThan}
	for _, m := range x.ifPresent {
		r.IfPresent = append(r.IfPresent, remote.Marker{Name: m.Name, Header: m.Header})
	}
	if x.caches {
		r.IfPresent = append(r.IfPresent, location.Caches())
	}
	for _, e := range x.list {
		one := remote.Exclude{Text: e.text}
		if e.file {
			text, err := os.ReadFile(e.text)
			if err != nil {
				return r, fmt.Errorf("read patterns: %w", err)
			}
			one = remote.Exclude{Name: e.text, Text: string(text)}
		}
		r.Excludes = append(r.Excludes, one)
	}
	_, err := location.WalkOptions(r, nil)
	return r, usage(err)
}

// exclusions is the value of --exclude and of --exclude-from, which append to one list: the last rule that matches decides.
type exclusions struct {
	to   *[]exclusion
	file bool
}

// String returns nothing: there is no default.
func (v *exclusions) String() string { return "" }

// Type returns what the help calls the value.
func (v *exclusions) Type() string {
	if v.file {
		return "FILE"
	}
	return "PATTERN"
}

// Set adds an exclusion.
func (v *exclusions) Set(text string) error {
	*v.to = append(*v.to, exclusion{text, v.file})
	return nil
}

// markers is the value of --exclude-if-present.
type markers struct{ to *[]walk.Marker }

// String returns nothing: there is no default.
func (v *markers) String() string { return "" }

// Type returns what the help calls the value.
func (v *markers) Type() string { return "NAME[:HEADER]" }

// Set adds a marker.
func (v *markers) Set(text string) error {
	name, header, found := strings.Cut(text, ":")
	if err := disk.CheckName(name); err != nil {
		return fmt.Errorf("name %q: %w", name, err)
	}
	if found && header == "" {
		return errors.New("nothing stands after the colon")
	}
	*v.to = append(*v.to, walk.Marker{Name: name, Header: header})
	return nil
}
