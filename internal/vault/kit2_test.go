package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"varve"
	"varve/internal/backend/faulty"
	"varve/internal/backend/mem"
	"varve/internal/seal"
	"varve/internal/storetest"
)

// exhaustive reports whether every single place is to be tried: minutes of work, with VARVE_TEST_EVERY=1.
func exhaustive() bool { return os.Getenv("VARVE_TEST_EVERY") == "1" }

// strict reports whether nothing may be left out.
func strict() bool { return os.Getenv("VARVE_TEST_STRICT") == "1" }

// estate is a vault in memory and what it must hold.
type estate struct {
	*testing.T
	store *mem.Mem
	root  seal.KeyFile
	now   time.Time
	held  []holding
	gone  []holding // that were forgotten: who takes a tomb away brings them back
	// identity opens what the vault keeps wrapped for it; nil where it keeps nothing.
	identity *age.X25519Identity
	torn     string // an object that was stored by half
}

// holding is a snapshot that was reported as saved.
type holding struct {
	snap varve.Snapshot
	want []varve.Entry
}

// machine is where a key lies, and what is known there of the vault.
type machine struct {
	key   seal.KeyFile
	dir   string
	warns []error
}

// newEstate makes a vault.
func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{T: t, store: mem.New(mem.Options{}), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	key, err := Init(context.Background(), e.store, InitOptions{Now: e.clock})
	e.need(err)
	e.root = key
	return e
}

// copy returns an estate that goes on by itself.
func (e *estate) copy(t *testing.T) *estate {
	c := *e
	c.T, c.store, c.held = t, e.store.Clone(), slices.Clone(e.held)
	return &c
}

func (e *estate) need(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *estate) clock() time.Time {
	e.now = e.now.Add(time.Hour)
	return e.now
}

// machine returns one that knows nothing yet.
func (e *estate) machine(key seal.KeyFile) *machine {
	return &machine{key: key, dir: e.TempDir()}
}

// copy returns a machine on which everything is the same.
func (m *machine) copy(e *estate) *machine {
	e.Helper()
	dir := e.TempDir()
	e.need(os.CopyFS(dir, os.DirFS(m.dir)))
	return &machine{key: m.key, dir: dir}
}

func (m *machine) cache() string { return filepath.Join(m.dir, "cache") }
func (m *machine) state() string { return filepath.Join(m.dir, "state") }

// options let a Store work in one order, so that operations have the same numbers in every run.
func (m *machine) options(e *estate) Options {
	return Options{Cache: m.cache(), State: m.state(), Workers: 1, Now: e.clock, Warn: func(err error) { m.warns = append(m.warns, err) }}
}

// tryOpen opens the vault on a machine; inj befalls the storage, nil for nothing.
func (e *estate) tryOpen(m *machine, inj *faulty.Injector) (*Store, error) {
	var b varve.Backend = unclosed{e.store}
	if inj != nil {
		b = faulty.New(b, inj)
	}
	return Open(context.Background(), b, Credentials{Key: &m.key}, m.options(e))
}

func (e *estate) open(m *machine) *Store {
	e.Helper()
	s, err := e.tryOpen(m, nil)
	e.need(err)
	return s
}

// with opens the vault for as long as do works with it.
func (e *estate) with(m *machine, do func(s *Store)) {
	e.Helper()
	s := e.open(m)
	do(s)
	e.need(s.Close())
}

func (e *estate) saving(series string) varve.SaveOptions {
	return varve.SaveOptions{Series: series, Host: "host", Sources: []string{"/"}, Program: "test", Now: e.clock}
}

// trySave makes a snapshot, and remembers what it holds if that is reported as done.
func (e *estate) trySave(s *Store, src *storetest.Tree, series string) (varve.Snapshot, error) {
	snap, err := s.Save(context.Background(), src, e.saving(series))
	if err == nil {
		e.held = append(e.held, holding{snap, src.Want()})
	}
	return snap, err
}

// save makes a snapshot on a machine, which must succeed.
func (e *estate) save(m *machine, src *storetest.Tree, series string) (snap varve.Snapshot) {
	e.Helper()
	e.with(m, func(s *Store) {
		var err error
		snap, err = e.trySave(s, src, series)
		e.need(err)
	})
	return snap
}

// forgets takes a snapshot out of what the vault must hold.
func (e *estate) forgets(id varve.SnapshotID) holding {
	i := slices.IndexFunc(e.held, func(h holding) bool { return h.snap.ID == id })
	h := e.held[i]
	e.gone = append(slices.Clip(e.gone), h)
	e.held = slices.Delete(slices.Clone(e.held), i, i+1)
	return h
}

// recipient returns somebody whom secrets are wrapped for, always the same.
func (e *estate) recipient() seal.Recipient {
	e.Helper()
	if e.identity == nil {
		id, err := age.GenerateX25519Identity()
		e.need(err)
		e.identity = id
	}
	list, err := seal.ParseRecipients(e.identity.Recipient().String(), seal.Prompt{})
	e.need(err)
	return list[0]
}

