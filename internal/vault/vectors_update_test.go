package vault

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/files"
	"varve/internal/digest"
	"varve/internal/disk/osfs"
	"varve/internal/manifest"
	"varve/internal/seal"
	"varve/internal/storetest"
)

var updating = flag.Bool("update", false, "write the vectors anew, which a format that was released never needs")

// maker makes one vector.
type maker struct {
	*testing.T
	dir   string // of the vector
	state string
	now   time.Time
	key   seal.KeyFile // the restore key
}

// TestVectorsAreWrittenWhenAsked makes the vectors: vaults that hold an object of every kind and an entry of every kind.
func TestVectorsAreWrittenWhenAsked(t *testing.T) {
	if !*updating {
		t.Skip("vectors are for ever; -update writes new ones")
	}
	for name, fill := range map[string]func(*maker){"sealed": (*maker).sealed, "unencrypted": (*maker).unencrypted} {
		m := &maker{T: t, dir: filepath.Join(vectors, name), state: t.TempDir(), now: time.Date(2026, 11, 20, 10, 20, 36, 0, time.UTC)}
		fatal(t, os.RemoveAll(m.dir))
		fatal(t, os.MkdirAll(filepath.Join(m.dir, "vault"), 0o755))
		fill(m)
	}
}

func (m *maker) clock() time.Time {
	m.now = m.now.Add(1_000_001 * time.Microsecond)
	return m.now
}

func (m *maker) backend() varve.Backend {
	root, err := osfs.Open(filepath.Join(m.dir, "vault"))
	fatal(m, err)
	return files.Open(root, files.Options{})
}

func (m *maker) init(opts InitOptions) {
	b := m.backend()
	defer b.Close()
	opts.Now = m.clock
	var err error
	m.key, err = Init(m.Context(), b, opts)
	fatal(m, err)
}

// with does something with the vault, opened with key.
func (m *maker) with(key seal.KeyFile, do func(s *Store)) {
	s, err := Open(m.Context(), m.backend(), Credentials{Key: &key}, Options{State: m.state, Now: m.clock, Workers: 1})
	fatal(m, err)
	defer func() { fatal(m, s.Close()) }()
	do(s)
}

func (m *maker) save(s *Store, series string, src varve.Source) varve.SnapshotID {
	snap, err := s.Save(m.Context(), src, varve.SaveOptions{Series: series, Host: "host", Sources: []string{"/srv"}, Tags: []string{"vector"},
		Program: "vectors", Now: m.clock})
	fatal(m, err)
	return snap.ID
}

func (m *maker) write(name string, data []byte) {
	fatal(m, os.WriteFile(filepath.Join(m.dir, name), data, 0o644))
}

func (m *maker) writeKey(name string, k seal.KeyFile) {
	text, err := seal.FormatKeyFile(k)
	fatal(m, err)
	m.write(name, text)
}

// passphrase is what the restore key of the sealed vault is wrapped with; the work factor is the least, for quick tests.
const passphrase = "mud settles every winter"

func passphraseRecipient(t testing.TB) seal.Recipient {
	r, err := seal.Passphrase(passphrase, 1)
	fatal(t, err)
	return r
}

// sealed makes an encrypted vault that has seen everything: two generations of keys, put-only clients, one of them removed, snapshots that
// were forgotten, and a collector that died.
func (m *maker) sealed() {
	m.init(InitOptions{Name: "first", Recipients: []seal.Recipient{passphraseRecipient(m)}})
	first := m.key
	sample := storetest.Sample()
	var laptop, phone seal.KeyFile
	m.with(first, func(s *Store) {
		m.save(s, "sample", sample)
		sample.File("content/of several chunks", words(3<<20))
		m.save(s, "sample", sample)
		sample.Remove("names")
		forgotten := m.save(s, "sample", sample)
		fatal(m, s.Forget(m.Context(), forgotten))
		m.lists(s)
		var err error
		laptop, err = s.AddClient(m.Context(), "laptop")
		fatal(m, err)
		phone, err = s.AddClient(m.Context(), "phone")
		fatal(m, err)
	})
	home := small()
	m.with(laptop, func(s *Store) {
		m.save(s, "laptop", home)
		home.Write("notes", "changed by the laptop")
		m.save(s, "laptop", home)
	})
	m.with(first, func(s *Store) {
		fatal(m, s.RemoveKey(m.Context(), "laptop"))
		var err error
		m.key, err = s.Rotate(m.Context(), "second", passphraseRecipient(m))
		fatal(m, err)
	})
	m.with(phone, func(s *Store) { m.save(s, "phone", small()) })
	m.with(m.key, func(s *Store) {
		sample.Move("kinds", "moved")
		m.save(s, "sample", sample)
		m.condemn(s)
		maintenance, err := s.KeyFile(seal.MaintenanceKey, "maintenance")
		fatal(m, err)
		m.writeKey("maintenance.key", maintenance)
	})
	m.writeKey("restore.key", m.key)
	m.writeKey("restore-1.key", first)
	m.writeKey("put-only.key", phone)
	sheet, err := seal.FormatSheet(m.key)
	fatal(m, err)
	m.write("sheet.txt", sheet)
	m.write("passphrase", []byte(passphrase+"\n"))
	m.with(m.key, m.list)
}

