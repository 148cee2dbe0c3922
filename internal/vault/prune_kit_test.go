package vault

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/mem"
	"varve/internal/manifest"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/storetest"
	"varve/internal/table"
)

// site is a vault in memory, whose storage has a clock, and what its snapshots should hold.
type site struct {
	*testing.T
	mem  *mem.Mem
	key  seal.KeyFile
	mu   sync.Mutex
	time time.Time
	want map[varve.SnapshotID][]varve.Entry
	gone map[varve.SnapshotID][]varve.Entry // forgotten
	tree *storetest.Tree                    // the source of its snapshots
	cast map[string]*player
}

// player is a Store that is open as long as the test goes on, and plays one part on one copy of a vault after another.
type player struct {
	varve.Backend // of the copy
	store         *Store
}

func (p *player) Close() error { return nil }

// play returns the Store for a part, on a backend. It has no memory of rollbacks, since every copy is one.
func (s *site) play(part string, b varve.Backend) *Store {
	s.Helper()
	p := s.cast[part]
	if p == nil {
		p = &player{Backend: s.mem}
		var err error
		p.store, err = Open(context.Background(), p, Credentials{Key: &s.key}, Options{Cache: s.TempDir(), Now: s.now})
		s.must(err)
		s.cast[part] = p
		s.Cleanup(func() {
			if err := p.store.Close(); err != nil {
				s.Error(err)
			}
		})
	}
	p.Backend = b
	return p.store
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, time: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC), want: map[varve.SnapshotID][]varve.Entry{}, tree: storetest.NewTree(),
		gone: map[varve.SnapshotID][]varve.Entry{}, cast: map[string]*player{}}
	s.tree.Dir("d")
	s.mem = mem.New(mem.Options{Now: s.now})
	key, err := Init(t.Context(), s.mem, InitOptions{Now: s.now})
	s.must(err)
	s.key = key
	return s
}

// fork returns a site that goes on by itself.
func (s *site) fork(t *testing.T) *site {
	f := &site{T: t, mem: s.mem.Clone(), key: s.key, time: s.time, want: map[varve.SnapshotID][]varve.Entry{}, gone: s.gone, tree: s.tree, cast: s.cast}
	maps.Copy(f.want, s.want)
	return f
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time
}

// later lets time pass.
func (s *site) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = s.time.Add(d)
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// machine is what one machine has: nothing yet.
func (s *site) machine() Options {
	return Options{Cache: s.TempDir(), State: s.TempDir(), Now: s.now, Workers: 1}
}

// open opens the vault until the end of the test.
func (s *site) open(b varve.Backend, key seal.KeyFile, opts Options) *Store {
	s.Helper()
	store, err := Open(context.Background(), unclosed{b}, Credentials{Key: &key}, opts)
	s.must(err)
	s.Cleanup(func() {
		if err := store.Close(); err != nil {
			s.Error(err)
		}
	})
	return store
}

// admin opens the vault with its restore key on a new machine.
func (s *site) admin() *Store {
	s.Helper()
	return s.open(s.mem, s.key, s.machine())
}

// save makes a snapshot.
func (s *site) save(store *Store, series string, tree *storetest.Tree) varve.SnapshotID {
	s.Helper()
	snap, err := store.Save(context.Background(), tree, varve.SaveOptions{Series: series, Now: s.now})
	s.must(err)
	s.want[snap.ID] = tree.Want()
	s.later(time.Minute)
	return snap.ID
}

// forget forgets snapshots.
func (s *site) forget(store *Store, ids ...varve.SnapshotID) {
	s.Helper()
	s.must(store.Forget(context.Background(), ids...))
	for _, id := range ids {
		s.gone[id] = s.want[id]
		delete(s.want, id)
	}
}

// prune frees everything.
func (s *site) prune(store *Store) PruneReport {
	s.Helper()
	report, err := store.Prune(context.Background(), PruneOptions{Undo: -1, MaxUnused: -1})
	s.must(err)
	return report
}

// holds checks that the snapshots are what they should be, and that nothing is damaged.
func (s *site) holds() {
	s.Helper()
	s.sound("now")
	report, err := s.play("judge", s.mem).Verify(context.Background(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			s.Errorf("damage: /%s: %v", e.Path, e.Err)
		}
	}})
	s.must(err)
	if report.Damage != 0 {
		s.Errorf("%d damaged", report.Damage)
	}
}

