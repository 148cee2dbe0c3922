package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"varve"
	"varve/internal/backend"
	"varve/internal/digest"
	"varve/internal/manifest"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/storetest"
	"varve/internal/table"
)

// forger is a client with a valid put-only key who stores what no honest one would.
type forger struct {
	*estate
	key  seal.KeyFile
	save *save
	root manifest.Root
	snap snapBody
}

// forge makes a vault with an honest snapshot, and one that lie tells of. Whatever lie does not set is as an honest client has it.
func forge(t *testing.T, lie func(f *forger)) *estate {
	t.Helper()
	e := newEstate(t)
	e.save(e.machine(e.root), garden(), "honest")
	f := &forger{estate: e, key: e.addClient("forger")}
	s := e.open(e.machine(f.key))
	defer s.Close()
	f.save = &save{store: s, ctx: context.Background(), opts: e.saving("forged"), base: nothing{}, firsts: map[string]*varve.Entry{}}
	var err error
	f.save.intake, err = s.newIntake(f.save.ctx, false)
	e.need(err)
	f.entries(&pageWriter{f.save.intake})
	lie(f)
	if f.root == (manifest.Root{}) {
		f.root, err = f.save.entries.Close()
		e.need(err)
	}
	e.need(f.save.intake.finish())
	f.put()
	return e
}

// entries begins a manifest.
func (f *forger) entries(to manifest.PageWriter) {
	f.save.entries = manifest.NewWriter(to)
	f.need(f.save.entries.Add(&varve.Entry{Kind: varve.Dir, Mode: 0o755}))
}

// file adds a file with lies in it.
func (f *forger) file(e varve.Entry) {
	e.Kind, e.Mode = varve.Regular, 0o644
	if e.Path == "" {
		e.Path = "file"
	}
	f.need(f.save.entries.Add(&e))
}

// chunk stores a chunk and returns its digest.
func (f *forger) chunk(class byte, data string) varve.Digest {
	h := f.save.intake.borrow()
	defer f.save.intake.giveBack(h)
	d := digest.Sum([]byte(data))
	_, err := h.put(class, d, []byte(data))
	f.need(err)
	return d
}

// list stores a list of n times the same digest.
func (f *forger) list(d varve.Digest, n int) varve.Digest {
	return f.chunk(digest.ClassList, strings.Repeat(string(d[:]), n))
}

// under stores data under the ID of other content.
func (f *forger) under(class byte, d varve.Digest, data string) {
	f.blob(class, d, len(data), table.Raw, []byte(data))
}

// blob stores a blob that is said to hold one chunk of n bytes.
func (f *forger) blob(class byte, d varve.Digest, n int, codec table.Codec, packed []byte) {
	w := f.save.intake.writer
	b := table.Blob{Group: table.Class(class).Group(), Codec: codec, Sealed: uint32(len(packed) + seal.Overhead), Plain: uint32(n),
		Chunks: []table.Chunk{{ID: f.save.intake.ids.ID(class, d), Class: table.Class(class), Len: uint32(n)}}}
	b.ID = b.ComputeID()
	secret, kind := w.Session.Content, seal.KindContent
	if b.Group == table.StructureGroup {
		secret, kind = w.Session.Structure, seal.KindStructure
	}
	data := seal.Seal(nil, secret, seal.Scope{Vault: f.key.Vault, Kind: kind, Context: b.ID[:]}, packed)
	f.need(f.save.intake.content.Add(f.save.ctx, pack.Sealed{Data: data, Blob: b, Session: w.Session.Envelope.AppendTo(nil), Domain: w.Domain}))
}

// put stores the record and its seal.
func (f *forger) put() {
	s, own := f.save.store, f.save.store.keys.own
	if f.snap.Snapshot == nil {
		f.describe(func(*varve.Snapshot) {})
	}
	if f.snap.Domain == (seal.SignerID{}) {
		f.snap.Domain = own.Domain()
	}
	f.snap.Root = f.root
	body, err := json.Marshal(&f.snap)
	f.need(err)
	data, err := seal.SealObject(f.key.Vault, f.save.intake.writer.Session, own.Signer(), seal.KindSnapshot, body)
	f.need(err)
	name, err := backend.Save(f.save.ctx, f.store, backend.Snapshots, data)
	f.need(err)
	text, err := (*codec)(s).Seal(name)
	f.need(err)
	_, err = backend.Save(f.save.ctx, f.store, backend.Snapshots, text)
	f.need(err)
}

