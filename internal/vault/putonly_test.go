package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/faulty"
	"varve/internal/digest"
	"varve/internal/gc"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/storetest"
	"varve/internal/table"
)

// counting is a source that counts which files are opened.
type counting struct {
	*storetest.Tree
	opened atomic.Int64
}

func (c *counting) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	c.opened.Add(1)
	return c.Tree.Open(ctx, e)
}

// saveCounting saves src, and returns how many files were opened and how many bytes were put.
func (e *estate) saveCounting(m *machine, src *storetest.Tree, name string) (opened, put int64) {
	e.Helper()
	count, meter := &counting{Tree: src}, &meter{Backend: unclosed{e.store}}
	s, err := Open(context.Background(), meter, Credentials{Key: &m.key}, m.options(e))
	e.need(err)
	snap, err := s.Save(context.Background(), count, e.saving(name))
	e.need(err)
	e.held = append(e.held, holding{snap, src.Want()})
	e.need(s.Close())
	return count.opened.Load(), meter.bytes.Load()
}

// marked returns a tree whose names and contents can be recognised, and what they are recognised by.
func marked(tag string) (*storetest.Tree, []string) {
	src := storetest.NewTree()
	var marks []string
	for i := range 12 {
		dir, name, word := fmt.Sprintf("d-%s-%02d", tag, i), fmt.Sprintf("n-%s-%02d", tag, i), fmt.Sprintf("c-%s-%02d", tag, i)
		src.Dir(dir)
		content := strings.Repeat(word+" ", 20)
		if i == 0 {
			content += noise(7, 600_000)
		}
		src.File(dir+"/"+name, content).Xattrs = []varve.Xattr{{Name: "user." + word, Value: word}}
		src.Put(dir+"/link", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "t-" + word, User: "u-" + word}, "")
		sum := digest.Sum([]byte(content))
		marks = append(marks, dir, name, word, string(sum[:]), sum.String())
	}
	return src, marks
}

// holdsNone checks that data holds none of marks, in any of the usual spellings.
func holdsNone(t *testing.T, where string, data []byte, marks []string) {
	t.Helper()
	for _, mark := range marks {
		for _, spelt := range []string{mark, hex.EncodeToString([]byte(mark)), base64.RawStdEncoding.EncodeToString([]byte(mark))} {
			if bytes.Contains(data, []byte(spelt)) {
				t.Errorf("%s holds %q", where, mark)
			}
		}
	}
}

// eachFile calls do with every file below dir.
func eachFile(t *testing.T, dir string, do func(path string, data []byte)) {
	t.Helper()
	fatal(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		do(path, data)
		return err
	}))
}

// raided returns a vault into which a put-only machine saved twice, that machine, and by what the content of both is recognised.
func raided(t *testing.T) (*estate, *machine, []string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	first, marks := marked("first")
	e.save(m, first, "box")
	second, more := marked("second")
	e.save(m, second, "box")
	e.sound()
	return e, m, append(marks, more...)
}

func TestNeitherNamesNorContentCanBeFoundOnAPutOnlyMachineAndItsStorage(t *testing.T) {
	e, m, marks := raided(t)
	files := 0
	for _, dir := range []string{m.dir, os.TempDir()} {
		eachFile(t, dir, func(path string, data []byte) {
			files++
			holdsNone(t, path, data, marks)
			holdsNone(t, path, []byte(path), marks)
		})
	}
	if files < 4 {
		t.Fatalf("only %d files were looked at", files)
	}
	for _, name := range e.names("") {
		holdsNone(t, name, e.object(name), marks)
	}
}

func TestNoSecretOnAPutOnlyMachineOpensAnything(t *testing.T) {
	e, m, _ := raided(t)
	c := seal.NewClient(m.key.Secret)
	secrets := map[string]seal.Secret{"client": c.Secret(), "chunk ID": c.ChunkIDKey(), "chunker": c.ChunkerKey(), "local": c.LocalKey()}
	for what, secret := range secrets {
		for _, kind := range []seal.KeyKind{seal.RestoreKey, seal.MaintenanceKey} {
			key := seal.KeyFile{Vault: m.key.Vault, Kind: kind, Generation: 1, Secret: secret}
			if _, err := e.tryOpen(e.machine(key), nil); !errors.Is(err, ErrKey) {
				t.Errorf("the %s secret as a %s key: %v", what, kind, err)
			}
		}
		for _, name := range e.names("") {
			for _, message := range messages(name, e.object(name)) {
				scope := seal.Scope{Vault: m.key.Vault, Kind: message.kind, Context: message.context}
				if _, err := seal.Open(nil, secret, scope, message.sealed); !errors.Is(err, varve.ErrDamaged) {
					t.Errorf("%s, sealed as %v, opens with the %s secret: %v", name, message.kind, what, err)
				}
			}
		}
	}
}

