package main

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve/internal/config"
	"varve/internal/location"
	"varve/internal/notice"
	"varve/internal/walk"
)

// firstFile is a first configuration on its way to its place, where nothing may be yet.
type firstFile struct {
	app     *app
	path    string
	text    []byte
	options config.FirstOptions
	vault   *newVault   // nil for a tree
	temp    *secretFile // beside it, so that no store is made where it cannot be written
}

// prepareFirst does everything that can fail before the store is made. Where there is a configuration already nothing is to be made: what
// is to be added is printed.
func (n *newStore) prepareFirst(c *cobra.Command, sources []string) (*firstFile, error) {
	a := n.app
	path, err := a.configPath(c)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, err
	}
	o, err := n.firstOptions(sources)
	if err != nil {
		return nil, err
	}
	f := &firstFile{app: a, path: path, options: o}
	if n.kind == location.Vault {
		f.vault = n.vault
	}
	if f.text, err = config.First(o); err != nil {
		return nil, err
	}
	conf, err := config.Parse(path, f.text, a.configOptions())
	if err == nil {
		err = checkConfig(conf)
	}
	if err != nil {
		return nil, fmt.Errorf("what was named makes no job: %w", err)
	}
	return f, f.open()
}

// firstOptions returns what the first configuration says.
func (n *newStore) firstOptions(sources []string) (o config.FirstOptions, err error) {
	a := n.app
	at, err := location.Parse(a.store)
	if err != nil {
		return o, err
	}
	var job job
	for _, source := range sources {
		s, err := location.Parse(source)
		if err != nil {
			return o, usage(fmt.Errorf("source: %w", err))
		}
		if s.Scheme == location.Local {
			if _, err := os.Stat(s.Path); err != nil {
				return o, fmt.Errorf("source: %w: %w", walk.ErrNoSource, err)
			}
			job.sources = append(job.sources, s.Path[1:])
		}
		if text := s.String(); !slices.Contains(o.Sources, text) {
			o.Sources = append(o.Sources, text)
		}
	}
	if err := checkSources(o.Sources); err != nil {
		return o, usage(err)
	}
	if err := job.checkOutside(a.store); err != nil {
		return o, err
	}
	o.Store, o.Kind, o.DayNames = at.String(), config.Kind(n.kind), n.dayNames
	if at.Scheme != location.Local {
		o.StoreSSH, o.Connections = a.reach.words, a.reach.connections
	}
	if len(job.sources) == 0 {
		o.JobSSH = a.reach.words
	}
	if n.kind == location.Vault {
		err = n.opening(&o)
	}
	a.alarms(&o)
	return o, err
}

// opening enters what will open the vault when nobody is there, as far as that is known.
func (n *newStore) opening(o *config.FirstOptions) (err error) {
	s, env := n.app.secrets, n.app.env
	flagged := len(s.flagged()) > 0
	switch {
	case n.vault.open:
		o.Open = true
	case len(n.vault.recipients) > 0:
	case s.file != "":
		o.PassphraseFile = s.file
	case s.command != "":
		o.PassphraseCommand = s.command
	case flagged:
	case env("VARVE_PASSPHRASE_FILE") != "":
		o.PassphraseFile = env("VARVE_PASSPHRASE_FILE")
	default:
		o.PassphraseCommand = env("VARVE_PASSPHRASE_COMMAND")
	}
	if o.PassphraseFile == "" {
		return nil
	}
	if info, err := os.Stat(o.PassphraseFile); err == nil && !info.Mode().IsRegular() {
		o.PassphraseFile = "" // a pipe will not be there the next time
		return nil
	}
	o.PassphraseFile, err = filepath.Abs(o.PassphraseFile)
	return err
}

// alarms enters who hears of trouble: by mail, where this machine sends any, else in its log.
func (a *app) alarms(o *config.FirstOptions) {
	if _, err := notice.Sendmail(); err == nil || a.sendmail != "" {
		o.Mail = a.account()
	}
	o.Syslog = a.syslog != "" || notice.HasSyslog()
}

