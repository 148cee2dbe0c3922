package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/seal"
	"varve/internal/vault"
)

// keyAdding is one run of varve key add.
type keyAdding struct {
	app         *app
	wrapping    wrapping
	putOnly     bool
	maintenance bool
	out         string
}

func (a *app) keyAddCommand() *cobra.Command {
	k := &keyAdding{app: a}
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a key",
		Long: `Add a key. The restore key, or with --maintenance the maintenance key, is kept in the vault for whoever knows a new passphrase or is named by
--recipient; with -o it goes into a file instead, and the vault knows nothing of it. A put-only key is made anew and goes into a file, or
to standard output.`,
		Example: `  varve key add -s /mnt/box/vault --put-only web -o web.key
  varve key add -s /mnt/box/vault --maintenance pruner --new-passphrase-file pruner.txt
  varve key add -s /mnt/box/vault anna --recipient age1k0...`,
		Args: wants(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := k.checkUsage(); err != nil {
				return err
			}
			return a.withVault(c.Context(), "add a key", noKeys, func(p *location.Place) error { return k.run(c.Context(), p.Vault, args[0]) })
		},
	}
	flags := c.Flags()
	flags.BoolVar(&k.putOnly, "put-only", false, "make a key that makes snapshots and opens nothing")
	flags.BoolVar(&k.maintenance, "maintenance", false, "add the key that forgets, prunes and checks structure, and opens no file")
	flags.StringVarP(&k.out, "output", "o", "", "write the key into this `FILE`, which must not exist")
	k.wrapping.add(c)
	return c
}

func (k *keyAdding) checkUsage() error {
	switch {
	case k.putOnly && k.maintenance:
		return usagef("--put-only and --maintenance exclude one another")
	case k.putOnly && k.wrapping.given():
		return usagef("a put-only key goes into a file: the vault keeps none")
	case k.out != "" && k.wrapping.given():
		return usagef("a key goes into a file, or is kept in the vault: not both at once")
	}
	return nil
}

func (k *keyAdding) run(ctx context.Context, v *vault.Store, name string) error {
	kind := seal.RestoreKey
	switch {
	case k.putOnly:
		return k.client(ctx, v, name)
	case k.maintenance:
		kind = seal.MaintenanceKey
	}
	if k.out != "" {
		return k.app.exportKey(v, kind, name, k.out)
	}
	recipients, err := k.wrapping.parse(ctx, k.app)
	if err != nil {
		return err
	}
	if err := v.AddWrapped(ctx, name, kind, recipients...); err != nil {
		return err
	}
	return k.app.keyEvent("added", name, kind, nil)
}

// client makes a put-only key.
func (k *keyAdding) client(ctx context.Context, v *vault.Store, name string) error {
	file, err := newSecretFile("key file", k.out)
	if err != nil {
		return err
	}
	key, err := v.AddClient(ctx, name)
	if err != nil {
		return errors.Join(err, file.drop())
	}
	if err := k.app.handOverKey("added", key, file); err != nil {
		return errors.Join(err, v.RemoveKey(ctx, name)) // nobody has it
	}
	return nil
}
