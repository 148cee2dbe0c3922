package vault

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/faulty"
	"varve/internal/digest"
	"varve/internal/manifest"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// half returns a site where a put-only client's pack is one third in use, and the key of that client.
func half(t *testing.T) (*site, seal.KeyFile) {
	t.Helper()
	s := newSite(t)
	admin := s.admin()
	key := s.client(admin, "c")
	client := s.open(s.mem, key, s.machine())
	first := s.save(client, "c", s.blobs(1, 2, 3))
	s.save(client, "c", s.blobs(1))
	s.forget(admin, first)
	return s, key
}

func TestAKilledPruneLeavesNoPutOnlyChunkTwice(t *testing.T) {
	s, _ := half(t)
	s.everywhere(func(*site, int) *faulty.Injector {
		return &faulty.Injector{Fault: faulty.Kill(faulty.Whole), Filter: changes}
	}, func(f *site, b varve.Backend, when string) {
		_, err := f.play("killed", b).Prune(context.Background(), everything)
		if err != nil && !errors.Is(err, faulty.ErrKilled) {
			t.Fatalf("killed at %s: %v", when, err)
		}
		f.prune(f.play("next", f.mem))
		f.sound("pruned after it was killed at " + when)
		f.tidyUp()
	})
}

func TestAPutOnlyClientCannotMakePruneDeleteWhatItStoredBefore(t *testing.T) {
	for name, lie := range map[string]func(w *pack.Writer, b sealedBlob) pack.Sealed{
		"chunks that are none": func(w *pack.Writer, b sealedBlob) pack.Sealed {
			bundle := w.NewBundle(table.ContentGroup)
			for i, c := range b.Chunks {
				if err := bundle.Add(c.ID, table.Content, []byte(noise(uint64(i), int(c.Len)))); err != nil {
					t.Fatal(err)
				}
			}
			return bundle.Seal()
		},
		"a blob that is none": func(_ *pack.Writer, b sealedBlob) pack.Sealed {
			return pack.Sealed{Data: []byte(noise(1, int(b.Sealed))), Blob: b.Blob, Session: b.session, Domain: b.domain}
		},
	} {
		s, key := half(t)
		s.lie(key, lie)
		for range 3 {
			s.prune(s.play("pruner", s.mem))
			s.sound("although there are " + name)
		}
	}
}

// lie stores a pack of a put-only client that says that it holds all content that it stored, and holds something else.
func (s *site) lie(key seal.KeyFile, lie func(w *pack.Writer, b sealedBlob) pack.Sealed) {
	s.Helper()
	store := s.play("pruner", s.mem)
	client := seal.NewClient(key.Secret)
	session, err := seal.NewSession(key.Vault, key.Publics)
	s.must(err)
	w := &pack.Writer{Vault: key.Vault, Session: session, Signer: client.Signer(), Domain: table.Domain(client.Domain()),
		Compressor: &seal.Compressor{}}
	b := w.NewBuilder(func(ctx context.Context, p table.Pack, data []byte) error {
		return store.put(ctx, backend.Data, p.Name, data)
	})
	name := s.packOf(store, client.Domain(), s.content(store)[0])
	list, err := store.index.Pack(name)
	s.must(err)
	for i := range list[0].Blobs {
		s.must(b.Add(context.Background(), lie(w, blobAt(&list[0], i))))
	}
	s.must(b.Finish(context.Background()))
	s.must(store.refresh(context.Background()))
	if places, err := store.index.LookupAll(table.Domain(client.Domain()), s.content(store)[0]); err != nil || len(places) != 2 {
		s.Fatalf("%d places, error %v", len(places), err)
	}
}

// content returns the IDs of the content of all snapshots.
func (s *site) content(store *Store) (ids []varve.ChunkID) {
	s.Helper()
	r, err := store.catalog.read(context.Background())
	s.must(err)
	for _, rec := range r.valid() {
		for p, err := range store.partsOf(context.Background(), rec, map[manifest.PageID]bool{}) {
			s.must(err)
			if !p.entry && p.class == digest.ClassContent {
				ids = append(ids, p.id)
			}
		}
	}
	return ids
}

func TestPruneStopsWhereAKeyObjectIsDamaged(t *testing.T) {
	s, _ := half(t)
	before := s.objects(backend.Data)
	s.play("pruner", s.mem)
	for _, name := range s.objects(backend.Keys) {
		f := s.fork(t)
		f.mem.Set(name, []byte("rotten"))
		if _, err := f.play("pruner", f.mem).Prune(t.Context(), everything); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if after := f.objects(backend.Data); !slices.Equal(after, before) {
			t.Errorf("%s: packs were deleted", name)
		}
	}
	s.prune(s.play("pruner", s.mem))
	s.tidyUp()
}

