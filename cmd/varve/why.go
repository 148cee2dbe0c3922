package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/location"
	"varve/internal/walk"
)

func (a *app) whyCommand() *cobra.Command {
	var excludes excludeFlags
	var sources []string
	c := &cobra.Command{
		Use:   "why PATH...",
		Short: "Tell whether a path would be saved, and which rule decides",
		Long: `Tell whether a backup with the same flags would save a path, and which rule decides. A PATH that does not exist is decided by patterns
alone, as a file. The store, if one is named, is left out as well. The exit code is 0 either way.`,
		Example: `  varve why --exclude '*.tmp' /home/u/notes.tmp
  varve why --source /home --exclude-from /etc/varve.exclude /home/u/.cache/x`,
		Args: wants(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.why(c.Context(), &excludes, sources, args)
		},
	}
	excludes.add(c)
	c.Flags().StringArrayVar(&sources, "source", []string{"/"}, "a `SOURCE` of the backup (repeatable)")
	return c
}

func (a *app) why(ctx context.Context, excludes *excludeFlags, sources, args []string) error {
	named, err := absolute(sources)
	if err != nil {
		return err
	}
	j := job{}
	for _, source := range named {
		j.sources = append(j.sources, strings.TrimPrefix(source, "/"))
	}
	request, err := excludes.request()
	if err != nil {
		return err
	}
	options, err := location.WalkOptions(request, j.sources)
	if err != nil {
		return usage(err)
	}
	options.Skip = a.skip(ctx)
	top, err := a.open("/")
	if err != nil {
		return err
	}
	src, err := walk.New(top, j.sources, options)
	if err != nil {
		return fmt.Errorf("why: %w", err)
	}
	for _, arg := range args {
		if err = errors.Join(ctx.Err(), a.whyPath(src, arg)); err != nil {
			break
		}
	}
	return errors.Join(err, src.Close())
}

// skip returns what a backup into the store that was named would leave out. The answer does not depend on there being one.
func (a *app) skip(ctx context.Context) []varve.Stamp {
	spec, err := a.storeSpec()
	if err != nil {
		return nil
	}
	skip, err := location.Skip(ctx, spec, a.options(a.secrets))
	if err != nil {
		return nil
	}
	return skip
}

// whyPath answers for one path.
func (a *app) whyPath(src *walk.Source, arg string) error {
	paths, err := absolute([]string{arg})
	if err != nil {
		return err
	}
	v, err := src.Why(strings.TrimPrefix(paths[0], "/"))
	if err != nil {
		return err
	}
	return a.answer(paths[0], &v)
}

// answer prints a verdict.
func (a *app) answer(path string, v *walk.Verdict) error {
	rule, origin := "", ""
	if v.Rule != nil {
		rule, origin = v.Rule.String(), v.Rule.Origin()
	}
	if a.json {
		return a.emit(struct {
			jsonPath
			Excluded bool     `json:"excluded"`
			At       jsonPath `json:"decided_at"`
			Rule     string   `json:"rule,omitempty"`
			Origin   string   `json:"origin,omitempty"`
			Reason   string   `json:"reason"`
		}{rawPath(path), v.Excluded, pathOf(v.Path), rule, origin, v.Reason})
	}
	word := "included"
	if v.Excluded {
		word = "excluded"
	}
	line := quote(path) + ": " + word
	if at := "/" + v.Path; at != path {
		line += " with " + quote(at)
	}
	if v.Rule != nil {
		line += " by " + plain(rule) + " (" + plain(origin) + ")"
	} else {
		line += ": " + plain(v.Reason)
	}
	a.printf("%s\n", line)
	return nil
}
