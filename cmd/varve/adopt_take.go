package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"varve"
	"varve/internal/adopt"
	"varve/internal/disk"
	"varve/internal/location"
	"varve/internal/rsync"
	"varve/internal/tree"
	"varve/internal/walk"
)

// takeDirectories takes in the directories in dir, which is at a path.
func (k *adopting) takeDirectories(ctx context.Context, dir disk.FS, at string, rs *adopt.Config) error {
	h, err := k.plan(dir, at, rs)
	if err != nil {
		return err
	}
	if !k.given("day-names") {
		k.dayNames = h.daily
	}
	if err := k.show(h); err != nil {
		return err
	}
	if k.dryRun {
		return k.tellPolicy(rs)
	}
	if err := k.running(rs); err != nil {
		return err
	}
	err = k.withTarget(ctx, func(place *location.Place) error {
		if k.copies {
			return k.copyAll(ctx, place, dir, h)
		}
		return k.adoptAll(ctx, place, dir, h)
	})
	if err != nil {
		return err
	}
	return k.tellPolicy(rs)
}

// adoptAll makes the directories snapshots as they are.
func (k *adopting) adoptAll(ctx context.Context, place *location.Place, dir disk.FS, h *findings) error {
	if place.Tree == nil || place.Far() {
		return usagef("%s is not a tree store on this machine: directories can be saved in it, with --copy, and not moved into it", quote(place.Path))
	}
	if err := place.Store.Forget(ctx); err != nil { // finishes what was interrupted
		return err
	}
	begun, err := k.seriesOf(ctx, place.Store)
	if err != nil {
		return err
	}
	links := map[string]*tree.Links{}
	for i := range h.take {
		t := &h.take[i]
		if begun[t.series] == nil && links[t.series] == nil {
			links[t.series] = &tree.Links{}
		}
		snap, err := k.adoptOne(ctx, place.Tree, dir, t, links[t.series])
		if err != nil {
			return err
		}
		if err := k.tell("adopted", t.name(), snap); err != nil {
			return err
		}
	}
	k.tidy(dir, h)
	k.warnShared(links)
	return nil
}

// seriesOf returns the snapshots of a store, by their series.
func (k *adopting) seriesOf(ctx context.Context, store varve.Store) (map[string][]varve.Snapshot, error) {
	c, err := k.app.quietList(ctx, store, &filterFlags{})
	if err != nil {
		return nil, err
	}
	by := map[string][]varve.Snapshot{}
	for _, s := range c.list {
		by[s.Series] = append(by[s.Series], s)
	}
	return by, nil
}

// adoptOne makes one directory a snapshot.
func (k *adopting) adoptOne(ctx context.Context, store *tree.Store, dir disk.FS, t *taking, links *tree.Links) (snap varve.Snapshot, err error) {
	from := tree.Adoptee{Dir: dir, Name: t.Path, Path: k.path, Time: k.localTime(t), Links: links}
	if t.sub != "" {
		if from.Dir, err = dir.OpenDir(t.Path); err != nil {
			return snap, err
		}
		defer func() { err = errors.Join(err, from.Dir.Close()) }()
		from.Name = t.sub
	}
	return snap, k.read(from.Dir, from.Name, t, func(src varve.Source, report func(varve.Event)) error {
		snap, err = store.Adopt(ctx, src, from, varve.SaveOptions{Series: t.series, Host: t.host, Sources: t.sources, Tags: union(k.tags),
			Program: program(), Progress: report})
		return err
	})
}

// read calls f with the files of a directory, which tells of its progress.
func (k *adopting) read(dir disk.FS, name string, t *taking, f func(src varve.Source, report func(varve.Event)) error) error {
	top, err := dir.OpenDir(name)
	if err != nil {
		return err
	}
	files, err := walk.New(top, []string{""}, walk.Options{Now: k.app.now})
	if err != nil {
		return err
	}
	var src varve.Source = files
	if k.fakeSuper {
		src = rsync.Faked(src)
	} else if !k.given("fake-super") {
		src = honest{src}
	}
	m := k.app.newMeter()
	report := newBackupReport(k.app, m)
	err = k.app.watch(m, func() error { return f(adopt.Under(src, k.path, t.Time), report.event) })
	report.close()
	return errors.Join(err, files.Close())
}

