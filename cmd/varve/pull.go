package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"varve"
	"varve/internal/location"
	"varve/internal/match"
	"varve/internal/rsync"
)

// filterFile matches a file of rsync's own filter rules, which are read the other way round.
var filterFile = regexp.MustCompile(`(?m)^([-+] |!\s*$)`)

// pulls reports whether the sources lie with an rsync daemon.
func pulls(specs []location.Spec) bool {
	for _, s := range specs {
		if s.Scheme == location.Rsync {
			return true
		}
	}
	return false
}

// pull makes a snapshot of what an rsync daemon has.
func (b *backup) pull(ctx context.Context, spec string, specs []location.Spec) error {
	o, err := b.pullOptions(specs)
	if err != nil {
		return err
	}
	place, err := b.place(ctx, spec)
	if err != nil {
		return err
	}
	return errors.Join(b.pullInto(ctx, place, o), place.Close())
}

// pullInto makes the snapshot in place.
func (b *backup) pullInto(ctx context.Context, place *location.Place, o rsync.PullOptions) error {
	a := b.app
	if place.Tree == nil || place.Far() {
		return usagef("rsync brings files into a tree store on this machine: %s is not one", quote(place.Path))
	}
	opts := varve.SaveOptions{Series: b.job.series, Host: b.job.host, Sources: []string{"/"}, Tags: union(b.job.tags), Pinned: b.job.pin}
	if opts.Host == "" {
		opts.Host = escape(o.From.Host)
	}
	if opts.Series == "" {
		opts.Series = opts.Host + ":" + escape(strings.Trim(o.From.Module+"/"+o.From.Path, "/"))
	}
	if err := checkLabel("series", opts.Series); err != nil {
		return usage(err)
	}
	o.Receiver = a.receiver(place.Tree, place.Path, opts)
	result, err := rsync.Pull(ctx, o)
	if err != nil {
		return ofStore(place.Path, err)
	}
	r := newBackupReport(a, a.newMeter())
	r.summary(result.Snapshot, "")
	return incomplete(result.Snapshot)
}

// pullOptions reads what can be asked of an rsync daemon, and refuses the rest.
func (b *backup) pullOptions(specs []location.Spec) (o rsync.PullOptions, err error) {
	switch {
	case len(specs) != 1:
		return o, usagef("one backup takes one directory of an rsync daemon, and nothing else")
	case b.dryRun:
		return o, usagef("--dry-run does not work with an rsync daemon: its files cannot be looked at beforehand")
	case len(b.excludes.ifPresent) > 0:
		return o, usagef("--exclude-if-present does not work with an rsync daemon")
	}
	if o.From, err = rsync.ParseLocation(specs[0].String()); err != nil {
		return o, usage(err)
	}
	o.OneFileSystem, o.LargerThan = b.excludes.oneFS, b.excludes.largerThan
	if o.Password, err = b.rsyncPassword(); err != nil {
		return o, err
	}
	for _, e := range b.wanted.Request.Excludes {
		if e.Name == "" {
			o.Exclude = append(o.Exclude, e.Text)
			continue
		}
		rules, err := match.ParseExcludeFile(e.Name, []byte(e.Text))
		if err != nil {
			return o, usage(err)
		}
		if filterFile.MatchString(e.Text) {
			return o, usagef("%s: for an rsync daemon, write gitignore patterns, one a line, without + and - before them", quote(e.Name))
		}
		for _, rule := range rules {
			o.Exclude = append(o.Exclude, rule.String())
		}
	}
	return o, nil
}

// rsyncPassword returns the password for an rsync daemon: the first line of a file, or what rsync itself would take.
func (b *backup) rsyncPassword() (string, error) {
	if b.passwordFile == "" {
		return b.app.env("RSYNC_PASSWORD"), nil
	}
	text, err := os.ReadFile(b.passwordFile)
	if err != nil {
		return "", fmt.Errorf("read the rsync password: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line, nil
}
