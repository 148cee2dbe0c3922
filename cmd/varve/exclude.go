package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"varve/internal/disk"
	"varve/internal/match"
	"varve/internal/walk"
)

// ignoreFile is the name of the files with which owners of directories leave things out.
const ignoreFile = ".varveignore"

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

// options returns the options of a walk of these sources, relative to the root.
func (x *excludeFlags) options(sources []string) (walk.Options, error) {
	rules, err := x.rules()
	if err != nil {
		return walk.Options{}, err
	}
	o := walk.Options{
		Match: match.New(rules, sources), IgnoreFile: ignoreFile, OneFileSystem: x.oneFS, IfPresent: x.ifPresent, LargerThan: x.largerThan,
	}
	if x.caches {
		o.IfPresent = append(o.IfPresent[:len(o.IfPresent):len(o.IfPresent)], walk.CacheTag())
	}
	return o, nil
}

// rules reads the patterns.
func (x *excludeFlags) rules() ([]*match.Rule, error) {
	var rules []*match.Rule
	for _, e := range x.list {
		read, err := e.rules()
		if err != nil {
			return nil, err
		}
		rules = append(rules, read...)
	}
	return rules, nil
}

func (e exclusion) rules() ([]*match.Rule, error) {
	if !e.file {
		r, err := match.Parse(e.text, "--exclude")
		return []*match.Rule{r}, usage(err)
	}
	text, err := os.ReadFile(e.text)
	if err != nil {
		return nil, fmt.Errorf("read patterns: %w", err)
	}
	rules, err := match.ParseExcludeFile(e.text, text)
	return rules, usage(err)
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
