package vault

import (
	"context"
	"errors"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/faulty"
	"varve/internal/seal"
)

// killed returns an injector that kills at every change of the storage, before or after it.
func killed(effect faulty.Effect) func(*site, int) *faulty.Injector {
	return func(*site, int) *faulty.Injector { return &faulty.Injector{Fault: faulty.Kill(effect), Filter: changes} }
}

// mayDie fails the test where err is anything but the death that was meant.
func (s *site) mayDie(when string, err error) {
	s.Helper()
	if err != nil && !errors.Is(err, faulty.ErrKilled) && !errors.Is(err, faulty.ErrFault) {
		s.Errorf("at %s: %v", when, err)
	}
}

func TestABackupThatIsKilledAnywhereCostsTheNextOneTimeOnly(t *testing.T) {
	s := newSite(t)
	s.save(s.play("writer", s.mem), "a", s.grove(2000, 1))
	s.grove(2000, 1, 2)
	for _, effect := range []faulty.Effect{faulty.Nothing, faulty.Whole} {
		s.everywhere(killed(effect), func(f *site, b varve.Backend, when string) {
			snap, err := f.open(b, f.key, f.machine()).Save(context.Background(), f.tree, varve.SaveOptions{Series: "a", Now: f.now})
			f.mayDie(when, err)
			if err == nil {
				f.want[snap.ID] = f.tree.Want()
			} else if list, listErr := f.play("judge", f.mem).Snapshots(context.Background()); listErr == nil && len(list) > len(f.want) {
				f.want[list[len(list)-1].ID] = f.tree.Want() // it died after it had sealed
			}
			f.sound("killed at " + when)
			f.save(f.open(f.mem, f.key, f.machine()), "a", f.tree)
			f.sound("saved after a death at " + when)
		})
	}
}

func TestForgetAndUnforgetKilledAnywhereAreDoneAgain(t *testing.T) {
	s := newSite(t)
	w := s.play("writer", s.mem)
	first := s.save(w, "a", s.grove(2000, 1))
	second := s.save(w, "a", s.grove(2000, 2))
	for _, effect := range []faulty.Effect{faulty.Nothing, faulty.Whole} {
		s.everywhere(killed(effect), func(f *site, b varve.Backend, when string) {
			f.mayDie(when, f.play("killed", b).Forget(context.Background(), first, second))
			next := f.open(f.mem, f.key, f.machine())
			list, err := next.Snapshots(context.Background())
			f.must(err)
			for _, snap := range list {
				f.must(next.Forget(context.Background(), snap.ID))
			}
			if other, err := Open(context.Background(), unclosed{b}, Credentials{Key: &f.key}, f.machine()); err == nil {
				f.Cleanup(func() { other.Close() })
				f.mayDie(when, other.Unforget(context.Background(), first))
			}
			f.must(next.Unforget(context.Background(), first, second))
			f.sound("brought back after deaths at " + when)
		})
	}
}

func TestChangesOfKeysKilledAnywhereLeaveAKeyThatOpensEverything(t *testing.T) {
	s := newSite(t)
	s.save(s.play("writer", s.mem), "a", s.grove(2000, 1))
	recipient := passphraseRecipient(t)
	s.must(s.play("writer", s.mem).AddWrapped(t.Context(), "first", seal.RestoreKey, recipient))
	for _, effect := range []faulty.Effect{faulty.Nothing, faulty.Whole} {
		s.everywhere(killed(effect), func(f *site, b varve.Backend, when string) {
			store := f.open(b, f.key, f.machine())
			_, err := store.AddClient(context.Background(), "web")
			f.mayDie(when, err)
			if err == nil {
				_, err = store.Rotate(context.Background(), "second", recipient)
				f.mayDie(when, err)
			}
			if err == nil {
				f.mayDie(when, store.RemoveKey(context.Background(), "web"))
			}
			opened, err := Open(context.Background(), unclosed{f.mem}, passphraseCredentials(t), f.machine())
			if err != nil {
				f.Fatalf("the passphrase opens nothing after a death at %s: %v", when, err)
			}
			f.Cleanup(func() { opened.Close() })
			list, err := opened.Snapshots(context.Background())
			if err != nil || len(list) != 1 {
				f.Fatalf("%d snapshots after a death at %s: %v", len(list), when, err)
			}
			report, err := opened.Verify(context.Background(), varve.VerifyOptions{Progress: func(e varve.Event) { f.T.Log(e.Err) }})
			if err != nil || report.Damage > 0 {
				f.Errorf("%d damaged after a death at %s: %v", report.Damage, when, err)
			}
		})
	}
}

