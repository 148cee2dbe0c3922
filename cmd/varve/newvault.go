package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/seal"
	"varve/internal/vault"
)

// newVault is how a vault is made.
type newVault struct {
	app        *app
	open       bool // without encryption
	recipients []string
	recovery   string // the file that the recovery sheet goes into; empty for standard output
}

// add gives a command the flags.
func (v *newVault) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&v.recipients, "recipient", nil, "who has the private half of this age or ssh public `KEY` opens the vault (repeatable)")
	flags.StringVar(&v.recovery, "recovery", "", "write the recovery sheet of the vault into this `FILE`, which must not exist")
	flags.BoolVar(&v.open, "insecure-no-encryption", false, "make a vault that whoever can read the storage can read")
}

// given reports whether anything was said about a vault.
func (v *newVault) given() bool { return v.open || v.recovery != "" || len(v.recipients) > 0 }

// make makes the vault, opens it once with what it will be opened with, and hands out its recovery sheet. From then on the app knows how to
// open it.
func (v *newVault) make(ctx context.Context, spec string, o location.Options) error {
	a := v.app
	how, err := v.how(ctx)
	if err != nil {
		return err
	}
	sheet, err := newSecretFile("key file", v.recovery)
	if err != nil {
		return err
	}
	key, err := location.InitVault(ctx, spec, o, how)
	if err != nil {
		return errors.Join(err, sheet.drop())
	}
	if len(v.recipients) > 0 {
		a.secrets.set(vault.Credentials{Key: &key}) // who holds the recipients' private keys may be elsewhere
	}
	if err := v.check(ctx, spec, o); err != nil {
		return errors.Join(fmt.Errorf("the new vault cannot be opened, do not use it: %w", err), sheet.drop())
	}
	return v.handOut(key, sheet)
}

// how returns what the vault is to be like.
func (v *newVault) how(ctx context.Context) (how vault.InitOptions, err error) {
	a := v.app
	how = vault.InitOptions{Now: a.now, Unencrypted: v.open}
	_, how.State = a.dirs()
	src, err := a.secrets.source()
	switch {
	case err != nil:
		return how, err
	case v.open && (len(v.recipients) > 0 || len(a.secrets.flagged()) > 0 || v.recovery != ""):
		return how, usagef("--insecure-no-encryption makes a vault without any secret: nothing of the kind goes with it")
	case v.open:
		return how, nil
	case len(v.recipients) > 0 && len(a.secrets.flagged()) > 0:
		return how, usagef("give recipients or a passphrase; varve key add adds others")
	case len(v.recipients) > 0:
		how.Name = "recipients"
		how.Recipients, err = a.recipients(ctx, v.recipients)
		return how, err
	}
	word, err := a.newPassphrase(ctx, src, "give --passphrase-file FILE, --passphrase-command or --passphrase-fd, or --recipient KEY, or run it on a terminal")
	if err != nil {
		return how, err
	}
	r, err := seal.Passphrase(word, a.workFactor)
	how.Name, how.Recipients = "passphrase", []seal.Recipient{r}
	a.secrets.set(vault.Credentials{Passphrase: func(context.Context) (string, error) { return word, nil }})
	return how, err
}

// check opens the vault as the next command will.
func (v *newVault) check(ctx context.Context, spec string, o location.Options) error {
	place, err := location.Open(ctx, spec, o)
	if err != nil {
		return err
	}
	v.app.warnOpen(place)
	return place.Close()
}

// handOut tells of the vault and hands out its recovery sheet.
func (v *newVault) handOut(key seal.KeyFile, sheet *secretFile) error {
	a := v.app
	j := jsonInit{Kind: location.Vault, Vault: &key.Vault}
	if v.open {
		return errors.Join(sheet.drop(), a.made(j))
	}
	text, err := a.sheet(key)
	if err != nil {
		return errors.Join(err, sheet.drop())
	}
	if a.json && !sheet.named() {
		j.Recovery = string(text)
		return a.made(j)
	}
	if err := a.handOver(sheet, text); err != nil {
		return fmt.Errorf("the vault was made, and its recovery sheet was not written (varve key export prints it): %w", err)
	}
	return a.made(j)
}

// sheet returns the recovery sheet of a restore key, named after the store.
func (a *app) sheet(key seal.KeyFile) ([]byte, error) {
	key.Name = a.keyName()
	return seal.FormatSheet(key)
}

// maxKeyName is how long the name in a key file may be, in bytes.
const maxKeyName = 128

// keyName returns the name of the store for a key file; empty where it does not fit.
func (a *app) keyName() string {
	spec, err := a.storeSpec()
	if err != nil {
		return ""
	}
	at, err := location.Parse(spec)
	if name := at.String(); err == nil && len(name) <= maxKeyName && printable(name) {
		return name
	}
	return ""
}
