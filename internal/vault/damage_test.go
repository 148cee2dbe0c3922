package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/mem"
	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/storetest"
	"varve/internal/table"
)

// museum returns a vault that holds an object of every kind, and its newest restore key.
func museum(t *testing.T) *estate {
	t.Helper()
	e := newEstate(t)
	ctx := context.Background()
	to := e.recipient()
	admin := e.machine(e.root)
	e.with(admin, func(s *Store) {
		e.need(s.AddWrapped(ctx, "paper", seal.MaintenanceKey, to))
		box, err := s.AddClient(ctx, "box")
		e.need(err)
		old, err := s.AddClient(ctx, "old")
		e.need(err)
		e.save(e.machine(box), garden(), "box")
		e.save(e.machine(old), grown(), "old")
		e.need(s.RemoveKey(ctx, "old"))
		forgotten, err := e.trySave(s, wild(), "full")
		e.need(err)
		_, err = e.trySave(s, garden(), "full")
		e.need(err)
		e.need(s.Forget(ctx, forgotten.ID))
		e.forgets(forgotten.ID)
		e.root, err = s.Rotate(ctx, "second", to)
		e.need(err)
		large := grown()
		large.File("dir/large", strings.Repeat(storetest.Text(4096), 75))
		s.cuts = chunk.Params{Min: 64 << 10, Avg: 128 << 10, Max: 256 << 10}
		_, err = e.trySave(s, large, "full")
		e.need(err)
		e.condemn(s, []string{backend.NameOf(backend.Data, []byte("nothing"))})
	})
	return e
}

// condemn leaves what a collector that died leaves.
func (e *estate) condemn(s *Store, names []string) {
	e.Helper()
	data, err := (*codec)(s).Condemn(names)
	e.need(err)
	_, err = backend.Save(context.Background(), e.store, backend.Locks, data)
	e.need(err)
}

func TestTheMuseumHoldsEveryKindOfObject(t *testing.T) {
	e := museum(t)
	kinds := map[string]int{}
	for _, name := range e.names("") {
		dir, _, _ := strings.Cut(name, "/")
		if dir != "config" && dir != "data" {
			dir += " " + string(e.object(name)[5])
		}
		kinds[dir]++
	}
	for _, kind := range []string{"config", "data", "index i", "keys k", "keys r", "keys w", "keys g", "snapshots s", "snapshots e", "snapshots t",
		"locks c"} {
		if kinds[kind] == 0 {
			t.Errorf("no object %s among %v", kind, kinds)
		}
	}
	e.sound()
}

// reading is what came of reading everything.
type reading struct {
	wrong  []string // what is not what was saved, and no error says so
	errors []error
	whole  bool // all that was saved was read
}

func (r *reading) fail(err error) { r.errors = append(r.errors, err) }

// readAll opens the vault in b anew and reads all that it shows.
func (e *estate) readAll(b varve.Backend) (r reading) {
	s, err := Open(context.Background(), b, Credentials{Key: &e.root}, Options{Workers: 1, Now: time.Now})
	if err != nil {
		r.fail(err)
		return r
	}
	defer s.Close()
	e.readStore(s, &r)
	if len(r.wrong) > 0 {
		return r
	}
	list, err := findings(s)
	if err != nil {
		r.fail(err)
	}
	for _, f := range list {
		r.fail(errors.New(f))
	}
	return r
}

func (e *estate) readStore(s *Store, r *reading) {
	list, err := s.Snapshots(context.Background())
	if err != nil {
		r.fail(err)
	}
	whole := len(list) == len(e.held)
	for _, snap := range list {
		all := slices.Concat(e.held, e.gone)
		i := slices.IndexFunc(all, func(h holding) bool { return h.snap.ID == snap.ID })
		if i < 0 || !sameSnapshot(&snap, &all[i].snap) {
			r.wrong = append(r.wrong, fmt.Sprintf("a snapshot %+v that nobody saved", snap))
			continue
		}
		v, err := s.View(context.Background(), snap.ID)
		if err != nil {
			r.fail(err)
			whole = false
			continue
		}
		whole = r.view(v, all[i].want) && whole
	}
	r.whole = whole
}

func sameSnapshot(a, b *varve.Snapshot) bool {
	x, y := cloneSnapshot(*a), cloneSnapshot(*b)
	if strings.HasSuffix(x.Series, ":"+y.Series) { // that of a put-only client
		x.Series = y.Series
	}
	x.Time, y.Time = x.Time.UTC(), y.Time.UTC()
	x.End, y.End = x.End.UTC(), y.End.UTC()
	x.Tags, y.Tags = append([]string{}, x.Tags...), append([]string{}, y.Tags...)
	return reflect.DeepEqual(x, y)
}

