package main

import (
	"errors"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/seal"
	"varve/internal/vault"
)

func (a *app) keyExportCommand() *cobra.Command {
	maintenance, out := false, ""
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the recovery sheet, or the maintenance key",
		Long: `Print the recovery sheet of the vault, which is the restore key on paper; with --maintenance a file with the maintenance key, for a machine
that forgets and prunes.`,
		Example: `  varve key export -s /mnt/box/vault | lpr
  varve key export -s /mnt/box/vault --maintenance -o pruner.key`,
		Args: wants(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), func(p *location.Place) error {
				switch {
				case p.Vault == nil:
					return treeError{"export a key", p.Path, noKeys}
				case maintenance:
					return a.exportKey(p.Vault, seal.MaintenanceKey, a.keyName(), out)
				}
				return a.exportSheet(p.Vault, out)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&maintenance, "maintenance", false, "print the maintenance key, as a key file")
	flags.StringVarP(&out, "output", "o", "", "write it into this `FILE`, which must not exist")
	return c
}

// exportSheet hands out the recovery sheet.
func (a *app) exportSheet(v *vault.Store, path string) error {
	return a.export(v, seal.RestoreKey, "", path, a.handOverSheet)
}

// exportKey writes a key that exists already into a file.
func (a *app) exportKey(v *vault.Store, kind seal.KeyKind, name, path string) error {
	return a.export(v, kind, name, path, a.handOverKey)
}

// export hands out a key in the form that handOver gives it.
func (a *app) export(v *vault.Store, kind seal.KeyKind, name, path string, handOver func(string, seal.KeyFile, *secretFile) error) error {
	key, err := v.KeyFile(kind, name)
	if err != nil {
		return err
	}
	file, err := newSecretFile("key file", path)
	if err != nil {
		return err
	}
	return handOver("exported", key, file)
}

// handOverSheet writes a recovery sheet, and tells what was done.
func (a *app) handOverSheet(what string, key seal.KeyFile, file *secretFile) error {
	text, err := a.sheet(key)
	return a.handOverText(what, key, file, text, err)
}

// handOverKey writes a key file, and tells what was done.
func (a *app) handOverKey(what string, key seal.KeyFile, file *secretFile) error {
	text, err := seal.FormatKeyFile(key)
	return a.handOverText(what, key, file, text, err)
}

// handOverText writes a key as text, or drops the file where there is none because of err.
func (a *app) handOverText(what string, key seal.KeyFile, file *secretFile, text []byte, err error) error {
	if err != nil {
		return errors.Join(err, file.drop())
	}
	if !file.named() && a.json {
		return a.keyEvent(what, key.Name, key.Kind, text)
	}
	if err := a.handOver(file, text); err != nil || !file.named() {
		return err
	}
	return a.keyEvent(what, key.Name, key.Kind, nil)
}

// jsonKey is what was done with a key, in JSON.
type jsonKey struct {
	Event string       `json:"event"`
	Name  string       `json:"name"`
	Kind  seal.KeyKind `json:"kind,omitempty"`
	Key   string       `json:"key,omitempty"`
}

// keyEvent tells what was done with a key, whose text goes with it where it goes nowhere else.
func (a *app) keyEvent(what, name string, kind seal.KeyKind, text []byte) error {
	if a.json {
		return a.emit(jsonKey{"key_" + what, name, kind, string(text)})
	}
	if a.talks() {
		a.printf("%s the %skey %s\n", what, kindText(kind), quote(name))
	}
	return nil
}

// kindText returns a kind of key and a blank; nothing where it is not known.
func kindText(kind seal.KeyKind) string {
	if kind == "" {
		return ""
	}
	return string(kind) + " "
}