func TestWhatIsInTheDomainOfAnUnknownClientIsLeftAlone(t *testing.T) {
	s, key := half(t)
	s.prune(s.admin()) // now the admin's pack has it
	lost := ""
	for _, name := range s.objects(backend.Keys) {
		data, err := s.mem.Get(t.Context(), name, 0, -1)
		s.must(err)
		if strings.Contains(string(data), `"`+kindPutOnly+`"`) {
			lost = string(data)
			s.mem.Set(name, nil)
		}
	}
	s.prune(s.admin())
	_, err := backend.Save(t.Context(), s.mem, backend.Keys, []byte(lost))
	s.must(err)
	s.holds()
	s.save(s.open(s.mem, key, s.machine()), "c", s.tree)
}

func TestPruneStopsWhereARecordIsMissingOrDamagedUntilItIsGivenUp(t *testing.T) {
	for name, spoilt := range map[string][]byte{"missing": nil, "damaged": []byte("rotten")} {
		s := newSite(t)
		store := s.admin()
		first := s.save(store, "a", s.grove(2000, 1))
		s.save(store, "a", s.grove(2000, 2))
		r, err := store.catalog.read(t.Context())
		s.must(err)
		s.mem.Set(r.find(first).name, spoilt)
		delete(s.want, first)
		before := s.objects("")
		fresh := s.admin()
		if _, err := fresh.Prune(t.Context(), everything); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if after := s.objects(""); !slices.Equal(before, after) {
			t.Errorf("%s: it changed something", name)
		}
		giving := everything
		giving.GiveUp = true
		if report, err := fresh.Prune(t.Context(), giving); err != nil || report.PacksDeleted == 0 {
			t.Errorf("%s, given up: %+v, error %v", name, report, err)
		}
		if name == "missing" {
			s.holds()
		}
		s.prune(s.admin())
	}
}

func TestJunkDoesNotStopAPrune(t *testing.T) {
	s, key := half(t)
	foreign, err := seal.SignObject(key.Vault, 1, seal.RandomClient().Signer(), seal.KindTomb, []byte("{}"))
	s.must(err)
	own, err := seal.SignObject(key.Vault, 1, seal.NewClient(key.Secret).Signer(), seal.KindSeal, []byte("no JSON"))
	s.must(err)
	kinds := []backend.Kind{backend.Snapshots, backend.Locks, backend.Data, backend.Index}
	var junk []string
	for _, kind := range kinds {
		for _, data := range [][]byte{nil, []byte("junk"), foreign, own} {
			name, err := backend.Save(t.Context(), s.mem, kind, data)
			s.must(err)
			junk = append(junk, name)
		}
	}
	s.prune(s.admin())
	for _, name := range junk {
		s.mem.Set(name, nil)
	}
	s.holds()
	s.tidyUp()
}

func TestADamagedPackIsLeftAsItIs(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	first := s.save(store, "a", s.blobs(1, 2, 3))
	s.save(store, "a", s.blobs(1))
	s.forget(store, first)
	name := backend.Data.Name(s.packOf(store, store.keys.own.Domain(), s.content(store)[0]))
	data, err := s.mem.Get(t.Context(), name, 0, -1)
	s.must(err)
	data[0] ^= 1
	s.mem.Set(name, data)
	told := 0
	options := everything
	options.Progress = func(e varve.Event) {
		if e.Kind == varve.Damage && strings.Contains(e.Err.Error(), name) {
			told++
		}
	}
	if _, err := store.Prune(t.Context(), options); err != nil || told != 1 || !slices.Contains(s.objects(backend.Data), name) {
		t.Errorf("error %v, told %d times", err, told)
	}
	data[0] ^= 1
	s.mem.Set(name, data)
	s.holds()
	s.prune(store)
	s.holds()
	s.tidyUp()
}

func TestPruneStopsWhereAPageIsGone(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	first := s.save(store, "a", s.grove(2000, 1))
	s.save(store, "a", s.grove(2000, 2))
	s.forget(store, first)
	r, err := store.catalog.read(t.Context())
	s.must(err)
	rec := r.valid()[0]
	s.mem.Set(backend.Data.Name(s.packOf(store, rec.domain, varve.ChunkID(rec.root.ID))), nil)
	before := s.objects(backend.Data)
	if _, err := s.admin().Prune(t.Context(), everything); !errors.Is(err, varve.ErrDamaged) && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if after := s.objects(backend.Data); !slices.Equal(before, after) {
		t.Error("packs were deleted")
	}
}