// view reads a snapshot and reports whether all of want was there.
func (r *reading) view(v varve.View, want []varve.Entry) bool {
	n, whole := 0, true
	for e, err := range v.Entries(context.Background()) {
		if err != nil {
			r.fail(err)
			return false
		}
		if n == len(want) || !sameEntry(e, want[n]) {
			r.wrong = append(r.wrong, fmt.Sprintf("entry %d is %+v", n, e))
			return false
		}
		if e.Kind == varve.Regular {
			whole = r.content(v, e, want[n].Digest) && whole
		}
		n++
	}
	if n < len(want) {
		r.wrong = append(r.wrong, fmt.Sprintf("the listing ends after %d of %d entries", n, len(want)))
	}
	return whole
}

func sameEntry(a, b varve.Entry) bool {
	a.Chunks, a.Depth = nil, 0
	if len(a.Xattrs) == 0 && len(b.Xattrs) == 0 {
		a.Xattrs, b.Xattrs = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

func (r *reading) content(v varve.View, e varve.Entry, want varve.Digest) bool {
	f, err := v.Open(context.Background(), e)
	if err != nil {
		r.fail(err)
		return false
	}
	defer f.Close()
	h := digest.New()
	if _, err := io.Copy(h, f); err != nil {
		r.fail(err)
		return false
	}
	if h.Digest() != want {
		r.wrong = append(r.wrong, "/"+e.Path+" has other content")
	}
	return true
}

// spread calls do for 0 to n-1 on all processors, until one fails.
func spread(t *testing.T, n int, do func(i int)) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && !t.Failed(); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	wg.Wait()
}

// injury is something done to a storage.
type injury struct {
	what string
	do   func(m *mem.Mem)
	// harmless says that nothing is lost by it: all is read all the same, whether or not Verify complains.
	harmless bool
}

// suffer does an injury to copies of the vault, one of them without index objects, and checks that nothing wrong is read.
func (e *estate) suffer(t *testing.T, in injury) {
	for _, indexed := range []bool{true, false} {
		m := e.store.Clone()
		in.do(m)
		if !indexed {
			m = withoutIndex(m)
		}
		r := e.readAll(m)
		for _, w := range r.wrong {
			t.Errorf("%s: %s", in.what, w)
		}
		for _, err := range r.errors {
			if in.harmless && !indexed {
				t.Errorf("%s: %v", in.what, err)
			}
			if !told(err) {
				t.Errorf("%s: an error that does not say what is the matter: %v", in.what, err)
			}
		}
		if in.harmless && !r.whole || !in.harmless && len(r.wrong) == 0 && len(r.errors) == 0 {
			t.Errorf("%s: it goes unseen, index %v, all read %v", in.what, indexed, r.whole)
		}
	}
}

// told reports whether an error tells of damage; Verify tells it in words.
func told(err error) bool {
	for _, is := range []error{varve.ErrDamaged, ErrKey, seal.ErrSigner, seal.ErrVersion, varve.ErrNoStore} {
		if errors.Is(err, is) || strings.Contains(err.Error(), is.Error()) {
			return true
		}
	}
	return false
}

func withoutIndex(m *mem.Mem) *mem.Mem {
	list, _ := backend.Objects(context.Background(), m, backend.Index)
	for _, o := range list {
		m.Set(o.Name, nil)
	}
	return m
}

// spare reports whether an object tells nothing that is not told elsewhere.
func spare(name string) bool {
	return strings.HasPrefix(name, "index/") || strings.HasPrefix(name, "locks/")
}

// gallery reads one pack of a vault of which all else is known already, which takes a hundredth of the time.
type gallery struct {
	*estate
	warm   *Store
	tables map[table.Name]table.Pack
}

func newGallery(e *estate) *gallery {
	g := &gallery{e, e.open(e.machine(e.root)), map[table.Name]table.Pack{}}
	g.need(g.warm.know(context.Background()))
	g.soundIn(g.warm)
	for p, err := range g.warm.index.Packs() {
		g.need(err)
		list, err := g.warm.index.Pack(p.Name)
		g.need(err)
		g.tables[p.Name] = list[0]
	}
	g.store = withoutIndex(g.store.Clone())
	return g
}

// suffer gives a pack other bytes, and checks that nothing wrong is read and that Verify sees it.
func (g *gallery) suffer(t *testing.T, dir string, what string, name table.Name, data []byte) {
	m := g.store.Clone()
	m.Set(backend.Data.Name(name), data)
	w := g.warm
	s := &Store{backend: m, opts: w.opts, keys: w.keys, config: w.config, local: &local{cache: dir}, blobs: newBlobCache(blobCacheSize),
		shunned: map[table.Name]bool{}, indexed: true}
	s.opts.Warn = func(error) {}
	s.catalog.store, s.catalog.objects = s, w.catalog.objects
	s.packs = &pack.Reader{Opener: s.keys.opener, Signers: s.keys.packSigner, Compressor: &s.compressor}
	var err error
	s.index, err = index.Open(dir)
	fatal(t, err)
	defer s.index.Close()
	for other, p := range g.tables {
		if other != name {
			fatal(t, s.index.Add(&p))
		}
	}
	fatal(t, s.learnTables(context.Background(), map[table.Name]int64{name: int64(len(data))}))
	var r reading
	g.readStore(s, &r)
	for _, w := range r.wrong {
		t.Errorf("%s: %s", what, w)
	}
	for _, err := range r.errors {
		if !told(err) {
			t.Errorf("%s: an error that does not say what is the matter: %v", what, err)
		}
	}
	c := &check{store: s, ctx: context.Background(), bad: map[varve.ChunkID]bool{}}
	if err := c.content(name); !isDamage(err) && !errors.Is(err, seal.ErrSigner) {
		t.Errorf("%s: Verify does not see it: %v", what, err)
	}
}

// apart is how far apart the places of a pack are that are tried.
func apart() int {
	switch {
	case exhaustive():
		return 1
	case testing.Short() || racing():
		return 211
	case strict():
		return 13
	}
	return 61
}

// racing reports whether the race detector makes everything slow.
func racing() bool { return stride > 1 }

// samples is how many injuries of one kind each object suffers.
func samples() int {
	switch {
	case exhaustive():
		return 8
	case testing.Short() || racing():
		return 1
	case strict():
		return 4
	}
	return 3
}

// everyPack calls do with every pack and all the places in it that are tried.
func (g *gallery) everyPack(t *testing.T, apart int, do func(dir string, name table.Name, data []byte, at int)) {
	type place struct {
		name table.Name
		data []byte
		at   int
	}
	var list []place
	for name := range g.tables {
		data, step := g.object(backend.Data.Name(name)), apart
		if len(g.tables[name].Blobs) == 0 { // nothing but padding, and its table
			step *= 64
		}
		for at := rand.IntN(step); at < len(data); at += step {
			list = append(list, place{name, data, at})
		}
	}
	dir := t.TempDir() // in which nobody keeps anything
	spread(t, len(list), func(i int) { do(dir, list[i].name, list[i].data, list[i].at) })
	t.Logf("%d places in %d packs", len(list), len(g.tables))
}

func flipped(data []byte, at int) []byte {
	bad := slices.Clone(data)
	bad[at] ^= 1 << (at % 8)
	return bad
}

// replaced is an injury that gives an object other bytes; nil takes it away.
func replaced(what, name string, data []byte) injury {
	return injury{what + " " + name, func(m *mem.Mem) { m.Set(name, data) }, spare(name)}
}

func TestEveryFlippedByteIsFoundAndNothingWrongIsRead(t *testing.T) {
	g := newGallery(museum(t))
	g.everyPack(t, apart(), func(dir string, name table.Name, data []byte, at int) {
		g.suffer(t, dir, fmt.Sprintf("byte %d of %d of pack %s flipped", at, len(data), name), name, flipped(data, at))
	})
	var list []injury
	for _, name := range g.names("") {
		data := g.object(name)
		for range samples() {
			at := rand.IntN(len(data))
			list = append(list, replaced(fmt.Sprintf("byte %d of %d flipped of", at, len(data)), name, flipped(data, at)))
		}
		// What is always read whole is first of all compared with its name.
		for at := 0; at < len(data) && len(data) < 100_000; at++ {
			if backend.Check(name, flipped(data, at)) == nil && name != "config" {
				t.Fatalf("byte %d of %s is not in its name", at, name)
			}
		}
	}
	spread(t, len(list), func(i int) { g.estate.suffer(t, list[i]) })
}

func TestEveryFlippedByteOfConfigIsFound(t *testing.T) {
	e := museum(t)
	data := e.object(configName)
	for at := rand.IntN(stride); at < len(data); at += stride {
		if c, err := parseConfig(flipped(data, at)); err == nil {
			t.Errorf("byte %d of config, %q, is of no matter: %+v", at, data[at], c)
		}
	}
	for n := range len(data) - 1 { // without the line end at its end it says the same
		if _, err := parseConfig(data[:n]); err == nil {
			t.Errorf("%d of %d bytes of config suffice", n, len(data))
		}
	}
}

func TestEveryTruncationIsFoundAndNothingWrongIsRead(t *testing.T) {
	g := newGallery(museum(t))
	g.everyPack(t, max(5, apart()), func(dir string, name table.Name, data []byte, at int) { // all lack the same parts
		g.suffer(t, dir, fmt.Sprintf("pack %s cut to %d of %d", name, at, len(data)), name, data[:at])
	})
	var list []injury
	for _, name := range g.names("") {
		data := g.object(name)
		for _, n := range []int{rand.IntN(len(data)), 0, len(data) - 2}[:min(3, samples())] {
			list = append(list, replaced(fmt.Sprintf("cut to %d of %d:", n, len(data)), name, data[:n]))
		}
		list = append(list, replaced("with a byte more:", name, append(slices.Clone(data), 0)))
	}
	spread(t, len(list), func(i int) { g.estate.suffer(t, list[i]) })
}

func TestTwoObjectsInOneAnothersPlaceAreFoundAndNothingWrongIsRead(t *testing.T) {
	e := museum(t)
	var list []injury
	names := e.names("")
	for i, a := range names {
		for _, b := range names[:i] {
			if !exhaustive() && rand.IntN(len(names)) > samples() {
				continue
			}
			x, y := e.object(a), e.object(b)
			list = append(list, injury{fmt.Sprintf("%s and %s swapped", a, b), func(m *mem.Mem) {
				m.Set(a, y)
				m.Set(b, x)
			}, spare(a) && spare(b)})
		}
	}
	spread(t, len(list), func(i int) { e.suffer(t, list[i]) })
	t.Logf("%d pairs of %d objects", len(list), len(names))
}

// TestWhatIsMissingIsMissedByAMachineThatSawIt takes away one object after the other.
func TestWhatIsMissingIsMissedByAMachineThatSawIt(t *testing.T) {
	e := museum(t)
	home := e.machine(e.root)
	e.with(home, func(s *Store) { e.soundIn(s) })
	needed := e.needed()
	for _, name := range e.names("") {
		c := e.copy(t)
		c.store.Set(name, nil)
		var r reading
		s, err := c.tryOpen(home.copy(c), nil)
		if err == nil {
			c.readStore(s, &r)
			list, err := findings(s)
			fatal(t, err)
			for _, f := range list {
				r.fail(errors.New(f))
			}
			fatal(t, s.Close())
		} else {
			r.fail(err)
		}
		for _, w := range r.wrong {
			t.Errorf("without %s: %s", name, w)
		}
		if len(r.errors) == 0 && needed[name] {
			t.Errorf("%s is missing, and nobody says so", name)
		}
	}
}

// needed returns the objects without which something is lost.
func (e *estate) needed() map[string]bool {
	list := map[string]bool{}
	for _, name := range e.names("") {
		switch {
		case strings.HasPrefix(name, "data/"), spare(name):
		case strings.HasPrefix(name, "config"):
			list[name] = true
		default:
			kind := seal.Kind(e.object(name)[5])
			list[name] = kind != seal.KindWrapped && kind != seal.KindTomb
		}
	}
	e.with(e.machine(e.root), func(s *Store) {
		r, err := s.catalog.read(context.Background())
		e.need(err)
		e.need(s.know(context.Background()))
		for _, rec := range r.all {
			if rec.tomb != nil { // its seal says nothing that the tomb does not
				delete(list, rec.name)
				continue
			}
			n, err := s.needsOf(context.Background(), rec)
			e.need(err)
			for pack := range n.packs {
				list[backend.Data.Name(pack)] = true
			}
		}
		for _, name := range e.names("snapshots/") {
			p, err := s.readRecord(context.Background(), name)
			e.need(err)
			if rec := r.byName[p.seals]; rec != nil && (rec.tomb != nil || r.head(rec.snap.Series) != rec) {
				delete(list, name)
			}
		}
	})
	return list
}