// describe sets the snapshot of the record.
func (f *forger) describe(lie func(*varve.Snapshot)) {
	snap, err := f.save.describe(&records{})
	f.need(err)
	snap.End = snap.Time
	lie(&snap)
	text, err := manifest.EncodeRecord(&snap)
	f.need(err)
	f.snap.Snapshot = text
}

// bomb returns a frame of zstd that says nothing of its length, which is n.
func bomb(t *testing.T, n int64) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	fatal(t, err)
	_, err = io.CopyN(w, zeros{}, n)
	fatal(t, err)
	fatal(t, w.Close())
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// spoiler changes every page before it is stored.
type spoiler struct {
	*pageWriter
	spoil func(page []byte) []byte
}

func (s spoiler) Put(page []byte) (manifest.PageID, error) {
	return s.pageWriter.Put(s.spoil(slices.Clone(page)))
}

// lies returns what a forger may try. What stands in parentheses is no lie, as far as anybody can read it.
func lies(t *testing.T) map[string]func(f *forger) {
	const huge = 1 << 62
	word := "some content"
	return map[string]func(f *forger){
		"a size larger than the content":  func(f *forger) { f.file(varve.Entry{Size: 1 << 40, Digest: f.chunk(0, word)}) },
		"a size smaller than the content": func(f *forger) { f.file(varve.Entry{Size: 5, Digest: f.chunk(0, word)}) },
		"a hole that is larger than the file was": func(f *forger) {
			f.file(varve.Entry{Size: huge, Holes: []varve.Extent{{Off: 0, Len: huge}}, Digest: f.chunk(0, word)})
		},
		"content that is nowhere": func(f *forger) { f.file(varve.Entry{Size: 9, Digest: varve.Digest{1, 2, 3}}) },
		"a list that is nowhere": func(f *forger) {
			f.file(varve.Entry{Size: 9, Digest: varve.Digest{1}, Chunks: []varve.Digest{{2}, {3}}, Depth: 1})
		},
		"content under the ID of other content": func(f *forger) {
			d := digest.Sum([]byte(word))
			f.under(digest.ClassContent, d, "OTHER CONTENT"[:len(word)])
			f.file(varve.Entry{Size: int64(len(word)), Digest: d})
		},
		"a list under the ID that it names, so that it holds itself": func(f *forger) {
			d := varve.Digest{7}
			f.under(digest.ClassList, d, string(d[:]))
			f.file(varve.Entry{Size: huge, Digest: varve.Digest{1}, Chunks: []varve.Digest{d}, Depth: 8})
		},
		"(a file of 2^85 chunks)": func(f *forger) {
			d := f.chunk(0, word)
			for range 8 {
				d = f.list(d, maxList)
			}
			f.file(varve.Entry{Size: huge, Digest: varve.Digest{1}, Chunks: []varve.Digest{d, d}, Depth: 8})
		},
		"a list of no whole number of digests": func(f *forger) {
			f.file(varve.Entry{Size: 9, Digest: varve.Digest{1}, Chunks: []varve.Digest{f.chunk(1, strings.Repeat("x", 33))}, Depth: 1})
		},
		"a list that is too long": func(f *forger) {
			f.file(varve.Entry{Size: 9, Digest: varve.Digest{1}, Chunks: []varve.Digest{f.list(f.chunk(0, word), maxList+1)}, Depth: 1})
		},
		"content in the place of a list": func(f *forger) {
			f.file(varve.Entry{Size: 9, Digest: varve.Digest{1}, Chunks: []varve.Digest{f.chunk(0, strings.Repeat("x", 64))}, Depth: 1})
		},
		"lists nested too deep": func(f *forger) {
			d := f.list(f.chunk(0, word), 1)
			f.entries(spoiler{&pageWriter{f.save.intake}, func(page []byte) []byte {
				return bytes.Replace(page, append([]byte{8, 1}, d[:]...), append([]byte{9, 1}, d[:]...), 1)
			}})
			f.file(varve.Entry{Size: 9, Digest: varve.Digest{1}, Chunks: []varve.Digest{d}, Depth: 8})
		},
		"content that decompresses to more than it says": func(f *forger) {
			f.blob(digest.ClassContent, varve.Digest{5}, 1<<20, table.Zstd, bomb(t, 1<<28))
			f.file(varve.Entry{Size: 1 << 20, Digest: varve.Digest{5}})
		},
		"content that decompresses to less than it says": func(f *forger) {
			f.blob(digest.ClassContent, varve.Digest{5}, table.MaxChunk, table.Zstd, bomb(t, 100))
			f.file(varve.Entry{Size: table.MaxChunk, Digest: varve.Digest{5}})
		},
		"a list that decompresses to more than it says": func(f *forger) {
			f.blob(digest.ClassList, varve.Digest{5}, 32*maxList, table.Zstd, bomb(t, 1<<28))
			f.file(varve.Entry{Size: 100, Digest: varve.Digest{1}, Chunks: []varve.Digest{{5}}, Depth: 1})
		},
		"a page that decompresses to more than it says": func(f *forger) {
			d := varve.Digest{5}
			f.blob(digest.ClassPage, d, 1<<20, table.Zstd, bomb(t, 1<<28))
			f.root = manifest.Root{ID: manifest.PageID(f.save.intake.ids.ID(digest.ClassPage, d)), Entries: 1}
		},
		"pages of junk":     func(f *forger) { f.page("\x01junk", 0, 1) },
		"a root at a level": func(f *forger) { f.page("\x01\x01", math.MaxInt32, 1) },
		"a root at a negative level": func(f *forger) {
			f.page("\x01\x01", -1, 1)
		},
		"a root of a negative number of entries":                     func(f *forger) { f.page("\x01\x00", 0, -1) },
		"a root of too many entries":                                 func(f *forger) { f.page("\x01\x00", 0, math.MaxInt64) },
		"a page under the ID that it names, so that it holds itself": func(f *forger) { f.loop() },
		"content as the root":                                        func(f *forger) { f.pageOf(digest.ClassContent, word) },
		"a list as the root":                                         func(f *forger) { f.pageOf(digest.ClassList, word) },
		"a root that is nowhere":                                     func(f *forger) { f.root = manifest.Root{ID: manifest.PageID{1}, Level: 3, Entries: 10} },
		"another client's domain": func(f *forger) {
			f.snap.Domain = seal.OpenRoot(f.estate.root.Secret).Client().Domain()
		},
		"negative counts": func(f *forger) { f.describe(func(s *varve.Snapshot) { s.Files, s.Bytes = -1, math.MinInt64 }) },
		"the number 0":    func(f *forger) { f.describe(func(s *varve.Snapshot) { s.Seq = 0 }) },
		"the last number there is": func(f *forger) {
			f.describe(func(s *varve.Snapshot) { s.Seq = math.MaxUint64; s.Series = "honest" })
		},
		"the last number that is allowed, in another's series": func(f *forger) {
			f.describe(func(s *varve.Snapshot) { s.Seq = maxSeq; s.Series = "honest" })
			f.file(varve.Entry{Size: 5, Digest: f.chunk(0, word)})
		},
		"no series":        func(f *forger) { f.describe(func(s *varve.Snapshot) { s.Series = "" }) },
		"an unknown state": func(f *forger) { f.describe(func(s *varve.Snapshot) { s.State = "perfect" }) },
		"a record that is no JSON": func(f *forger) {
			f.snap.Snapshot = json.RawMessage(`"text"`)
		},
		"(a record before that never was)": func(f *forger) { f.snap.Previous = "snapshots/../../etc" },
		"(a thousand heads that never were)": func(f *forger) {
			for i := range 1000 {
				f.snap.Heads = append(f.snap.Heads, fmt.Sprint("snapshots/", i))
			}
		},
	}
}