// message is something sealed in the storage.
type message struct {
	kind    seal.Kind
	context []byte
	sealed  []byte
}

// messages returns what is sealed in an object, as far as the open part tells where it stands.
func messages(name string, data []byte) []message {
	switch {
	case strings.HasPrefix(name, "data/"):
		footer := data[len(data)-table.FooterSize:]
		return []message{{seal.KindLocator, nil, footer[:12+seal.Overhead]}}
	case name != "config" && (data[5] == byte(seal.KindSnapshot) || data[5] == byte(seal.KindIndex)):
		return []message{{seal.Kind(data[5]), data[:24], data[24+seal.EncapsulationLen : len(data)-seal.SignatureLen]}}
	}
	return nil
}

func TestAPutOnlyKeyIsRefusedEverythingButSaving(t *testing.T) {
	e, m, _ := raided(t)
	ctx := context.Background()
	id := e.held[0].snap.ID
	s := e.open(m)
	defer s.Close()
	for what, do := range map[string]func() error{
		"snapshots":   func() error { _, err := s.Snapshots(ctx); return err },
		"view":        func() error { _, err := s.View(ctx, id); return err },
		"verify":      func() error { _, err := s.Verify(ctx, varve.VerifyOptions{}); return err },
		"structure":   func() error { _, err := s.Verify(ctx, varve.VerifyOptions{StructureOnly: true}); return err },
		"forget":      func() error { return s.Forget(ctx, id) },
		"unforget":    func() error { return s.Unforget(ctx, id) },
		"forgotten":   func() error { _, err := s.Forgotten(ctx); return err },
		"prune":       func() error { _, err := s.Prune(ctx, PruneOptions{}); return err },
		"add client":  func() error { _, err := s.AddClient(ctx, "x"); return err },
		"add wrapped": func() error { return s.AddWrapped(ctx, "x", seal.RestoreKey, e.recipient()) },
		"remove key":  func() error { return s.RemoveKey(ctx, "box") },
		"rotate":      func() error { _, err := s.Rotate(ctx, "x", e.recipient()); return err },
		"key file":    func() error { _, err := s.KeyFile(seal.RestoreKey, "x"); return err },
	} {
		before := len(e.names(""))
		if err := do(); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", what, err)
		}
		if len(e.names("")) != before {
			t.Errorf("%s changed the storage", what)
		}
	}
	e.sound()
}

func TestAPutOnlyClientOpensWhatChangedAlone(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	src, _ := marked("tag")
	src.Dir("deep")
	for i := range 10 {
		src.File(fmt.Sprintf("deep/%d", i), noise(uint64(i), 100_000))
	}
	all, _ := e.saveCounting(m, src, "box")
	if opened, put := e.saveCounting(m, src, "box"); opened != 0 || put > 20_000 {
		t.Errorf("nothing changed: %d of %d files were opened, and %d bytes put", opened, all, put)
	}
	src.Move("deep", "renamed")
	if opened, put := e.saveCounting(m, src, "box"); opened != 0 || put > 40_000 {
		t.Errorf("a directory was renamed: %d files were opened, and %d bytes put", opened, put)
	}
	src.Move("renamed/3", "moved") // which gives it a new change time
	if opened, put := e.saveCounting(m, src, "box"); opened != 1 || put > 40_000 {
		t.Errorf("a file was moved: %d files were opened, and %d bytes put", opened, put)
	}
	src.Write("renamed/5", "new")
	src.File("twin", src.At("renamed/6").Stream)
	if opened, put := e.saveCounting(m, src, "box"); opened != 2 || put > 40_000 {
		t.Errorf("a file was changed and another one copied: %d files were opened, and %d bytes put", opened, put)
	}
	e.sound()

	fatal(t, os.RemoveAll(m.cache()))
	if opened, _ := e.saveCounting(m, src, "box"); opened != 0 {
		t.Errorf("the loss of the cache alone opens %d files", opened)
	}
	fatal(t, os.RemoveAll(m.dir))
	if opened, put := e.saveCounting(m, src, "box"); opened < all || put < 1_000_000 {
		t.Errorf("after the loss of all memory %d files were opened, and %d bytes put", opened, put)
	}
	if opened, _ := e.saveCounting(m, src, "box"); opened != 0 {
		t.Errorf("the run after it opens %d files", opened)
	}
	fatal(t, os.RemoveAll(m.dir))
	e.held = e.held[len(e.held)-2:]
	e.with(e.machine(e.root), func(s *Store) {
		list, err := s.Snapshots(context.Background())
		fatal(t, err)
		for _, snap := range list[:len(list)-2] {
			fatal(t, s.Forget(context.Background(), snap.ID))
		}
		_, err = s.Prune(context.Background(), PruneOptions{Undo: -1})
		fatal(t, err)
	})
	e.sound()
}

