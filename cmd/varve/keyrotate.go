package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/vault"
)

// rotating is one run of varve key rotate.
type rotating struct {
	app      *app
	wrapping wrapping
	recovery string
}

func (a *app) keyRotateCommand() *cobra.Command {
	r := &rotating{app: a}
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the restore and maintenance keys",
		Long: `Make a new restore key and a new maintenance key, with a new passphrase or new recipients. All that comes is sealed to the new ones, and what
is there can be opened with them, too. The old ones, their passphrases and recipients included, go out of the vault: add
those again that shall stay. Who kept a copy can still open what was there before with it, and with the old maintenance key and access to
the storage could still forge; so give the storage new credentials, too.
Put-only keys stay as they are. The new recovery sheet takes the place of the old one; so must new copies of the keys in files.`,
		Example: `  varve key rotate -s /mnt/box/vault --recovery sheet.txt`,
		Args:    wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withVault(c.Context(), "rotate keys", noKeys, func(p *location.Place) error { return r.run(c.Context(), p.Vault) })
		},
	}
	r.wrapping.add(c)
	c.Flags().StringVar(&r.recovery, "recovery", "", "write the recovery sheet into this `FILE`, which must not exist")
	return c
}

func (r *rotating) run(ctx context.Context, v *vault.Store) error {
	a := r.app
	if v.Unencrypted() {
		return errors.New("rotate keys: the vault is not encrypted and has none")
	}
	recipients, err := r.wrapping.parse(ctx, a)
	if err != nil {
		return err
	}
	file, err := newSecretFile("key file", r.recovery)
	if err != nil {
		return err
	}
	name := "passphrase"
	if len(r.wrapping.recipients) > 0 {
		name = "recipients"
	}
	key, err := v.Rotate(ctx, name, recipients...)
	if err != nil {
		return errors.Join(err, file.drop())
	}
	if err := a.handOverSheet("rotated", key, file); err != nil {
		return fmt.Errorf("the keys were rotated, and the recovery sheet was not written (varve key export prints it): %w", err)
	}
	return nil
}
