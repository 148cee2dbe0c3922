package job

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/history"
)

// saving is a store whose Save asks before it does what it should.
type saving struct {
	varve.Store
	before func(o varve.SaveOptions) error
}

func (s saving) Save(ctx context.Context, src varve.Source, o varve.SaveOptions) (varve.Snapshot, error) {
	if err := s.before(o); err != nil {
		return varve.Snapshot{}, err
	}
	return s.Store.Save(ctx, src, o)
}

// saveBy has a store save as before says.
func (b *bed) saveBy(name string, before func(o varve.SaveOptions) error) {
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name == name {
			p.Store = saving{p.Store, before}
		}
		return p, nil
	}
}

func TestDamageThatARunComesUponIsAnAlarmAndRemovesNothing(t *testing.T) {
	for i, name := range []string{"usb", "box"} { // which saves, and which gets a copy
		b := newBed(t, strings.ReplaceAll(twoStores, `"never"`, `"9w"`))
		past(t, b)
		before := len(b.list("usb"))
		b.saveBy(name, func(o varve.SaveOptions) error {
			o.Progress(varve.Event{Kind: varve.Damage, Path: "src/a", Err: varve.ErrDamaged})
			return nil
		})
		r := b.run()
		if r.Result != history.Success || !errors.Is(r.Err, varve.ErrDamaged) || !errors.Is(r.Stores[i].Err, varve.ErrDamaged) ||
			r.Stores[1-i].Err != nil || r.Event() != config.Failure {
			t.Errorf("%s: %s, %v, %v", name, r.Result, r.Err, r.Event())
		}
		if after := len(b.list("usb")); after != before+1 {
			t.Errorf("%s: %d snapshots, and %d before", name, after, before)
		}
		if r.Stores[i].Verify == nil || r.Stores[1-i].Verify != nil {
			t.Errorf("%s: what is damaged besides was not looked for: %+v", name, r.Stores)
		}
		b.open = nil
		if r = b.run(); r.Err != nil {
			t.Errorf("%s: the next run: %v", name, r.Err)
		}
	}
}

func TestWhatDoesNotFitIntoAStoreDoesNotKeepTheNewestOut(t *testing.T) {
	b := newBed(t, twoStores)
	b.want(b.run(), history.Success, 1, 1)
	b.saveBy("box", func(o varve.SaveOptions) error {
		if o.Origin.Bytes > 1000 {
			return disk.ErrNoSpace
		}
		return nil
	})
	b.write("src/a", strings.Repeat("large", 1000))
	for range 2 {
		r := b.run()
		if len(b.list("box")) != 1 || !errors.Is(r.Stores[1].Err, disk.ErrNoSpace) {
			t.Errorf("%d, %v", len(b.list("box")), r.Err)
		}
	}
	b.write("src/a", "small")
	r := b.run()
	if len(b.list("box")) != 2 || !errors.Is(r.Err, disk.ErrNoSpace) || !b.job().Good["box"].Equal(r.Snapshot.Time) {
		t.Errorf("%d snapshots, %v, %+v", len(b.list("box")), r.Err, b.job().Good)
	}
	if r = b.run(); r.Err != nil || len(b.list("box")) != 3 {
		t.Errorf("%d snapshots, %v", len(b.list("box")), r.Err)
	}
}

func TestWhatAStoreCaughtUpWithIsRememberedThoughItTookNothingElse(t *testing.T) {
	b := newBed(t, twoStores)
	b.open = func(s *config.Store, p *Place) (*Place, error) {
		if s.Name == "usb" {
			return nil, errors.Join(varve.ErrNoStore, p.Close())
		}
		return p, nil
	}
	away := b.run()
	b.saveBy("usb", func(o varve.SaveOptions) error {
		if o.Origin == nil {
			return disk.ErrNoSpace
		}
		return nil
	})
	b.want(b.run(), history.Success, 1, 2)
	if h, usb := b.job(), b.list("usb"); !h.Good["usb"].Equal(away.Snapshot.Time) || h.GoodID["usb"] != usb[0].ID {
		t.Errorf("%+v, %+v; want %v", h.Good, h.GoodID, away.Snapshot.Time)
	}
}

func TestARunThatWasKilledIsWarnedOfWhereNoNoticeTellsOfIt(t *testing.T) {
	for text, want := range map[string]bool{"": true, "[notice.n]\nkind = \"command\"\nrun = \"true\"\n": false} {
		b := newBed(t, twoStores+text)
		must(t, hang(t, b).Close())
		b.want(b.run(), history.Success, 1, 1)
		if got := slices.ContainsFunc(b.warned, func(err error) bool { return strings.Contains(err.Error(), "was killed") }); got != want {
			t.Errorf("%q: %v", text, b.warned)
		}
	}
}
