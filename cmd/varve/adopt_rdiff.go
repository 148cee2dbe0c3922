package main

import (
	"context"
	"errors"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"varve"
	"varve/internal/adopt"
	"varve/internal/location"
	"varve/internal/rdiff"
)

// takeSessions saves all sessions of an rdiff-backup repository at a path, the oldest first.
func (k *adopting) takeSessions(ctx context.Context, repo *rdiff.Repository, at string) error {
	host, err := k.hostName()
	if err != nil {
		return err
	}
	if k.series == "" {
		k.series = escape(filepath.Base(at))
	}
	if err := checkLabel("series", k.series); err != nil {
		return usage(err)
	}
	if began, aborted := repo.Aborted(); aborted {
		k.app.warn("the session of %s did not come to its end, and is left out", k.app.timeText(began))
	}
	if k.dryRun {
		return k.showSessions(repo.Times())
	}
	return k.withTarget(ctx, func(place *location.Place) error {
		by, err := k.seriesOf(ctx, place.Store)
		if err != nil {
			return err
		}
		var lacking error
		for _, t := range repo.Times() {
			done, err := present(by[k.series], varve.TimeOf(t))
			if err != nil {
				return errors.Join(err, lacking)
			}
			if done {
				continue
			}
			snap, err := k.takeSession(ctx, place.Store, repo, t, host)
			if err != nil {
				return err
			}
			lacking = errors.Join(lacking, incomplete(snap))
		}
		return lacking
	})
}

// showSessions tells which sessions there are.
func (k *adopting) showSessions(times []time.Time) error {
	h := &findings{}
	for _, t := range times {
		h.take = append(h.take, taking{Found: adopt.Found{Path: t.Format(time.RFC3339), Time: t, From: adopt.FromName, Condition: adopt.Whole},
			series: k.series})
	}
	return k.show(h)
}

// takeSession saves one session.
func (k *adopting) takeSession(ctx context.Context, store varve.Store, repo *rdiff.Repository, t time.Time, host string) (snap varve.Snapshot, err error) {
	v, err := repo.At(ctx, t)
	if err != nil {
		return snap, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	name := t.Format(time.RFC3339)
	for _, note := range v.Notes() {
		k.app.warn("session of %s: %s", name, plain(note))
	}
	m := k.app.newMeter()
	report := newBackupReport(k.app, m)
	options := k.options(k.series, host, []string{"/" + k.path}, varve.TimeOf(t), report.event)
	err = k.app.watch(m, func() error {
		snap, err = store.Save(ctx, adopt.Under(v, k.path, t), options)
		return err
	})
	report.close()
	if err != nil {
		return snap, err
	}
	return snap, k.tell("saved", name, snap)
}

// userID returns the number of a user of this machine.
func userID(name string) (uint32, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	return number(u.Uid)
}

// groupID returns the number of a group of this machine.
func groupID(name string) (uint32, bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	return number(g.Gid)
}

func number(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil
}