// sound checks that everything that snapshots need is there, and is what it was.
func (s *site) sound(when string) {
	s.Helper()
	store := s.play("judge", s.mem)
	s.must(store.refresh(context.Background()))
	list, err := store.Snapshots(context.Background())
	if err != nil || len(list) != len(s.want) {
		s.Errorf("%s: %d snapshots, not %d, error %v", when, len(list), len(s.want), err)
	}
	for id, want := range s.want {
		v, err := store.View(context.Background(), id)
		if err != nil {
			s.Errorf("%s: %v", when, err)
			continue
		}
		for _, d := range storetest.Differences(v, want, varve.Entry{}) {
			s.Errorf("%s: snapshot %s: %s", when, id.Short(), d)
		}
	}
}

// leftOver returns how many blobs are in packs of which nothing is needed, and how many needed chunks are in several packs.
func (s *site) leftOver() (unused, twice int) {
	s.Helper()
	store := s.play("judge", s.mem)
	s.must(store.refresh(context.Background()))
	r, err := store.catalog.read(context.Background())
	s.must(err)
	needed := map[varve.ChunkID]bool{}
	for _, rec := range r.valid() {
		for p, err := range store.partsOf(context.Background(), rec, map[manifest.PageID]bool{}) {
			s.must(err)
			needed[p.id] = needed[p.id] || !p.entry
		}
	}
	met := map[varve.ChunkID]bool{}
	for _, name := range s.objects(backend.Data) {
		_, sum, err := backend.Parse(name)
		s.must(err)
		list, err := store.index.Pack(sum)
		s.must(err)
		if len(list) != 1 {
			s.Fatalf("%s is known %d times", name, len(list))
		}
		for _, b := range list[0].Blobs {
			live := false
			for _, c := range b.Chunks {
				live = live || needed[c.ID]
				if needed[c.ID] && met[c.ID] {
					twice++
				}
				met[c.ID] = true
			}
			if !live {
				unused++
			}
		}
	}
	return unused, twice
}

// tidyUp checks that nothing is in packs but what snapshots need, once, that there are reserves, and that nothing is left of
// collectors.
func (s *site) tidyUp() {
	s.Helper()
	if unused, twice := s.leftOver(); unused != 0 || twice != 0 {
		s.Errorf("%d blobs are not needed, %d chunks are there repeatedly", unused, twice)
	}
	if left := s.objects(backend.Locks); len(left) > 0 {
		s.Errorf("records of collectors are left: %v", left)
	}
	n := 0
	for o, err := range s.mem.List(context.Background(), backend.Data.Prefix()) {
		s.must(err)
		if o.Size == reserveSize {
			n++
		}
	}
	if n != reserves {
		s.Errorf("%d reserves", n)
	}
}

// objects returns the names of the objects of a kind; of all where it is empty.
func (s *site) objects(k backend.Kind) (names []string) {
	s.Helper()
	prefix := ""
	if k != "" {
		prefix = k.Prefix()
	}
	for o, err := range s.mem.List(context.Background(), prefix) {
		s.must(err)
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names
}

// noise returns bytes that nothing makes smaller; others for another seed.
func noise(seed uint64, n int) string {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(data) // never fails
	return string(data)
}

// grove makes the source hold a file of noise for each seed, n bytes long, and no others.
func (s *site) grove(n int, seeds ...uint64) *storetest.Tree {
	var names []string
	for _, seed := range seeds {
		name := fmt.Sprintf("d/%03d-%d", seed, n)
		names = append(names, name)
		if s.tree.At(name) == nil {
			s.tree.File(name, noise(seed, n))
		}
	}
	for _, path := range s.tree.Paths() {
		if strings.HasPrefix(path, "d/") && !slices.Contains(names, path) {
			s.tree.Remove(path)
		}
	}
	return s.tree
}

// blobs makes the source hold files for each number that make up one blob, where one goroutine takes them in.
func (s *site) blobs(numbers ...uint64) *storetest.Tree {
	var seeds []uint64
	for _, n := range numbers {
		for i := range uint64(4) {
			seeds = append(seeds, 4*n+i)
		}
	}
	return s.grove(pack.BundleSize/4, seeds...)
}

// packOf returns a pack that holds a chunk.
func (s *site) packOf(store *Store, domain seal.SignerID, id varve.ChunkID) table.Name {
	s.Helper()
	s.must(store.refresh(context.Background()))
	name, ok, err := store.find(context.Background(), domain, id)
	s.must(err)
	if !ok {
		s.Fatal("the chunk is in no pack")
	}
	return name
}

// size returns how long the objects of a kind are together, in bytes.
func (s *site) size(k backend.Kind) (n int64) {
	s.Helper()
	for o, err := range s.mem.List(context.Background(), k.Prefix()) {
		s.must(err)
		n += o.Size
	}
	return n
}