// account returns the name of who runs the program; empty where that is not known.
func (a *app) account() string {
	if a.root {
		return "root"
	}
	return cmp.Or(a.env("LOGNAME"), a.env("USER"))
}

// open makes sure that there is no configuration yet and that one can be written.
func (f *firstFile) open() error {
	_, err := os.Lstat(f.path)
	if err == nil {
		return errors.Join(f.print(), marked{fmt.Sprintf("%s exists, and was not changed; no store was made", quote(f.path)), errConfigured})
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	f.temp, err = newSecretFile("configuration", filepath.Join(filepath.Dir(f.path), ".varve-"+strings.ToLower(crand.Text())))
	return err
}

// print prints what is to be added to a configuration that there is.
func (f *firstFile) print() error {
	o := f.options
	o.Other, _ = config.Load(f.path, f.app.configOptions()) // one with mistakes has no names
	text, err := config.FirstTables(o)
	switch {
	case err != nil:
		return err
	case f.app.json:
		return f.app.emit(jsonFirst{"config", f.path, string(text)})
	}
	_, err = f.app.out.Write(text)
	return err
}

// drop gives up, after the store could not be made.
func (f *firstFile) drop(err error) error { return errors.Join(err, f.temp.drop()) }

// publish puts the configuration in its place, and tells of it.
func (f *firstFile) publish(ctx context.Context) error {
	if err := f.place(); err != nil {
		return errors.Join(f.print(), fmt.Errorf("the store was made, and %s was not written; it was to hold what is printed: %w", quote(f.path), err))
	}
	a := f.app
	if err := f.advise(ctx); err != nil {
		return err
	}
	switch {
	case a.json:
		return a.emit(jsonFirst{Event: "config", File: f.path})
	case a.talks():
		a.printf("wrote %s: look whether it is what you want, then:\n  varve run --all%s\n  varve schedule install%[2]s\n", quote(f.path), f.flag())
	}
	return nil
}

// place puts the configuration in its place, and replaces nothing.
func (f *firstFile) place() error {
	if err := f.app.handOver(f.temp, f.text); err != nil {
		return err
	}
	temp := f.temp.f.Name()
	err := os.Link(temp, f.path)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without hard links
		var file *secretFile
		if file, err = newSecretFile("configuration", f.path); err == nil {
			err = f.app.handOver(file, f.text)
		}
	}
	return errors.Join(err, os.Remove(temp), syncDir(filepath.Dir(f.path)))
}

// flag returns the flag that names the configuration, where one must be given.
func (f *firstFile) flag() string {
	if standard, err := f.app.standardConfig(); err == nil && standard == f.path {
		return ""
	}
	return " --config " + shellWord(f.path)
}

// advise warns of what the configuration leaves to be done.
func (f *firstFile) advise(ctx context.Context) error {
	a, o := f.app, f.options
	if !o.Syslog && o.Mail == "" {
		a.warn("nobody will hear of trouble: this machine has neither a program that sends mail nor a log; [notice.mail] in %s takes an SMTP server",
			quote(f.path))
	}
	if f.vault == nil || o.Open {
		return nil
	}
	if o.PassphraseFile == "" && o.PassphraseCommand == "" {
		what := "put its passphrase into a file that only you may read, and name that there: passphrase-file"
		if len(f.vault.recipients) > 0 {
			what = "name the file with the private key there: key-file"
		}
		a.warn("nothing opens the vault when nobody is there to be asked, so jobs cannot run by themselves: %s in [store.main] of %s", what, quote(f.path))
		return nil
	}
	word, err := a.secrets.ready.Passphrase(ctx)
	if err == nil && strings.Contains(word, "\n") {
		a.warn("the passphrase has several lines, and jobs take the first one alone: give the vault another one (varve key add)")
	}
	return err
}

// jsonFirst is a first configuration in JSON. Add is what is to be added to a file that there is.
type jsonFirst struct {
	Event string `json:"event"`
	File  string `json:"file"`
	Add   string `json:"add,omitempty"`
}