func TestAFaultAnywhereMakesABackupFailOrWhole(t *testing.T) {
	s := newSite(t)
	s.save(s.play("writer", s.mem), "a", s.grove(2000, 1))
	s.grove(2000, 1, 2)
	s.everywhere(func(*site, int) *faulty.Injector {
		return &faulty.Injector{Fault: faulty.Fault{Err: faulty.ErrFault}}
	}, func(f *site, b varve.Backend, when string) {
		store, err := Open(context.Background(), unclosed{b}, Credentials{Key: &f.key}, f.machine())
		if err == nil {
			f.Cleanup(func() { store.Close() })
			_, err = store.Save(context.Background(), f.tree, varve.SaveOptions{Series: "a", Now: f.now})
		}
		f.mayDie(when, err)
		list, listErr := f.play("judge", f.mem).Snapshots(context.Background())
		f.must(listErr)
		if err == nil && len(list) != 2 {
			f.Errorf("after a fault at %s: success, and %d snapshots", when, len(list))
		}
		if len(list) == 2 {
			f.want[list[1].ID] = f.tree.Want()
		}
		f.sound("after a fault at " + when)
	})
}

func TestAResumedBackupStoresNothingAgain(t *testing.T) {
	for _, putOnly := range []bool{false, true} {
		s := newSite(t)
		key := s.key
		if putOnly {
			var err error
			key, err = s.play("writer", s.mem).AddClient(t.Context(), "web")
			s.must(err)
		}
		for i := range 40 { // 40 MiB of noise: more than two packs
			s.tree.File("d/"+string(rune('A'+i)), string(noise(uint64(i), 1<<20)))
		}
		opts := s.machine()
		inj := &faulty.Injector{At: 3, Fault: faulty.Kill(faulty.Nothing), Filter: func(op faulty.Op) bool {
			return op.Method == "Put" && backend.Data.Prefix() == op.Name[:5]
		}}
		first, err := Open(t.Context(), unclosed{faulty.New(s.mem, inj)}, Credentials{Key: &key}, opts)
		s.must(err)
		if _, err := first.Save(t.Context(), s.tree, varve.SaveOptions{Series: "a", Now: s.now}); !errors.Is(err, faulty.ErrKilled) {
			t.Fatal(err)
		}
		first.Close()
		before := s.stored(backend.Data)
		snap, err := s.open(s.mem, key, opts).Save(t.Context(), s.tree, varve.SaveOptions{Series: "a", Now: s.now})
		s.must(err)
		s.want[snap.ID] = s.tree.Want()
		s.sound("resumed")
		if total := s.stored(backend.Data); total > 46<<20 {
			t.Errorf("put-only %v: %d bytes were there, %d are: something was stored twice", putOnly, before, total)
		}
	}
}

// passphraseCredentials opens what passphraseRecipient is the recipient of.
func passphraseCredentials(t *testing.T) Credentials {
	t.Helper()
	identity, err := seal.PassphraseIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return Credentials{Identities: []seal.Identity{identity}}
}

// stored returns how long the objects of a kind are together, in bytes.
func (s *site) stored(k backend.Kind) (n int64) {
	s.Helper()
	for o, err := range s.mem.List(context.Background(), k.Prefix()) {
		s.must(err)
		n += o.Size
	}
	return n
}
