package main

import (
	"context"

	"github.com/spf13/cobra"

	"varve/internal/location"
)

func (a *app) initCommand() *cobra.Command {
	b := &backup{app: a, init: true}
	c := &cobra.Command{
		Use:   "init STORE [SOURCE...]",
		Short: "Make a store, and a first snapshot if sources are named",
		Long: `Make a store in a directory that does not exist yet or is empty. With sources, a first snapshot of them is made at once. The store may
also be named by --store.`,
		Example: `  varve init /mnt/backup/store
  varve init /mnt/backup/store /home /etc`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if a.store == "" {
				spec, rest, err := a.firstStore(args)
				if err != nil {
					return err
				}
				a.store, args = spec, rest
			}
			return b.initStore(c.Context(), args)
		},
	}
	c.Flags().BoolVar(&b.dayNames, "day-names", false, "name the directory of the first snapshot by the day, as in 2026-11-20")
	b.excludes.caches = true
	return c
}

// initStore makes the store, which must not be one yet.
func (b *backup) initStore(ctx context.Context, sources []string) error {
	b.fresh = true
	if len(sources) > 0 {
		return b.run(ctx, sources)
	}
	if b.dayNames {
		return usagef("--day-names is about the first snapshot: name sources, or give it to varve backup")
	}
	if err := location.Init(ctx, b.app.store, b.app.options()); err != nil {
		return err
	}
	return b.app.made()
}

// firstStore splits the store off arguments; where there are none it is that of the environment.
func (a *app) firstStore(args []string) (spec string, rest []string, err error) {
	if len(args) > 0 {
		return args[0], args[1:], nil
	}
	spec, err = a.storeSpec()
	return spec, nil, err
}

// made tells that the store was made.
func (a *app) made() error {
	path, err := location.Path(a.store)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.emit(struct {
			Event string `json:"event"`
			Store string `json:"store"`
		}{"init", path})
	case a.talks():
		a.printf("made a store in %s\n", quote(path))
	}
	return nil
}
