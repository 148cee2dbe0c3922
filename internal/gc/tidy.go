package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Tidied says what Tidy did.
type Tidied struct {
	// Sealed are the object names of the records that were found complete, Tombed of those that never can be.
	Sealed []string `json:"sealed"`
	Tombed []string `json:"tombed"`
	// Left counts the unsealed records of silent writers that are neither: something they need is in a condemned pack alone.
	Left int `json:"left"`
}

// Tidy sees to unsealed snapshot records of silent writers, as an admin: those that have all they need become snapshots, those that
// lack something get a tomb. Silent should leave out the records of writers that may be at work, to save them and others work;
// nothing is lost if it is wrong: a writer that has reported success is never undone, one that has not starts again.
func (p *Protocol) Tidy(ctx context.Context, contents Contents, silent func(Snap) bool) (Tidied, error) {
	t := &tidying{reader: newReader(p), contents: contents, there: map[string]bool{}, usable: map[string]bool{}}
	if err := t.run(ctx, silent); err != nil {
		return t.report, fmt.Errorf("tidy up: %w", err)
	}
	return t.report, nil
}

// tidying is one helper under way.
type tidying struct {
	*reader
	contents Contents
	there    map[string]bool // the packs whose content is known
	usable   map[string]bool // those of them that stay for a snapshot that is sealed now
	report   Tidied
}

func (t *tidying) run(ctx context.Context, silent func(Snap) bool) error {
	snaps, err := t.snapshots(ctx)
	snaps = slices.DeleteFunc(snaps, func(s Snap) bool {
		return len(s.Data) == 0 || len(s.Seals) > 0 || len(s.Tombs) > 0 || !silent(s)
	})
	if err != nil || len(snaps) == 0 {
		return err
	}
	// The records can be seen, so their packs were put before; now listings show these as well.
	if err := t.settle(ctx); err != nil {
		return err
	}
	if err := t.learn(ctx); err != nil {
		return err
	}
	if err := t.find(ctx); err != nil {
		return err
	}
	for _, s := range snaps {
		if err := t.decide(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// learn lists the packs and has the content of each learned.
func (t *tidying) learn(ctx context.Context) (err error) {
	for range listings {
		objects, listErr := t.list(ctx, packs)
		if listErr != nil {
			return listErr
		}
		if err = t.contents.Learn(ctx, objects); err == nil {
			for _, o := range objects {
				t.there[o.Name] = true
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := t.settle(ctx); err != nil {
			return err
		}
	}
	return err
}

// find is what a writer does before it seals: W3, then W4.
func (t *tidying) find(ctx context.Context) error {
	records, err := t.condemned(ctx, "")
	if err != nil {
		return err
	}
	objects, err := t.list(ctx, packs)
	for _, o := range objects {
		t.usable[o.Name] = t.there[o.Name]
	}
	for _, r := range records {
		for _, name := range r.Names {
			delete(t.usable, name)
		}
	}
	return err
}

// decide seals one record, gives it up, or leaves it.
func (t *tidying) decide(ctx context.Context, s Snap) error {
	lacks, err := t.contents.Lacks(ctx, s, func(pack string) bool { return t.usable[pack] })
	if err == nil && !lacks {
		t.report.Sealed = append(t.report.Sealed, s.Name)
		return t.putSeal(ctx, s.Name)
	}
	if err == nil {
		lacks, err = t.contents.Lacks(ctx, s, func(pack string) bool { return t.there[pack] })
	}
	switch {
	case err == nil && lacks:
		return t.giveUp(ctx, s.Name)
	case err == nil || errors.Is(err, fs.ErrNotExist): // a pack went meanwhile: another time
		t.report.Left++
		return nil
	}
	return err
}

// giveUp puts a tomb for an unsealed record, unless its writer turns out to be alive. A writer seals first and looks for doubt then;
// here doubt comes first and the look for a seal then. So either the writer learns that it failed, or the record is left alone.
func (t *tidying) giveUp(ctx context.Context, snap string) error {
	d := &doubt{reader: t.reader, snap: snap}
	for _, step := range t.rules().giveUp {
		if err := step(d, ctx); err != nil {
			d.withdraw(ctx)
			return err
		}
	}
	if d.sealed {
		t.report.Left++
	} else {
		t.report.Tombed = append(t.report.Tombed, snap)
	}
	return nil
}

// doubt is one snapshot record that is being given up.
type doubt struct {
	*reader
	snap   string
	record string
	sealed bool
	begun  bool // there may be a tomb
}

// flag puts a condemn record that lists the snapshot record: H2.
func (d *doubt) flag(ctx context.Context) error {
	data, err := d.Codec.Condemn([]string{d.snap})
	if err != nil {
		return err
	}
	d.record = nameOf(condemned, data)
	return d.put(ctx, d.record, data)
}

// look looks whether the record has a seal by now: H3.
func (d *doubt) look(ctx context.Context) error {
	snaps, err := d.snapshots(ctx)
	for _, s := range snaps {
		if s.Name == d.snap && len(s.Seals) > 0 {
			d.sealed = true
		}
		if s.Err != nil {
			return s.Err
		}
	}
	return err
}

// tomb puts the tomb: H4.
func (d *doubt) tomb(ctx context.Context) error {
	if d.sealed {
		return nil
	}
	d.begun = true
	return d.Forget(ctx, d.snap)
}

// unflag removes the doubt: H5. It comes after a pause in which listings begin to show the tomb.
func (d *doubt) unflag(ctx context.Context) error { return d.remove(ctx, d.record) }

// withdraw removes the doubt after an error, if nothing came of it. Where that fails it stays, and only its snapshot record minds.
func (d *doubt) withdraw(ctx context.Context) {
	if d.record != "" && !d.begun {
		_ = d.remove(ctx, d.record)
	}
}
