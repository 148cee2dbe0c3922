package job

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"varve"
	"varve/internal/config"
	"varve/internal/history"
)

func TestStatusNamesSnapshotsAsTheirStoreDoes(t *testing.T) {
	b := newBed(t, twoStores)
	b.run()
	dir := mustDir(t, b, "src")
	must(t, errors.Join(dir.Remove("a"), dir.Remove("b")))
	if r := b.run(); r.Result != history.Suspect {
		t.Fatalf("%s, %v", r.Result, r.Err)
	}
	for i, name := range []string{"usb", "box"} {
		l, list := Status(b.deps, nil)[i], b.list(name)
		if l.Store != name || l.ID != list[0].ID || !l.Good.Equal(list[0].Time) {
			t.Errorf("%s: the last good one is %s, %s: %+v", name, list[0].ID, list[0].Time, l)
		}
		if h := l.Held; h == nil || h.Snapshots != 2 || h.Suspect != 1 || h.Incomplete != 0 || h.Doubtful != list[1].ID {
			t.Errorf("%s: %+v", name, h)
		}
		contains(t, strings.Join(l.Why, "\n"), "snapshot "+b.list("usb")[1].ID.Short()+" in store usb is suspect")
		contains(t, strings.Join(l.Notes, "\n"), "not good of 2 snapshots: 1 suspect; the newest of these is "+list[1].ID.Short())
	}
	seen := Status(b.deps, Seen{"usb": b.list("usb"), "box": b.list("box")[:1]})
	if l := seen[1]; l.ID != b.list("box")[0].ID || l.Held.Suspect != 0 || l.Notes != nil {
		t.Errorf("what was seen counts: %+v", l)
	}
}

func TestOldDoubtfulSnapshotsAreTold(t *testing.T) {
	b := newBed(t, twoStores)
	b.open = func(_ *config.Store, p *Place) (*Place, error) {
		p.Store = marked{p.Store}
		return p, nil
	}
	for range 3 {
		b.run()
	}
	l := Status(b.deps, nil)[1]
	if l.Level != Good || l.Held == nil || l.Held.Incomplete != 1 || l.Held.Snapshots != 3 {
		t.Errorf("%+v, %+v", l, l.Held)
	}
	contains(t, strings.Join(l.Notes, "\n"), "not good of 3 snapshots: 1 incomplete; ")
}

// marked is a store whose first snapshot is incomplete.
type marked struct{ varve.Store }

func (m marked) Snapshots(ctx context.Context) ([]varve.Snapshot, error) {
	list, err := m.Store.Snapshots(ctx)
	if len(list) > 0 {
		list[0].State = varve.Incomplete
	}
	return list, err
}

func TestStatusTellsHowLargeATreeIsAndWhatRunsAdd(t *testing.T) {
	b := newBed(t, strings.Replace(twoStores, `{ every = "never" }`, `{ every = "3d" }`, 1))
	want := func(size, last, week int64) {
		t.Helper()
		l := Status(b.deps, nil)[0]
		if l.Size == nil || l.Size.Used != size || l.Added.Last != last || l.Added.Week != week {
			t.Errorf("want %d, %d, %d: %+v, %+v", size, last, week, l.Size, l.Added)
		}
	}
	if l := Status(b.deps, nil)[0]; l.Size != nil || l.Added != (Added{Last: -1}) {
		t.Errorf("before the first run: %+v, %+v", l.Size, l.Added)
	}
	b.run() // alpha, beta
	want(9, 9, 9)
	b.write("src/a", "something else")
	b.run()
	want(23, 14, 23)
	b.write("src/a", "nothing")
	b.run() // alpha goes, and from now on no sum tells what is there
	want(23, 7, 30)
	b.run() // it is checked, and something else has gone
	want(11, 0, 30)
	for range 4 {
		b.run()
	}
	want(11, 0, 21)
	if l := Status(b.deps, nil)[1]; l.Added.Week != 21 || l.Added.Month != 30 || l.Size.Used != 30 {
		t.Errorf("the copies: %+v, %+v", l.Added, l.Size)
	}
}

func TestAVaultIsMeasuredOnceADay(t *testing.T) {
	b := newBed(t, twoStores)
	opts := b.makeVault()
	b.config.Stores[1].Place = "/vault"
	asked := 0
	b.deps.Open = func(ctx context.Context, s *config.Store, _ bool) (*Place, error) {
		p, err := OpenPlace(ctx, s.Place, opts)
		if err == nil && p.Packed != nil {
			packed := p.Packed
			p.Packed = func(ctx context.Context) (int64, error) { asked++; return packed(ctx) }
		}
		return p, err
	}
	before := int64(0)
	for day := range 3 {
		b.write("src/a", string(bytes.Repeat([]byte{byte(day)}, 5000)))
		b.run()
		if r := Run(t.Context(), b.config.Job("home"), How{}, b.deps); r.Err != nil {
			t.Fatal(r.Err)
		}
		l := Status(b.deps, nil)[1]
		if l.Size == nil || l.Size.Used <= before || asked != day+1 {
			t.Fatalf("day %d: %+v, asked %d times", day, l.Size, asked)
		}
		before = l.Size.Used
	}
	if l := Status(b.deps, nil)[1]; l.Growth <= 0 || l.Added.Last != 0 {
		t.Errorf("%d a day, %+v", l.Growth, l.Added)
	}
}