func TestAPutOnlyClientGoesOnWithADamagedCache(t *testing.T) {
	src := garden()
	for i := range 20 {
		src.File(fmt.Sprintf("dir/%02d", i), fmt.Sprintf("content %d", i)).Holes = []varve.Extent{{Off: 0, Len: int64(4096 * (1 + i))}}
	}
	base := newEstate(t)
	home := base.machine(base.addClient("box"))
	base.save(home, src, "box")
	base.save(home, src, "box")
	src.Write("dir/03", "changed")
	eachFile(t, home.dir, func(path string, data []byte) {
		if len(data) == 0 || strings.HasSuffix(path, ".json") { // a lease; or what a machine saw earlier: the run ends, and says which file to remove
			return
		}
		rel, err := filepath.Rel(home.dir, path)
		fatal(t, err)
		list := places(len(data))
		spread(t, 2*len(list), func(i int) {
			at, bad := list[i/2], flipped(data, list[i/2])
			if i%2 == 1 {
				bad = data[:at]
			}
			e := base.copy(t)
			m := home.copy(e)
			fatal(t, os.WriteFile(filepath.Join(m.dir, rel), bad, 0o600))
			e.saveCounting(m, src, "box")
			if opened, _ := e.saveCounting(m, src, "box"); opened != 0 {
				t.Errorf("%s, %d bytes of %d, changed at %d: the second run after it opens %d files", rel, len(bad), len(data), at, opened)
			}
			e.sound()
		})
	})
}

// places returns some places of n bytes, the first and last ones among them.
func places(n int) (list []int) {
	step := max(1, n/12)
	switch {
	case racing() || testing.Short():
		step = max(1, n/2)
	case strict():
		step = max(1, n/60)
	}
	for i := 0; i < n; i += step {
		list = append(list, i)
	}
	return append(list, n-1)
}

// signedBy stores a record that a client signed.
func (e *estate) signedBy(key seal.KeyFile, kind seal.Kind, where backend.Kind, body string) string {
	e.Helper()
	data, err := seal.SignObject(key.Vault, 1, seal.NewClient(key.Secret).Signer(), kind, []byte(body))
	e.need(err)
	name, err := backend.Save(context.Background(), e.store, where, data)
	e.need(err)
	return name
}

func TestAPutOnlyClientForgetsSealsAndCondemnsNothingOfOthers(t *testing.T) {
	e := newEstate(t)
	admin := e.machine(e.root)
	e.save(admin, garden(), "full")
	key := e.addClient("box")
	record := e.sealedRecord()
	unsealed := e.unsealed(admin, grown())
	packs := `"` + strings.Join(e.names("data/"), `","`) + `"`
	e.signedBy(key, seal.KindTomb, backend.Snapshots, fmt.Sprintf(`{"snap":%q,"time":"2020-01-01T00:00:00Z"}`, record))
	e.signedBy(key, seal.KindSeal, backend.Snapshots, fmt.Sprintf(`{"snap":%q}`, unsealed))
	e.signedBy(key, seal.KindCondemn, backend.Locks, fmt.Sprintf(`{"names":[%s],"nonce":"00"}`, packs))
	e.signedBy(key, seal.KindCondemn, backend.Locks, fmt.Sprintf(`{"names":[%q],"nonce":"01"}`, record))
	e.with(e.machine(e.root), func(s *Store) {
		list, err := s.Snapshots(context.Background())
		if len(list) != 1 || err != nil && !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("%d snapshots, error %v", len(list), err)
		}
		e.holds(s, list[0].ID, garden().Want())
	})
	before := e.stored("data/")
	if _, put := e.saveCounting(admin, garden(), "full"); put > 20_000 {
		t.Errorf("%d bytes were put after %d: packs that a client condemned are not relied on", put, before)
	}
	e.with(e.machine(e.root), func(s *Store) {
		_, err := s.Prune(context.Background(), PruneOptions{Undo: -1})
		fatal(t, err)
		for _, h := range e.held {
			e.holds(s, h.snap.ID, h.want)
		}
	})
}