func TestPruneNoticesThatKeysWereAdded(t *testing.T) {
	s, _ := half(t)
	admin := s.admin()
	done := false
	inj := &faulty.Injector{At: 1, Fault: faulty.Fault{Effect: faulty.Whole}, Filter: func(op faulty.Op) bool {
		return op.Method == "List" && op.Name == backend.Data.Prefix()
	}, Do: func(faulty.Op) { s.client(admin, "d"); done = true }}
	pruner := s.open(faulty.New(s.mem, inj), s.key, s.machine())
	before := s.objects(backend.Data)
	if _, err := pruner.Prune(t.Context(), everything); err == nil || !done {
		t.Errorf("error %v, a key was added: %v", err, done)
	}
	if after := s.objects(backend.Data); !slices.Equal(before, after) {
		t.Error("packs were deleted")
	}
	s.prune(pruner)
	s.holds()
	s.tidyUp()
}

func TestIndexObjectsMayBeLostOrDamaged(t *testing.T) {
	for name, spoilt := range map[string][]byte{"lost": nil, "damaged": []byte("rotten")} {
		for _, repaired := range []bool{false, true} {
			s := newSite(t)
			store := s.admin()
			first := s.save(store, "a", s.grove(2000, 1))
			s.save(store, "a", s.grove(2000, 2))
			s.forget(store, first)
			for _, object := range s.objects(backend.Index) {
				s.mem.Set(object, spoilt)
			}
			fresh := s.admin()
			if repaired {
				packs := int64(len(s.objects(backend.Data)))
				if report, err := fresh.Repair(t.Context(), nil); err != nil || report != (RepairReport{packs, packs, 0}) {
					t.Errorf("%s: %+v, error %v", name, report, err)
				}
				if n := len(s.objects(backend.Index)); n != 1 {
					t.Errorf("%s: %d index objects after a repair", name, n)
				}
			}
			s.prune(fresh)
			s.holds()
			s.tidyUp()
			s.save(fresh, "a", s.grove(2000, 2, 3))
			s.holds()
		}
	}
}

func TestRepairTellsPacksThatCannotBeRead(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	s.save(store, "a", s.grove(2000, 1))
	_, err := backend.Save(t.Context(), s.mem, backend.Data, []byte(noise(1, 5000)))
	s.must(err)
	told := 0
	report, err := store.Repair(t.Context(), func(e varve.Event) {
		if e.Kind == varve.Damage {
			told++
		}
	})
	if err != nil || report != (RepairReport{4, 3, 1}) || told != 1 {
		t.Errorf("%+v, told %d, error %v", report, told, err)
	}
	s.sound("after a repair")
}

func TestASealByAnotherClientDoesNotCount(t *testing.T) {
	s, key := half(t)
	store := s.admin()
	other := s.open(s.mem, s.client(store, "d"), s.machine())
	r, err := store.catalog.read(t.Context())
	s.must(err)
	rec := r.valid()[0]
	data, err := (*codec)(other).Seal(rec.name)
	s.must(err)
	s.must(store.reload(t.Context()))
	record, err := (*codec)(store).Read(backend.NameOf(backend.Snapshots, data), data)
	if err != nil || record.By == "" || record.By == seal.NewClient(key.Secret).Domain().String() {
		t.Errorf("%+v, error %v", record, err)
	}
}

func TestPruneTellsContentThatIsLost(t *testing.T) {
	s := newSite(t)
	store := s.admin()
	first := s.save(store, "a", s.grove(2000, 1))
	s.save(store, "a", s.grove(2000, 2))
	s.forget(store, first)
	s.mem.Set(backend.Data.Name(s.packOf(store, store.keys.own.Domain(), s.content(store)[0])), nil)
	told := 0
	options := everything
	options.Progress = func(e varve.Event) {
		if e.Kind == varve.Damage && errors.Is(e.Err, varve.ErrDamaged) {
			told++
		}
	}
	if report, err := s.admin().Prune(t.Context(), options); err != nil || told != 1 || report.PacksDeleted == 0 {
		t.Errorf("%+v, told %d times, error %v", report, told, err)
	}
}
