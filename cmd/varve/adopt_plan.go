package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"varve"
	"varve/internal/adopt"
	"varve/internal/disk"
)

// taking is one directory that becomes a snapshot.
type taking struct {
	adopt.Found
	sub     string // the directory in it that is meant; empty for itself
	series  string
	host    string
	sources []string
}

// name is what the directory is called, relative to the one with the history.
func (t *taking) name() string { return strings.TrimSuffix(varve.Join(t.Path, t.sub), "/") }

// findings are what a directory holds.
type findings struct {
	take []taking
	left []adopt.Found
	// daily says that names tell the day alone.
	daily bool
}

// plan finds out what the directory at a path holds.
func (k *adopting) plan(dir disk.FS, at string, rs *adopt.Config) (*findings, error) {
	style, err := k.chooseStyle(dir, rs)
	if err != nil {
		return nil, err
	}
	now := k.app.now()
	style.Zone, style.Now = now.Location(), now
	list, err := adopt.Find(dir, style)
	if err != nil {
		return nil, err
	}
	h := &findings{daily: style.Daily()}
	for _, f := range list {
		if f.Condition != adopt.Whole && !(f.Condition == adopt.Doubtful && k.doubtful) {
			h.left = append(h.left, f)
			continue
		}
		if err := k.split(h, dir, at, f, rs); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		k.app.warn("%s holds nothing with names of snapshots", quote(at))
	}
	return h, k.checkSeries(h)
}

// chooseStyle returns the style that was asked for, or the only one that fits.
func (k *adopting) chooseStyle(dir disk.FS, rs *adopt.Config) (adopt.Style, error) {
	if rs != nil {
		if k.style != "" && k.style != "rsnapshot" {
			return adopt.Style{}, usagef("--config is about rsnapshot: --style %s does not go with it", k.style)
		}
		return rs.Style(), nil
	}
	switch {
	case k.style == "hactar":
		return adopt.Hactar(""), nil
	case strings.Contains(k.style, "%"):
		style, err := adopt.Named(k.style, "")
		return style, usage(err)
	}
	fits, err := adopt.Guess(dir)
	if err != nil {
		return adopt.Style{}, err
	}
	fits, err = k.ofStyle(fits)
	switch {
	case err != nil:
		return adopt.Style{}, err
	case len(fits) == 0:
		return k.noStyle(dir)
	case len(fits) > 1:
		return adopt.Style{}, usagef("there are names of several kinds: give --style %s", strings.Join(describeStyles(fits), ", or "))
	}
	return fits[0], nil
}

// noStyle is the style where none fits: any for an empty directory, from which all was taken already.
func (k *adopting) noStyle(dir disk.FS) (adopt.Style, error) {
	names, err := dir.Names()
	if err == nil && len(names) > 0 {
		err = usagef("nothing here looks like snapshots: give --style PATTERN, or for rsnapshot --config FILE")
	}
	return adopt.Hactar(""), err
}

// ofStyle returns those styles that have the name of one.
func (k *adopting) ofStyle(fits []adopt.Style) ([]adopt.Style, error) {
	switch k.style {
	case "":
		return fits, nil
	case "rsnapshot":
		return slices.DeleteFunc(fits, func(s adopt.Style) bool { return len(s.Levels) == 0 }), nil
	case "prefix":
		return slices.DeleteFunc(fits, func(s adopt.Style) bool { return len(s.Levels) > 0 || strings.HasPrefix(s.Names, "%F") }), nil
	}
	return nil, usagef("--style %q: want hactar, prefix, rsnapshot, rdiff-backup, or a pattern such as %%F", k.style)
}

// describeStyles returns what to give for each style.
func describeStyles(fits []adopt.Style) []string {
	var words []string
	for _, s := range fits {
		word := "rsnapshot"
		if s.Names != "" {
			word = quote(s.Names)
		}
		words = append(words, word)
	}
	return words
}

// split adds the snapshots that a directory is: one, or with rsnapshot one for each thing that was backed up.
func (k *adopting) split(h *findings, dir disk.FS, at string, f adopt.Found, rs *adopt.Config) error {
	host, err := k.hostName()
	if err != nil {
		return err
	}
	if f.Level == "" || rs != nil && !rs.Splits() {
		t := taking{Found: f, series: f.Series, host: host, sources: []string{"/" + k.path}}
		if t.series == "" || f.Level != "" {
			t.series = escape(filepath.Base(at))
		}
		h.take = append(h.take, t)
		return nil
	}
	subs, err := directoriesIn(dir, f.Path)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		h.take = append(h.take, k.point(f, sub, host, rs))
	}
	return nil
}

// directoriesIn returns the names of the directories in a directory, sorted.
func directoriesIn(dir disk.FS, name string) (subs []string, err error) {
	at, err := dir.OpenDir(name)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	names, err := at.Names()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		info, err := at.Lookup(n.Name)
		if err != nil {
			return nil, err
		}
		if info.Kind == varve.Dir {
			subs = append(subs, n.Name)
		}
	}
	slices.Sort(subs)
	return subs, nil
}

// point is the snapshot of one thing that rsnapshot has backed up.
func (k *adopting) point(f adopt.Found, sub, host string, rs *adopt.Config) taking {
	t := taking{Found: f, sub: sub, series: escape(sub), host: host}
	if rs != nil {
		for _, p := range rs.Of(sub) {
			if path := p.Path(); path != "" {
				t.sources = append(t.sources, path)
			}
			if far := p.Host(); far != "" && k.host == "" {
				t.host = escape(far)
			}
		}
	}
	if t.sources = unique(t.sources); len(t.sources) == 0 || k.path != "" {
		t.sources = []string{"/" + k.path}
	}
	return t
}

// checkSeries gives all snapshots the series that was asked for.
func (k *adopting) checkSeries(h *findings) error {
	met := map[string]bool{}
	for i := range h.take {
		t := &h.take[i]
		met[t.series] = true
		if k.series != "" {
			t.series = k.series
		}
		if err := checkLabel("series", t.series); err != nil {
			return usage(fmt.Errorf("%w: give --series NAME", err))
		}
	}
	if k.series != "" && len(met) > 1 {
		return usagef("--series %s is one name, and there are several things: %s", k.series, strings.Join(sorted(met), ", "))
	}
	return nil
}

// sorted returns the keys of a set.
func sorted(set map[string]bool) (list []string) {
	for key := range set {
		list = append(list, quote(key))
	}
	slices.Sort(list)
	return list
}

// running returns an error where rsnapshot is at work: it renames directories.
func (k *adopting) running(rs *adopt.Config) error {
	if rs == nil || rs.LockFile == "" {
		return nil
	}
	dir, err := k.app.open(filepath.Dir(rs.LockFile))
	if err != nil {
		return nil // there can be no such file
	}
	defer dir.Close()
	if _, err := dir.Lookup(filepath.Base(rs.LockFile)); err != nil {
		return nil
	}
	return marked{fmt.Sprintf("rsnapshot is running: %s is there (remove it if rsnapshot was killed)", quote(rs.LockFile)), varve.ErrBusy}
}

// localTime is when a snapshot was made, as people here tell it.
func (k *adopting) localTime(t *taking) time.Time { return t.Time.In(k.app.now().Location()) }
