package main

import (
	"context"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/seal"
)

// newStore is one run of varve init.
type newStore struct {
	app      *app
	kind     location.Kind
	vault    *newVault
	dayNames bool
}

func (a *app) initCommand() *cobra.Command {
	n := &newStore{app: a, kind: location.Tree, vault: &newVault{app: a}}
	c := &cobra.Command{
		Use:   "init STORE [SOURCE...]",
		Short: "Make a store, and a first configuration file if sources are named",
		Long: `Make a store in a directory that does not exist yet or is empty. The store may also be named by --store.

With sources, a first configuration file is written, with comments, for a job that saves them to the store every night, keeps what is worth
keeping, checks it, rehearses restores, and sends mail when something is wrong. It is --config FILE, else /etc/varve/varve.toml for root and
~/.config/varve/varve.toml for others. Where there is one already nothing is made, and what is to be added to it is printed. After that,
varve run --all makes the first snapshot, and varve schedule install has it made every night.

A vault gets a passphrase, which is asked for on a terminal, twice, and taken from --passphrase-file, --passphrase-command or --passphrase-fd
otherwise; or, with --recipient, a key that somebody holds. Its recovery sheet, to be printed and kept safe, goes to standard output or into
the file of --recovery. Jobs run when nobody is there to be asked: the first configuration names --passphrase-file or --passphrase-command.`,
		Example: `  varve init /mnt/backup/varve
  varve init /mnt/backup/varve /etc /home/u
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
			return n.run(c, args)
		},
	}
	flags := c.Flags()
	flags.Var(parsed(&n.kind, "KIND", parseKind), "kind", "make a tree or a vault (default tree)")
	n.vault.add(c)
	flags.BoolVar(&n.dayNames, "day-names", false, "have jobs name the directories of snapshots by the day, as in 2026-11-20 (tree)")
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

// run makes the store, which must not be one yet, and with sources the first configuration.
func (n *newStore) run(c *cobra.Command, sources []string) error {
	switch {
	case n.kind == location.Tree && (n.vault.given() || len(n.app.secrets.flagged()) > 0):
		return usagef("passphrases, keys, --recipient, --recovery and --insecure-no-encryption are about a vault: give --kind vault")
	case n.kind == location.Vault && n.dayNames:
		return usagef("--day-names is about a tree: a vault has no directories for snapshots")
	case len(sources) == 0 && n.dayNames:
		return usagef("--day-names is about the first configuration: name sources, or give it to varve backup")
	case len(sources) == 0:
		return n.make(c.Context())
	}
	first, err := n.prepareFirst(c, sources)
	if err != nil {
		return err
	}
	if err := n.make(c.Context()); err != nil {
		return first.drop(err)
	}
	return first.publish(c.Context())
}

// make makes the store, and tells of it.
func (n *newStore) make(ctx context.Context) error {
	a := n.app
	if n.kind == location.Vault {
		return ofStore(a.store, n.vault.make(ctx, a.store, a.options(a.secrets)))
	}
	if err := ofStore(a.store, location.Init(ctx, a.store, a.options(a.secrets))); err != nil {
		return err
	}
	return a.made(jsonInit{Kind: n.kind})
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
