package vault

import (
	"bytes"
	"path/filepath"
	"testing"
	"testing/synctest"

	"varve/internal/backend/faulty"
	"varve/internal/storetest"
)

func TestWhatIsKeptOfAFarVaultProvesNothing(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.root)
	e.save(e.machine(e.root), garden(), "series")
	look := func(s *Store) error {
		v, err := s.View(t.Context(), e.held[0].snap.ID)
		if err == nil {
			_, err = storetest.ReadDir(t.Context(), v, "dir")
		}
		return err
	}
	s, _ := e.distant(m)
	e.need(look(s))
	e.need(s.Close())
	kept, err := filepath.Glob(filepath.Join(m.cache(), "*", objectsName, "*", "*"))
	if err != nil || len(kept) < 3 { // the record, its seal, a page
		t.Fatalf("kept: %v, %v", kept, err)
	}
	for _, prefix := range []string{"snapshots/", "data/"} {
		t.Run(prefix, func(t *testing.T) {
			e := e.copy(t)
			for _, name := range e.names(prefix) {
				data := bytes.Clone(e.object(name))
				data[len(data)/2] ^= 1
				for i := range 1000 { // wherever its blobs are
					data[(i*37)%len(data)] ^= 1
				}
				e.store.Set(name, data)
			}
			s, _ := e.distant(m.copy(e))
			defer s.Close()
			if err := look(s); err != nil {
				t.Errorf("what is kept was not used: %v", err)
			}
			list, err := findings(s)
			if err == nil && len(list) == 0 {
				t.Error("verify found nothing")
			}
		})
	}
}

func TestWhatIsKeptDamagedIsReadFromTheStorage(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.root)
	src := garden()
	e.save(e.machine(e.root), src, "series")
	whole := e.store
	e.store = e.store.Clone()
	for _, name := range e.names("data/") { // what comes damaged is kept as it comes
		data := bytes.Clone(e.object(name))
		for i := range data {
			data[i] ^= 1
		}
		e.store.Set(name, data)
	}
	s, _ := e.distant(m)
	if _, err := s.Snapshots(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := s.View(t.Context(), e.held[0].snap.ID); err == nil {
		if _, err := storetest.ReadDir(t.Context(), v, "dir"); err == nil {
			t.Error("damaged pages were read")
		}
	}
	e.need(s.Close())
	e.store = whole
	s, _ = e.distant(m)
	e.soundIn(s)
	e.need(s.Close())
}

func TestTheContractHoldsForAFarVault(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Storage {
		p := newGround(t)
		p.opts.Requests = 8
		return p
	})
}

func TestAFarVaultSurvivesAFaultAnywhere(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.root)
	e.save(m, garden(), "series")
	for at, struck := 1, true; struck; at++ {
		synctest.Test(t, func(t *testing.T) {
			e, m := e.copy(t), m.copy(e)
			inj := &faulty.Injector{At: at, Fault: faulty.Kill(faulty.Nothing)}
			s, err := e.tryDistant(m, &far{Backend: faulty.New(unclosed{e.store}, inj)})
			if err == nil {
				_, err = e.trySave(s, wild(), "series")
				e.need(s.Close())
			}
			if struck = inj.Count() >= at; struck != (err != nil) {
				t.Errorf("fault %d: struck %v, error %v", at, struck, err)
			}
			e.sound(wild().Want())
		})
	}
}