// unencrypted makes a vault that opens without a key.
func (m *maker) unencrypted() {
	m.init(InitOptions{Unencrypted: true})
	m.with(m.key, func(s *Store) {
		tree := small()
		gone := m.save(s, "small", tree)
		tree.Write("notes", "changed")
		m.save(s, "small", tree)
		fatal(m, s.Forget(m.Context(), gone))
		m.list(s)
	})
}

func (m *maker) list(s *Store) { m.write("listing.jsonl", listVault(m.T, s)) }

// condemn leaves the record of a collector that died: of a pack that is not there.
func (m *maker) condemn(s *Store) {
	data, err := (*codec)(s).Condemn([]string{backend.NameOf(backend.Data, []byte("no pack"))})
	fatal(m, err)
	_, err = backend.Save(m.Context(), s.backend, backend.Locks, data)
	fatal(m, err)
}

// lists makes a snapshot with a file of so many chunks that they are in lists. They are as small as no writer makes them, which a reader
// does not mind.
func (m *maker) lists(s *Store) {
	ctx := context.Background()
	v := &save{store: s, ctx: ctx, base: nothing{}, opts: varve.SaveOptions{Series: "lists", Host: "host", Sources: []string{"/srv"},
		Program: "vectors", Now: m.clock}}
	records, err := s.catalog.read(ctx)
	fatal(m, err)
	v.snap, err = v.describe(records)
	fatal(m, err)
	v.intake, err = s.newIntake(ctx, false)
	fatal(m, err)
	v.entries = manifest.NewWriter(&pageWriter{v.intake})
	e := &varve.Entry{Path: "of lists", Kind: varve.Regular, Mode: 0o600}
	var stream bytes.Buffer
	h := v.intake.borrow()
	for i := range 1100 {
		data := []byte(strings.Repeat(fmt.Sprintln("chunk", i), 1+i%3))
		stream.Write(data)
		e.Chunks = append(e.Chunks, digest.Sum(data))
		_, err := h.put(digest.ClassContent, e.Chunks[i], data)
		fatal(m, err)
	}
	v.intake.giveBack(h)
	e.Size, e.Digest = int64(stream.Len()), digest.Sum(stream.Bytes())
	fatal(m, v.intake.enlist(e))
	if e.Depth == 0 {
		m.Fatal("no lists were made")
	}
	fatal(m, v.record(&job{entry: &varve.Entry{Kind: varve.Dir, Mode: 0o755}}))
	fatal(m, v.record(&job{entry: e}))
	_, err = v.commit(records)
	fatal(m, err)
}

// small is a tree of a few entries.
func small() *storetest.Tree {
	t := storetest.NewTree()
	t.File("notes", "three lines\nof\nnotes\n")
	t.Dir("photos")
	t.File("photos/lake", storetest.Text(100_000))
	t.File("photos/shore", storetest.Text(20_000))
	t.Link("photos/shore too", "photos/shore")
	t.Put("sparse", varve.Entry{Kind: varve.Regular, Mode: 0o600, Holes: []varve.Extent{{Off: 4096, Len: 1 << 20}}}, storetest.Text(9000))
	t.Put("link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "photos/lake"}, "")
	return t
}

// words returns n bytes that compress well, without long repetitions.
func words(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "layer %d of %d; ", r.IntN(64), 1+r.IntN(8))
	}
	return b.String()[:n]
}