// sealedRecord returns the name of a snapshot record that is sealed.
func (e *estate) sealedRecord() (name string) {
	e.Helper()
	e.with(e.machine(e.root), func(s *Store) {
		r, err := s.catalog.read(context.Background())
		e.need(err)
		name = r.valid()[0].name
	})
	return name
}

// unsealed leaves a record without a seal, and returns its name.
func (e *estate) unsealed(m *machine, src *storetest.Tree) string {
	e.Helper()
	inj := &faulty.Injector{At: 2, Fault: faulty.Kill(faulty.Nothing),
		Filter: func(op faulty.Op) bool { return op.Method == "Put" && strings.HasPrefix(op.Name, "snapshots/") }}
	s, err := e.tryOpen(m, inj)
	e.need(err)
	if _, err := e.trySave(s, src, "full"); err == nil {
		e.Fatal("the run was not killed")
	}
	e.need(s.Close())
	return inj.Ops()[0].Name
}

func TestAPutOnlyClientCannotWriteForOthers(t *testing.T) {
	e := newEstate(t)
	admin := e.machine(e.root)
	e.save(admin, garden(), "full")
	key := e.addClient("box")
	mine, theirs := seal.NewClient(key.Secret), seal.OpenRoot(e.root.Secret).Client()
	content := noise(99, 10_000)
	ids := digest.NewIDKey(theirs.ChunkIDKey()) // which the client does not have
	id := ids.ID(digest.ClassContent, digest.Sum([]byte(content)))

	session, err := seal.NewSession(key.Vault, key.Publics)
	fatal(t, err)
	w := &pack.Writer{Vault: key.Vault, Session: session, Signer: mine.Signer(), Domain: table.Domain(theirs.Domain()), Compressor: &seal.Compressor{}}
	bundle, builder := w.NewBundle(table.ContentGroup), w.NewBuilder(func(ctx context.Context, p table.Pack, data []byte) error {
		_, err := backend.Save(ctx, e.store, backend.Data, data)
		return err
	})
	fatal(t, bundle.Add(id, table.Content, []byte(content)))
	fatal(t, builder.Add(context.Background(), bundle.Seal()))
	fatal(t, builder.Finish(context.Background()))

	src := garden()
	src.File("dir/target", content)
	if _, put := e.saveCounting(admin, src, "full"); put < 10_000 {
		t.Errorf("only %d bytes were put: a forged pack is relied on", put)
	}
	for _, h := range e.held {
		e.with(e.machine(e.root), func(s *Store) { e.holds(s, h.snap.ID, h.want) })
	}
	s := e.open(admin)
	defer s.Close()
	r, err := s.catalog.read(context.Background())
	fatal(t, err)
	rec := r.valid()[0]
	body, err := encodeSnap(&rec.snap, rec.domain, rec.root, "", nil)
	fatal(t, err)
	forged, err := seal.SealObject(key.Vault, session, mine.Signer(), seal.KindSnapshot, body)
	fatal(t, err)
	name, err := backend.Save(context.Background(), e.store, backend.Snapshots, forged)
	fatal(t, err)
	if _, err := s.readRecord(context.Background(), name); !errors.Is(err, gc.ErrForeign) {
		t.Errorf("a record in another client's domain: %v", err)
	}
}

func TestARemovedClientAddsNothing(t *testing.T) {
	e := newEstate(t)
	m := e.machine(e.addClient("box"))
	e.save(m, garden(), "box")
	s := e.open(m) // before it is removed
	e.with(e.machine(e.root), func(admin *Store) { e.need(admin.RemoveKey(context.Background(), "box")) })
	if _, err := s.Save(context.Background(), grown(), e.saving("box")); err != nil {
		t.Logf("who was removed meanwhile: %v", err)
	}
	fatal(t, s.Close())
	if _, err := e.tryOpen(m, nil); !errors.Is(err, ErrKey) {
		t.Errorf("a removed key: %v", err)
	}
	e.with(e.machine(e.root), func(admin *Store) {
		list, err := admin.Snapshots(context.Background())
		if err != nil || len(list) != 1 {
			t.Errorf("%d snapshots, error %v", len(list), err)
		}
		_, err = admin.Prune(context.Background(), PruneOptions{Undo: -1})
		fatal(t, err)
	})
	e.sound()
}