// honest is a source that ends with the first object whose metadata rsync keeps in attributes.
type honest struct{ varve.Source }

// Entries yields what is as it seems.
func (h honest) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range h.Source.Entries(ctx) {
			if err == nil && rsync.IsFaked(&e) {
				err = usagef("/%s has attributes of rsync --fake-super: give --fake-super to read them, or --fake-super=false to keep them as they are", e.Path)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// tidy removes the directories that nothing is left of.
func (k *adopting) tidy(dir disk.FS, h *findings) {
	for i := range h.take {
		if t := &h.take[i]; t.sub != "" {
			if err := dir.Rmdir(t.Path); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, disk.ErrNotEmpty) {
				k.app.warn("tidy up: %s", describe(err))
			}
		}
	}
}

// warnShared tells of names by which adopted files can still be changed.
func (k *adopting) warnShared(links map[string]*tree.Links) {
	var n int64
	all := true
	for _, l := range links {
		more, whole := l.Outside()
		n, all = n+more, all && whole
	}
	if n == 0 && all {
		return
	}
	least := ""
	if !all {
		least = "at least "
	}
	k.app.warn("%s%s adopted, and left outside of the store, too: whoever changes one of them there in place changes snapshots (varve verify would tell)",
		least, count(n, "file was", "files were"))
}

// copyAll saves the directories.
func (k *adopting) copyAll(ctx context.Context, place *location.Place, dir disk.FS, h *findings) error {
	by, err := k.seriesOf(ctx, place.Store)
	if err != nil {
		return err
	}
	var lacking error
	for i := range h.take {
		t := &h.take[i]
		if done, err := present(by[t.series], varve.TimeOf(t.Time)); done || err != nil {
			if err != nil {
				return fmt.Errorf("%s: %w", quote(t.name()), err)
			}
			continue
		}
		snap, err := k.copyOne(ctx, place.Store, dir, t)
		if err != nil {
			return err
		}
		if err := k.tell("saved", t.name(), snap); err != nil {
			return err
		}
		lacking = errors.Join(lacking, incomplete(snap))
	}
	return lacking
}

// present reports whether there is a snapshot of a time; an error where there is none, but a newer one.
func present(list []varve.Snapshot, at varve.Time) (bool, error) {
	newer := false
	for _, s := range list {
		if varve.TimeOf(s.Time) == at {
			return true, nil
		}
		newer = newer || s.Time.After(at.Time())
	}
	if newer {
		return false, tree.ErrOrder
	}
	return false, nil
}

// copyOne saves one directory.
func (k *adopting) copyOne(ctx context.Context, store varve.Store, dir disk.FS, t *taking) (snap varve.Snapshot, err error) {
	up, err := disk.OpenPath(dir, varve.Parent(t.name()))
	if err != nil {
		return snap, err
	}
	if up != dir {
		defer func() { err = errors.Join(err, up.Close()) }()
	}
	e := varve.Entry{Path: t.name()}
	return snap, k.read(up, e.Name(), t, func(src varve.Source, report func(varve.Event)) error {
		snap, err = store.Save(ctx, src, k.options(t.series, t.host, t.sources, varve.TimeOf(k.localTime(t)), report))
		return err
	})
}

// options are those of a snapshot that is saved now and was made at another time.
func (k *adopting) options(series, host string, sources []string, at varve.Time, report func(varve.Event)) varve.SaveOptions {
	made := at.Time().In(k.app.now().Location())
	return varve.SaveOptions{Series: series, Program: program(), Now: k.app.now, Progress: report, Alone: true,
		Origin: &varve.Snapshot{Time: made, End: made, Host: host, Sources: sources, Tags: union(k.tags), State: varve.Complete, Program: program()}}
}