// page makes bytes the root page.
func (f *forger) page(data string, level int, entries int64) {
	d := f.chunk(digest.ClassPage, data)
	f.root = manifest.Root{ID: manifest.PageID(f.save.intake.ids.ID(digest.ClassPage, d)), Level: level, Entries: entries}
}

// loop stores a page of references to itself, as its root.
func (f *forger) loop() {
	d := varve.Digest{8}
	id := f.save.intake.ids.ID(digest.ClassPage, d)
	page := append([]byte{1, 1}, id[:]...)
	f.under(digest.ClassPage, d, string(append(page, 0, 1, 0)))
	f.root = manifest.Root{ID: manifest.PageID(id), Level: 1, Entries: 1}
}

// pageOf makes a chunk of a class the root page.
func (f *forger) pageOf(class byte, data string) {
	f.root = manifest.Root{ID: manifest.PageID(f.save.intake.ids.ID(class, f.chunk(class, data))), Entries: 1}
}

// taken returns how much memory do takes in all, in bytes.
func taken(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// patience is how long anything may take with a vault of a few KiB.
const patience = time.Minute

func TestWhatAForgerStoresIsAnErrorAndHurtsNobodyElse(t *testing.T) {
	for name, lie := range lies(t) {
		t.Run(name, func(t *testing.T) {
			e := forge(t, lie)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s := e.open(e.machine(e.root))
			defer s.Close()
			wrong := false
			most := taken(func() { wrong = e.suspect(ctx, s) })
			if !wrong && !strings.HasPrefix(name, "(") {
				t.Error("nobody sees it")
			}
			if most > 256<<20 && !racing() {
				t.Errorf("it takes %d bytes of memory", most)
			}
			e.others(ctx, s)
			if err := ctx.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// suspect reads all that is there, and reports whether anything is said to be wrong.
func (e *estate) suspect(ctx context.Context, s *Store) (wrong bool) {
	e.Helper()
	list, err := s.Snapshots(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		e.Error(err)
	}
	wrong = err != nil || len(list) == len(e.held) // what is left out hurts nobody
	for _, snap := range list {
		v, err := s.View(ctx, snap.ID)
		e.need(err)
		for entry, err := range v.Entries(ctx) {
			if err == nil && entry.Kind == varve.Regular {
				err = readSome(ctx, v, entry)
			}
			if err != nil {
				wrong = true
				if !told(err) {
					e.Error(err)
				}
				break
			}
		}
	}
	report, err := s.Verify(ctx, varve.VerifyOptions{})
	e.need(err)
	return wrong || report.Damage > 0
}

// readSome reads the first MiB of a file.
func readSome(ctx context.Context, v varve.View, entry varve.Entry) error {
	f, err := v.Open(ctx, entry)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(io.Discard, f, 1<<20)
	if err == io.EOF {
		err = nil
	}
	return err
}

// others makes sure that everybody else can go on: the honest snapshot is there, another one can be made, and the forged one be forgotten.
func (e *estate) others(ctx context.Context, s *Store) {
	e.Helper()
	e.holds(s, e.held[0].snap.ID, e.held[0].want)
	snap, err := e.trySave(s, wild(), "honest")
	e.need(err)
	e.holds(s, snap.ID, wild().Want())
	list, _ := s.Snapshots(ctx)
	for _, l := range list {
		if !slices.ContainsFunc(e.held, func(h holding) bool { return h.snap.ID == l.ID }) {
			e.need(s.Forget(ctx, l.ID))
		}
	}
	if _, err := s.Prune(ctx, PruneOptions{Undo: -1}); err != nil && !errors.Is(err, varve.ErrDamaged) {
		e.Error(err)
	}
	e.need(s.RemoveKey(ctx, "forger")) // whatever was in the way
	_, err = s.Prune(ctx, PruneOptions{Undo: -1, GiveUp: true})
	e.need(err)
	for _, h := range e.held {
		e.holds(s, h.snap.ID, h.want)
	}
}

func TestASnapshotOfANewerProgramIsNamedAndCanBeForgotten(t *testing.T) {
	e := forge(t, func(f *forger) { f.page("\x7f\x00", 0, 1) })
	s := e.open(e.machine(e.root))
	defer s.Close()
	list, err := s.Snapshots(context.Background())
	fatal(t, err)
	i := slices.IndexFunc(list, func(l varve.Snapshot) bool { return l.ID != e.held[0].snap.ID })
	report, err := s.Verify(context.Background(), varve.VerifyOptions{})
	if report.Damage == 0 && (err == nil || !strings.Contains(err.Error(), list[i].ID.Short())) {
		t.Errorf("verify: %+v, error %v", report, err)
	}
	e.others(context.Background(), s)
	e.sound()
}

// story returns a vault with a history in two series, a machine that knows it, and the names of its records in order.
func story(t *testing.T) (*estate, *machine, []string) {
	t.Helper()
	e := newEstate(t)
	m := e.machine(e.root)
	var records []string
	for i, src := range []func() *storetest.Tree{garden, grown, wild, garden, grown} {
		before := e.names("snapshots/")
		e.save(m, src(), []string{"a", "a", "b", "a", "b"}[i])
		for _, name := range e.names("snapshots/") {
			if !slices.Contains(before, name) && e.object(name)[5] == byte(seal.KindSnapshot) {
				records = append(records, name)
			}
		}
	}
	return e, m, records
}

// withhold takes a record away, and its seal.
func (e *estate) withhold(record string) {
	for _, name := range e.names("snapshots/") {
		if name == record || bytes.Contains(e.object(name), []byte(record)) {
			e.store.Set(name, nil)
		}
	}
}

func TestAWithheldSnapshotIsNoticed(t *testing.T) {
	for which, forgetful := range []bool{true, true, true, true, false} { // nobody tells of the newest but who remembers it
		for _, all := range []bool{true, false} {
			e, m, records := story(t)
			name := records[which]
			if all {
				e.withhold(name)
			} else { // the seal alone, which makes of a snapshot one that was never finished
				for _, other := range e.names("snapshots/") {
					if other != name && bytes.Contains(e.object(other), []byte(name)) {
						e.store.Set(other, nil)
					}
				}
			}
			e.notices(m, name)
			if forgetful {
				e.notices(e.machine(e.root), name)
			}
			// The next snapshot does not cover it up.
			e.held = nil
			for _, series := range []string{"a", "b"} {
				e.save(m, wild(), series)
			}
			e.notices(m, name)
			e.notices(e.machine(e.root), name)
		}
	}
}

// notices checks that a machine notices that a record is missing.
func (e *estate) notices(m *machine, name string) {
	e.Helper()
	e.with(m, func(s *Store) {
		_, err := s.Snapshots(context.Background())
		if !errors.Is(err, varve.ErrDamaged) || !strings.Contains(err.Error(), name) {
			e.Errorf("snapshots: %v, want one that names %s", err, name)
		}
		list, err := findings(s)
		e.need(err)
		if !slices.ContainsFunc(list, func(f string) bool { return strings.Contains(f, name) }) {
			e.Errorf("verify finds %q, want one that names %s", list, name)
		}
	})
}

func TestAnOlderCopyOfEverythingIsNoticed(t *testing.T) {
	e, m, _ := story(t)
	older := e.store.Clone()
	e.save(m, wild(), "a")
	e.save(m, garden(), "b")
	e.store = older
	e.with(m, func(s *Store) {
		list, err := s.Snapshots(context.Background())
		if !errors.Is(err, varve.ErrDamaged) || len(list) != 5 {
			t.Errorf("%d snapshots, error %v", len(list), err)
		}
	})
	// So is one from before the forgotten was forgotten, where something was saved since.
	box := e.machine(e.addClient("box"))
	e.save(box, garden(), "box")
	older = e.store.Clone()
	e.save(box, grown(), "box")
	e.store, box.warns = older, nil
	e.save(box, wild(), "box")
	if !slices.ContainsFunc(box.warns, func(err error) bool { return errors.Is(err, varve.ErrDamaged) }) {
		t.Errorf("a put-only client does not see it: %v", box.warns)
	}
}

func TestKeysThatAreWithheldAreNoticed(t *testing.T) {
	e := museum(t)
	home := e.machine(e.root)
	box := e.machine(e.addClient("another"))
	for _, m := range []*machine{home, box} {
		e.with(m, func(*Store) {})
	}
	for _, name := range e.names("keys/") {
		c := e.copy(t)
		kind := seal.Kind(c.object(name)[5])
		c.store.Set(name, nil)
		switch s, err := c.tryOpen(box.copy(c), nil); {
		case kind == seal.KindGeneration:
			if !errors.Is(err, varve.ErrDamaged) {
				t.Errorf("a put-only client takes an older generation for the newest: %v", err)
			}
		case err == nil:
			fatal(t, s.Close())
		}
		switch kind {
		case seal.KindGeneration:
			if _, err := c.tryOpen(home.copy(c), nil); err == nil {
				t.Error("an older generation passes for the newest")
			}
		case seal.KindClient, seal.KindRemoved:
			s, err := c.tryOpen(home.copy(c), nil)
			if err != nil {
				if !told(err) {
					t.Error(err)
				}
				continue
			}
			if _, err := s.Snapshots(context.Background()); !errors.Is(err, varve.ErrDamaged) || !strings.Contains(err.Error(), name) {
				t.Errorf("snapshots: %v, want one that names %s", err, name)
			}
			fatal(t, s.Close())
		}
	}
}
