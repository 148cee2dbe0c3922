package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve/internal/seal"
	"varve/internal/vault"
)

// secrets are what opens one vault: where it comes from, and what of it is known already.
type secrets struct {
	app    *app
	prefix string // of the flags: "" or "from-"

	file       string
	command    string
	key        string
	descriptor int // -1 for none

	ready *vault.Credentials // nothing need be asked any more
	typed bool               // the passphrase came from the terminal
	word  string             // the passphrase; empty while nobody knows it
}

func (a *app) newSecrets(prefix string) *secrets {
	return &secrets{app: a, prefix: prefix, descriptor: -1}
}

// add gives a command the flags; without a prefix also the commands below it.
func (s *secrets) add(c *cobra.Command) {
	flags := c.PersistentFlags()
	env, of := "$VARVE_"+strings.ToUpper(strings.ReplaceAll(s.prefix, "-", "_")), "the vault"
	if s.prefix != "" {
		of, flags = "the vault that is copied from", c.Flags()
	}
	flags.StringVar(&s.file, s.prefix+"passphrase-file", "", "read the passphrase of "+of+" from `FILE` (default "+env+"PASSPHRASE_FILE)")
	flags.StringVar(&s.command, s.prefix+"passphrase-command", "", "take what `COMMAND` prints for the passphrase of "+of+" (default "+env+"PASSPHRASE_COMMAND)")
	flags.Var(parsed(&s.descriptor, "N", parseDescriptor), s.prefix+"passphrase-fd", "read the passphrase of "+of+" from the open file descriptor N")
	flags.StringVar(&s.key, s.prefix+"key", "", "open "+of+" with a key `FILE` of varve, age or ssh (default "+env+"KEY_FILE)")
}

// parseDescriptor reads the number of an open file.
func parseDescriptor(text string) (int, error) {
	n, err := parseCount(text)
	if text == "0" {
		return 0, nil
	}
	if err != nil || n > 1<<20 {
		return 0, fmt.Errorf("descriptor %q: want the number of an open file", text)
	}
	return n, nil
}

// credentials returns what the vault at path is opened with.
func (s *secrets) credentials(ctx context.Context, path string) (vault.Credentials, error) {
	if s.ready != nil {
		return *s.ready, nil
	}
	src, err := s.source()
	if err != nil {
		return vault.Credentials{}, err
	}
	if src != nil && src.key {
		creds, err := s.fromKey(ctx, src)
		if err == nil {
			s.ready = &creds
		}
		return creds, err
	}
	if src == nil && !s.app.canAsk() {
		return vault.Credentials{}, nil
	}
	return vault.Credentials{Passphrase: func(ctx context.Context) (string, error) { return s.passphrase(ctx, src, path) }, Given: src != nil}, nil
}

// fromKey reads a key file: one of varve, a recovery sheet, or identities of age or ssh.
func (s *secrets) fromKey(ctx context.Context, src *secretSource) (creds vault.Credentials, err error) {
	text, err := src.read(ctx)
	if err != nil {
		return creds, fmt.Errorf("%s: %w", src.name, err)
	}
	if holdsIdentities(string(text)) {
		creds.Identities, err = seal.ParseIdentities(text, s.app.prompt(ctx))
	} else {
		var key seal.KeyFile
		key, err = seal.ParseKeyFile(text)
		creds.Key = &key
	}
	if err != nil {
		return vault.Credentials{}, fmt.Errorf("%s: %w", src.name, err)
	}
	return creds, nil
}

// holdsIdentities reports whether the first line of text that says something begins an identity of age or ssh.
func holdsIdentities(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		return strings.HasPrefix(line, "-----BEGIN") || strings.HasPrefix(line, "AGE-")
	}
	return false
}

// passphrase returns the passphrase of the vault at path, from src or, where that is nil, from the terminal.
func (s *secrets) passphrase(ctx context.Context, src *secretSource, path string) (word string, err error) {
	if s.word != "" {
		return s.word, nil
	}
	if src == nil {
		s.typed = true
		word, err = s.app.ask(ctx, fmt.Sprintf("passphrase of %s: ", quote(path)))
	} else {
		word, err = readPassphrase(ctx, src)
	}
	if err == nil {
		s.word = word
	}
	return word, err
}

// readPassphrase reads a passphrase. One line end after it does not belong to it.
func readPassphrase(ctx context.Context, src *secretSource) (string, error) {
	text, err := src.read(ctx)
	if err != nil {
		return "", fmt.Errorf("passphrase from %s: %w", src.name, err)
	}
	word := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if word == "" {
		return "", marked{fmt.Sprintf("passphrase from %s: it is empty", src.name), vault.ErrKey}
	}
	return word, nil
}

// forget makes the next one who opens the vault ask again.
func (s *secrets) forget() { s.word, s.ready = "", nil }

// set makes creds what the vault is opened with from now on.
func (s *secrets) set(creds vault.Credentials) { s.ready = &creds }

// newPassphrase returns the passphrase that a key is to be kept with: from src or, where that is nil, from the terminal, which is asked twice.
// instead says what to do where there is neither.
func (a *app) newPassphrase(ctx context.Context, src *secretSource, instead string) (string, error) {
	if src != nil && src.key {
		return "", usagef("%s is a key: %s", src.name, instead)
	}
	if src != nil {
		return readPassphrase(ctx, src)
	}
	if !a.canAsk() {
		return "", usagef("no passphrase, and nobody to ask for one: %s", instead)
	}
	word, err := a.ask(ctx, "new passphrase: ")
	if err != nil {
		return "", err
	}
	again, err := a.ask(ctx, "the same once more: ")
	if err == nil && again != word {
		err = marked{"the two passphrases differ", vault.ErrKey}
	}
	return word, err
}

// wrapping is what a key is to be kept in the vault with.
type wrapping struct {
	recipients []string // age or ssh public keys
	file       string   // of a new passphrase
}

// add gives a command the flags.
func (w *wrapping) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&w.recipients, "recipient", nil, "keep it for who has the private half of this age or ssh public `KEY` (repeatable)")
	flags.StringVar(&w.file, "new-passphrase-file", "", "read the passphrase that it is kept with from `FILE`")
}

// given reports whether anything was said.
func (w *wrapping) given() bool { return len(w.recipients) > 0 || w.file != "" }

// parse returns who a key is wrapped for: recipients, else who knows a passphrase.
func (w *wrapping) parse(ctx context.Context, a *app) ([]seal.Recipient, error) {
	if len(w.recipients) > 0 && w.file != "" {
		return nil, usagef("--recipient and --new-passphrase-file exclude one another: a key for each")
	}
	if len(w.recipients) > 0 {
		return a.recipients(ctx, w.recipients)
	}
	var src *secretSource
	if w.file != "" {
		s := a.fileSource("--new-passphrase-file", w.file, false)
		src = &s
	}
	word, err := a.newPassphrase(ctx, src, "give --new-passphrase-file FILE or --recipient KEY")
	if err != nil {
		return nil, err
	}
	r, err := seal.Passphrase(word, a.workFactor)
	return []seal.Recipient{r}, err
}

// recipients reads public keys.
func (a *app) recipients(ctx context.Context, keys []string) ([]seal.Recipient, error) {
	found, err := seal.ParseRecipients(strings.Join(keys, "\n"), a.prompt(ctx))
	return found, usage(err)
}
