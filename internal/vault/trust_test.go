package vault

import (
	"context"
	"errors"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/faulty"
	"varve/internal/backend/mem"
	"varve/internal/seal"
)

// at returns the options of a machine that remembers places.
func (s *site) at(place string) Options {
	opts := s.machine()
	opts.Place = place
	return opts
}

func TestAnotherVaultInThePlaceOfOneIsNoticed(t *testing.T) {
	s := newSite(t)
	opts := s.at("/mnt/vault")
	s.save(s.open(s.mem, s.key, opts), "a", s.grove(2000, 1))
	other := mem.New(mem.Options{})
	if _, err := Init(t.Context(), other, InitOptions{Unencrypted: true}); err != nil {
		t.Fatal(err)
	}
	given := Credentials{Passphrase: func(context.Context) (string, error) { return "secret", nil }, Given: true}
	for name, creds := range map[string]Credentials{"a key": {Key: &s.key}, "a passphrase": given, "nothing": {}} {
		if _, err := Open(t.Context(), unclosed{other}, creds, opts); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("with %s: %v", name, err)
		}
	}
	if _, err := Open(t.Context(), unclosed{other}, given, s.machine()); !errors.Is(err, ErrExposed) {
		t.Errorf("a machine that knows no place gives its passphrase away: %v", err)
	}
	if _, err := Open(t.Context(), unclosed{other}, Credentials{Key: &s.key}, s.machine()); !errors.Is(err, ErrKey) {
		t.Errorf("a machine that knows no place passes over its key: %v", err)
	}
}

func TestPruneKeepsTheWholeOneOfTwoCopies(t *testing.T) {
	s := newSite(t)
	s.save(s.admin(), "a", s.grove(300_000, 1, 2, 3))
	for _, name := range s.objects(backend.Data) {
		data, err := s.mem.Get(t.Context(), name, 0, -1)
		s.must(err)
		if len(data) > 500_000 {
			data[1000] ^= 1
			s.mem.Set(name, data)
		}
	}
	snap, err := s.admin().Save(t.Context(), s.tree, varve.SaveOptions{Series: "a", Now: s.now, Recheck: true})
	s.must(err)
	s.want[snap.ID] = s.tree.Want()
	s.sound("checked again")
	s.later(3 * silence)
	s.prune(s.admin())
	s.sound("after a prune")
}

func TestAPutOnlyClientTakesNobodysPlace(t *testing.T) {
	s := newSite(t)
	admin := s.admin()
	s.save(admin, "home", s.grove(2000, 1))
	key, err := admin.AddClient(t.Context(), "web")
	s.must(err)
	web := s.open(s.mem, key, s.machine())
	_, err = web.Save(t.Context(), s.grove(2000, 2), varve.SaveOptions{Series: "home", Now: s.now})
	s.must(err)
	list, err := s.admin().Snapshots(t.Context())
	s.must(err)
	if len(list) != 2 || list[0].Series == list[1].Series || list[1].Series != "web:home" {
		t.Errorf("the client's snapshot stands in the series of another: %+v", list)
	}
}

func TestASaveWhoseClientIsRemovedMeanwhileIsNoSuccess(t *testing.T) {
	s := newSite(t)
	admin := s.admin()
	key, err := admin.AddClient(t.Context(), "web")
	s.must(err)
	done := false
	inj := &faulty.Injector{At: 1, Sticky: true, Filter: changes, Fault: faulty.Fault{Effect: faulty.Whole}, Do: func(faulty.Op) {
		if !done {
			done = true
			s.must(admin.RemoveKey(context.Background(), "web"))
		}
	}}
	web := s.open(faulty.New(s.mem, inj), key, s.machine())
	if _, err := web.Save(t.Context(), s.grove(2000, 1), varve.SaveOptions{Series: "web", Now: s.now}); !errors.Is(err, ErrKey) {
		t.Errorf("a save after the removal: %v", err)
	}
	if !done {
		t.Error("nothing was removed")
	}
}

func TestJunkStopsNobody(t *testing.T) {
	s := newSite(t)
	s.save(s.admin(), "a", s.grove(2000, 1))
	junk := append([]byte("varvez\x02\x63"), make([]byte, 100)...)
	for _, k := range []backend.Kind{backend.Keys, backend.Snapshots, backend.Data} {
		if _, err := backend.Save(t.Context(), s.mem, k, junk); err != nil {
			t.Fatal(err)
		}
	}
	s.sound("with junk beside")
	s.save(s.admin(), "a", s.grove(2000, 2))
	s.sound("saved beside junk")
	// It may be of a newer program, which knows what it needs.
	if _, err := s.admin().Prune(t.Context(), everything); !errors.Is(err, seal.ErrVersion) {
		t.Errorf("a prune beside a record of another version: %v", err)
	}
}

func TestRepairKeepsWhatOnlyAnIndexTells(t *testing.T) {
	s := newSite(t)
	s.save(s.admin(), "a", s.grove(2000, 1, 2))
	for _, name := range s.objects(backend.Data) {
		data, err := s.mem.Get(t.Context(), name, 0, -1)
		s.must(err)
		data[len(data)-1] ^= 1
		s.mem.Set(name, data)
	}
	s.sound("before")
	if _, err := s.admin().Repair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.cast = map[string]*player{}
	s.sound("after a repair")
}
