package main

import (
	"errors"
	"io/fs"
	"os"
	"os/user"

	"varve/internal/config"
)

// absent finds what a configuration names and this machine does not have. It may come later, as with a disk, so that each is a warning.
type absent struct {
	where string // the part of the configuration that is being looked at
	warn  func(format string, args ...any)
}

// lookAround warns of files and users that a configuration names and that there are not.
func (a *app) lookAround(conf *config.Config) {
	for _, s := range conf.Stores {
		l := absent{"store " + s.Name, a.warn}
		l.file("passphrase-file", s.PassphraseFile)
		l.file("key-file", s.KeyFile)
	}
	for _, j := range conf.Jobs {
		l := absent{"job " + j.Name, a.warn}
		for _, path := range j.ExcludeFrom {
			l.file("exclude-from", path)
		}
		for _, c := range j.Commands {
			l.user("command of "+c.Path, c.Call)
		}
		l.user("hook.before", j.Hook.Before)
		l.user("hook.after", j.Hook.After)
		l.user("hook.failed", j.Hook.Failed)
		l.user("hook.finally", j.Hook.Finally)
	}
	for _, n := range conf.Notices {
		l := absent{"notice " + n.Name, a.warn}
		l.file("url-file", n.URLFile)
		l.file("token-file", n.TokenFile)
		l.file("smtp-password-file", n.SMTPPasswordFile)
		l.user("run", n.Run)
	}
}

// file looks for a file, if one is named.
func (l absent) file(key, path string) {
	if path == "" {
		return
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		l.warn("%s: %s: there is no file %s", l.where, key, quote(path))
	}
}

// user looks for the user of a command that is run on this machine, if one is named.
func (l absent) user(key string, c config.Call) {
	var unknown user.UnknownUserError
	if c.User == "" {
		return
	}
	if _, err := user.Lookup(c.User); errors.As(err, &unknown) {
		l.warn("%s: %s: there is no user %s", l.where, plain(key), quote(c.User))
	}
}
