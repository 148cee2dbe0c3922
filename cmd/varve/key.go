package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/vault"
)

// noKeys says what a tree has instead of keys.
const noKeys = "it has no keys; whoever can read the directory can read the files as their modes allow"

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Add, list, remove, replace and export the keys of a vault",
		Long: `Manage the keys of a vault. A restore key does everything. A maintenance key lists, forgets, prunes and checks structure, and opens no file.
A put-only key makes snapshots and opens nothing.`,
		Example: `  varve key add -s /mnt/box/vault --put-only web -o web.key
  varve key list -s /mnt/box/vault`,
		Args: wants(func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command key %q", args[0])
			}
			return nil
		}),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, sub := range []*cobra.Command{a.keyAddCommand(), a.keyListCommand(), a.keyRemoveCommand(), a.keyRotateCommand(), a.keyExportCommand()} {
		sub.Flags().SortFlags = false
		c.AddCommand(sub)
	}
	return c
}

func (a *app) keyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys that a vault knows of",
		Long:    `List the keys that a vault keeps, and its put-only keys. Keys in files and on paper leave no trace in it.`,
		Example: `  varve key list -s /mnt/box/vault`,
		Args:    wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), func(p *location.Place) error {
				if p.Vault == nil {
					return treeError{"list keys", p.Path, noKeys}
				}
				return a.printKeys(p.Vault.Keys())
			})
		},
	}
}

func (a *app) printKeys(keys []vault.Key) error {
	if a.json {
		return a.emit(append([]vault.Key{}, keys...))
	}
	if len(keys) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tCREATED\tSTATE")
	for _, k := range keys {
		state := "in use"
		if k.Removed {
			state = "removed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", quote(k.Name), plain(string(k.Kind)), a.timeText(k.Created), state)
	}
	return w.Flush()
}

func (a *app) keyRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a key",
		Long: `Remove a key from the vault. What it was used for stays: a put-only key makes no more snapshots, and those it made are there. Whoever has a
copy of a restore or maintenance key can still open what is there now; key rotate shuts him out of what comes.`,
		Example: `  varve key remove -s /mnt/box/vault web`,
		Args:    wants(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withVault(c.Context(), "remove a key", noKeys, func(p *location.Place) error {
				if err := p.Vault.RemoveKey(c.Context(), args[0]); err != nil {
					return err
				}
				return a.keyEvent("removed", args[0], "", nil)
			})
		},
	}
}