// regain makes sure that somebody still has a restore key: the one known, or one that the vault keeps for the identity.
func (e *estate) regain() {
	e.Helper()
	s, err := e.tryOpen(e.machine(e.root), nil)
	if errors.Is(err, ErrKey) && e.identity != nil {
		ids, idErr := seal.ParseIdentities([]byte(e.identity.String()), seal.Prompt{})
		e.need(idErr)
		s, err = Open(context.Background(), unclosed{e.store}, Credentials{Identities: ids}, e.machine(e.root).options(e))
	}
	e.need(err)
	e.root, err = s.KeyFile(seal.RestoreKey, "")
	e.need(err)
	e.need(s.Close())
}

// addClient makes a put-only client known and returns its key.
func (e *estate) addClient(name string) (key seal.KeyFile) {
	e.Helper()
	e.with(e.machine(e.root), func(s *Store) {
		var err error
		key, err = s.AddClient(context.Background(), name)
		e.need(err)
	})
	return key
}

// sound checks with a new machine that all that was reported as saved is there and identical, and that nothing is damaged. What is listed
// beside it must be one of the trees in also.
func (e *estate) sound(also ...[]varve.Entry) {
	e.Helper()
	e.with(e.machine(e.root), func(s *Store) { e.soundIn(s, also...) })
}

func (e *estate) soundIn(s *Store, also ...[]varve.Entry) {
	e.Helper()
	list, err := s.Snapshots(context.Background())
	if err != nil && (e.torn == "" || !errors.Is(err, varve.ErrDamaged)) {
		e.Error(err)
	}
	numbers := map[string]bool{}
	for _, l := range list {
		number := fmt.Sprintf("%s %d", l.Series, l.Seq)
		if numbers[number] {
			e.Errorf("two snapshots with the number %s", number)
		}
		numbers[number] = true
	}
	for _, h := range e.held {
		if !slices.ContainsFunc(list, func(l varve.Snapshot) bool { return l.ID == h.snap.ID }) {
			e.Errorf("snapshot %s, series %s, number %d, is gone", h.snap.ID.Short(), h.snap.Series, h.snap.Seq)
		}
	}
	for _, l := range list {
		want := also
		if i := slices.IndexFunc(e.held, func(h holding) bool { return h.snap.ID == l.ID }); i >= 0 {
			want = [][]varve.Entry{e.held[i].want}
		}
		e.holds(s, l.ID, want...)
	}
	for _, finding := range e.damage(s) {
		if e.torn == "" || !strings.Contains(finding, e.torn) {
			e.Error("damage:", finding)
		}
	}
}

// holds checks that a snapshot is one of the trees in want.
func (e *estate) holds(s *Store, id varve.SnapshotID, want ...[]varve.Entry) {
	e.Helper()
	v, err := s.View(context.Background(), id)
	e.need(err)
	var faults []string
	for _, w := range want {
		if faults = storetest.Differences(v, w, varve.Entry{}); len(faults) == 0 {
			return
		}
	}
	e.Errorf("snapshot %s is not what was saved: %s", id.Short(), strings.Join(faults, "\n"))
}

// damage returns what Verify finds.
func (e *estate) damage(s *Store) []string {
	e.Helper()
	findings, err := findings(s)
	e.need(err)
	return findings
}

func findings(s *Store) (list []string, err error) {
	report, err := s.Verify(context.Background(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			list = append(list, e.Path+": "+e.Err.Error())
		}
	}})
	if err == nil && int(report.Damage) != len(list) {
		err = errors.New("findings were counted that were not told")
	}
	return list, err
}

// names returns the names of all objects below prefix, sorted.
func (e *estate) names(prefix string) (list []string) {
	e.Helper()
	for o, err := range e.store.List(context.Background(), prefix) {
		e.need(err)
		list = append(list, o.Name)
	}
	return list
}

func (e *estate) object(name string) []byte {
	e.Helper()
	data, err := e.store.Get(context.Background(), name, 0, -1)
	e.need(err)
	return data
}

// meter counts what is put into a storage.
type meter struct {
	varve.Backend
	puts, bytes atomic.Int64
}

func (m *meter) Put(ctx context.Context, name string, data []byte) error {
	err := m.Backend.Put(ctx, name, data)
	if err == nil {
		m.puts.Add(1)
		m.bytes.Add(int64(len(data)))
	}
	return err
}

// garden returns a tree that takes few operations and holds a bit of everything.
func garden() *storetest.Tree {
	t := storetest.NewTree()
	t.Dir("dir")
	t.Put("dir/link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "file"}, "")
	t.File("dir/file", "the content of a file").Mode = 0o604
	t.Dir("dir/sub")
	t.File("dir/sub/other", "the content of another file").Xattrs = []varve.Xattr{{Name: "user.x", Value: "y"}}
	t.File("zero", "")
	t.Link("zzz", "dir/file")
	return t
}

// grown returns garden with a directory renamed and a file changed.
func grown() *storetest.Tree {
	t := garden()
	t.Move("dir/sub", "dir/renamed")
	t.Write("dir/file", "new content of the file")
	return t
}

// wild returns garden with other things under the names that grown has.
func wild() *storetest.Tree {
	t := garden()
	t.Write("dir/file", "changed again, and longer")
	t.File("dir/renamed", "a file where a directory was")
	return t
}
