package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"varve/internal/config"
	"varve/internal/hook"
	jobs "varve/internal/job"
	"varve/internal/vault"
)

// storeSecrets opens the stores of a configuration with what it names for each. A store for which it names nothing is opened as everywhere
// else: by flags, environment, credentials of systemd, or by asking.
type storeSecrets struct {
	app   *app
	known map[string]*secrets // by store
}

// open opens a store; cold without what is remembered of it on this machine.
func (k *storeSecrets) open(ctx context.Context, s *config.Store, cold bool) (*jobs.Place, error) {
	own := k.of(s)
	o := k.app.options(own)
	warm := o.Unlock
	o.Unlock = func(ctx context.Context, path string) (vault.Credentials, vault.Options, error) {
		if !cold && k.source(s) == nil {
			return warm(ctx, path)
		}
		creds, err := k.credentials(ctx, s, path)
		v := vault.Options{Place: path, Now: k.app.now, Warn: func(err error) { k.app.warn("%s", describe(err)) }}
		if !cold {
			v.Cache, v.State = k.app.dirs()
		}
		return creds, v, err
	}
	o.DayNames = s.DayNames
	if len(s.SSH) > 0 {
		o.Reach.SSH = s.SSH
	}
	if k.app.reach.connections == 0 {
		o.Reach.Connections = s.Connections
	}
	place, err := jobs.OpenPlace(ctx, s.Place, o)
	if errors.Is(err, vault.ErrKey) {
		own.forget() // it is asked for again the next time
	}
	return place, err
}

// of returns the secrets of a store, which the flags say for all.
func (k *storeSecrets) of(s *config.Store) *secrets {
	if k.known[s.Name] == nil {
		own := *k.app.secrets
		own.ready, own.typed, own.word = nil, false, ""
		k.known[s.Name] = &own
	}
	return k.known[s.Name]
}

// credentials returns what a store is opened with.
func (k *storeSecrets) credentials(ctx context.Context, s *config.Store, path string) (vault.Credentials, error) {
	own, src := k.of(s), k.source(s)
	switch {
	case src == nil:
		return own.credentials(ctx, path)
	case src.key && own.ready != nil:
		return *own.ready, nil
	case src.key:
		creds, err := own.fromKey(ctx, src)
		if err == nil {
			own.set(creds)
		}
		return creds, missingKey(ctx, err)
	}
	return vault.Credentials{Given: true, Passphrase: func(ctx context.Context) (string, error) {
		word, err := readPassphrase(ctx, src)
		return word, missingKey(ctx, err)
	}}, nil
}

// missingKey returns err, which kept what opens a store from being read, as one that also matches vault.ErrKey.
func missingKey(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, vault.ErrKey) {
		return err
	}
	return marked{err.Error(), vault.ErrKey}
}

// source returns what the configuration names for a store; nil where it names nothing.
func (k *storeSecrets) source(s *config.Store) *secretSource {
	name := "store " + s.Name + ": "
	switch {
	case s.KeyFile != "":
		src := k.app.fileSource(name+"key-file", s.KeyFile, true)
		return &src
	case s.PassphraseFile != "":
		src := k.app.fileSource(name+"passphrase-file", s.PassphraseFile, false)
		return &secretSource{src.name, false, firstLine(src.read)}
	case !s.PassphraseCommand.IsZero():
		return &secretSource{name + "passphrase-command", false, firstLine(printed(s.PassphraseCommand))}
	}
	return nil
}

// firstLine returns what reads the first line alone.
func firstLine(read func(context.Context) ([]byte, error)) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		text, err := read(ctx)
		line, _, _ := bytes.Cut(text, []byte("\n"))
		return line, err
	}
}

// secretTimeout is how long a command that prints a passphrase may take: nobody watches a run.
const secretTimeout = 5 * time.Minute

// printed returns what reads the standard output of a command.
func printed(w config.Words) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) (text []byte, err error) {
		out, err := hook.Output(ctx, hook.Command{Name: "passphrase-command", Shell: w.Shell, Argv: w.Argv, Timeout: secretTimeout})
		if err != nil {
			return nil, err
		}
		if text, err = readAllOf(out); err != nil {
			err = fmt.Errorf("run it: %w", err)
		}
		return text, errors.Join(err, out.Close())
	}
}
