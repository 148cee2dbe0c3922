package main

import (
	"context"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/seal"
)

func (a *app) initCommand() *cobra.Command {
	b := &backup{app: a, init: true}
	v := &newVault{app: a}
	kind := location.Tree
	c := &cobra.Command{
		Use:   "init STORE [SOURCE...]",
		Short: "Make a store, and a first snapshot if sources are named",
		Long: `Make a store in a directory that does not exist yet or is empty. With sources, a first snapshot of them is made at once. The store may
also be named by --store.

A vault gets a passphrase, which is asked for on a terminal, twice, and taken from --passphrase-file, --passphrase-command or --passphrase-fd
otherwise; or, with --recipient, a key that somebody holds. Its recovery sheet, to be printed and kept safe, goes to standard output or into
the file of --recovery.`,
		Example: `  varve init /mnt/backup/store
  varve init /mnt/backup/store /home /etc
  varve init --kind vault --recovery sheet.txt /mnt/box/vault`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if a.store == "" {
				spec, rest, err := a.firstStore(args)
				if err != nil {
					return err
				}
				a.store, args = spec, rest
			}
			return b.initStore(c.Context(), kind, v, args)
		},
	}
	flags := c.Flags()
	flags.Var(parsed(&kind, "KIND", parseKind), "kind", "make a tree or a vault (default tree)")
	v.add(c)
	flags.BoolVar(&b.dayNames, "day-names", false, "name the directory of the first snapshot by the day, as in 2026-11-20 (tree)")
	b.excludes.caches = true
	return c
}

// parseKind reads a kind of store.
func parseKind(text string) (location.Kind, error) {
	switch kind := location.Kind(text); kind {
	case location.Tree, location.Vault:
		return kind, nil
	}
	return "", usagef("kind %q: want tree or vault", text)
}

// initStore makes the store, which must not be one yet.
func (b *backup) initStore(ctx context.Context, kind location.Kind, v *newVault, sources []string) error {
	b.fresh = true
	switch {
	case kind == location.Vault:
		b.make = v.make
	case v.given(), len(b.app.secrets.flagged()) > 0:
		return usagef("passphrases, keys, --recipient, --recovery and --insecure-no-encryption are about a vault: give --kind vault")
	default:
		b.make = location.Init
	}
	if kind == location.Vault && b.dayNames {
		return usagef("--day-names is about a tree: a vault has no directories for snapshots")
	}
	if len(sources) > 0 {
		return b.run(ctx, sources)
	}
	if b.dayNames {
		return usagef("--day-names is about the first snapshot: name sources, or give it to varve backup")
	}
	if err := ofStore(b.app.store, b.make(ctx, b.app.store, b.app.options(b.app.secrets))); err != nil {
		return err
	}
	if kind == location.Vault {
		return nil // which told of itself
	}
	return b.app.made(jsonInit{Kind: kind})
}

// firstStore splits the store off arguments; where there are none it is that of the environment.
func (a *app) firstStore(args []string) (spec string, rest []string, err error) {
	if len(args) > 0 {
		return args[0], args[1:], nil
	}
	spec, err = a.storeSpec()
	return spec, nil, err
}

// jsonInit is a store that was made, in JSON.
type jsonInit struct {
	Event    string        `json:"event"`
	Store    string        `json:"store"`
	Kind     location.Kind `json:"kind"`
	Vault    *seal.VaultID `json:"vault,omitempty"`
	Recovery string        `json:"recovery,omitempty"`
}

// made tells that the store was made.
func (a *app) made(j jsonInit) error {
	at, err := location.Parse(a.store)
	switch {
	case err != nil:
		return err
	case a.json:
		j.Event, j.Store = "init", at.String()
		return a.emit(j)
	case a.talks() && j.Kind == location.Vault:
		a.printf("made a vault in %s\n", quote(at.String()))
	case a.talks():
		a.printf("made a store in %s\n", quote(at.String()))
	}
	return nil
}
