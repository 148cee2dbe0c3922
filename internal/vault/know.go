package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"varve"
	"varve/internal/backend"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// know brings the index up to date, if that was not done since the Store was opened.
func (s *Store) know(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.indexed {
		return nil
	}
	return s.learnLocked(ctx)
}

// refresh brings the index up to date.
func (s *Store) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.learnLocked(ctx)
}

func (s *Store) learnLocked(ctx context.Context) error {
	packs, err := backend.Objects(ctx, s.backend, backend.Data)
	if err == nil {
		err = s.learn(ctx, packs, s.shunned)
	}
	if errors.Is(err, varve.ErrDamaged) { // a file of the local index, which is left out now
		err = s.learn(ctx, packs, s.shunned)
	}
	if err != nil {
		return fmt.Errorf("find out what is in the vault: %w", err)
	}
	s.indexed = true
	return nil
}

// learn makes the index know exactly these packs but some: from index objects, else from the packs themselves. What cannot be read of a pack
// is told, and nothing in it is known. A put-only client knows what it stored itself alone.
func (s *Store) learn(ctx context.Context, packs []varve.Object, but map[table.Name]bool) error {
	listed := make(map[table.Name]int64, len(packs))
	for _, o := range packs {
		_, sum, err := backend.Parse(o.Name)
		if err != nil {
			continue
		}
		if name := table.Name(sum); !but[name] {
			listed[name] = o.Size
		}
	}
	var gone, known []table.Name
	for p, err := range s.index.Packs() {
		if err != nil {
			return err
		}
		if size, there := listed[p.Name]; there && size == int64(p.Size) {
			known = append(known, p.Name)
		} else {
			gone = append(gone, p.Name)
		}
	}
	if err := s.index.Remove(gone...); err != nil {
		return err
	}
	if s.keys.admin == nil {
		return nil
	}
	for _, name := range known {
		delete(listed, name)
	}
	if len(listed) == 0 {
		return nil
	}
	read, err := s.learnIndexes(ctx, listed)
	if err == nil {
		err = s.learnTables(ctx, listed)
	}
	if err != nil {
		return err
	}
	s.remember(read)
	return nil
}

// remember keeps what was learnt for the next time, and that all these index objects were read; nil where some were not. That it cannot be
// kept costs time only.
func (s *Store) remember(read []string) {
	err := s.index.Flush()
	if err == nil && read != nil {
		err = s.local.writeIndexed(read)
	}
	if err != nil {
		s.opts.Warn(fmt.Errorf("remember what is in the vault: %w", err))
	}
}

// learnIndexes learns the packs in wanted that index objects list, and takes them from it. It returns the names of all index objects if they
// were read, now or earlier; nil where there was no need to.
func (s *Store) learnIndexes(ctx context.Context, wanted map[table.Name]int64) ([]string, error) {
	objects, err := backend.Objects(ctx, s.backend, backend.Index)
	if err != nil {
		return nil, err
	}
	read := s.local.readIndexed()
	fresh := slices.DeleteFunc(slices.Clone(objects), func(o varve.Object) bool { return slices.Contains(read, o.Name) })
	for o := range s.indexObjects(ctx, fresh) {
		switch err := s.learnIndex(o, wanted); {
		case isGone(err): // written anew meanwhile
		case isDamage(err) || isStrange(err): // the packs say themselves what is in them
			s.spoilt = true
			s.opts.Warn(fmt.Errorf("%s: %w", o.name, err))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		if len(wanted) == 0 {
			return nil, nil
		}
	}
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.Name
	}
	return names, nil
}

// learnIndex learns the packs in wanted that an index object lists, and takes them from it.
func (s *Store) learnIndex(o *indexObject, wanted map[table.Name]int64) error {
	signer, _ := s.keys.packSigner(o.by)
	for p, err := range o.packs() {
		if err != nil {
			return err
		}
		size, want := wanted[p.Name]
		if !want || size != int64(p.Size) || !mayWrite(signer, o.by, p.Domains) {
			continue
		}
		p.Signer = table.Domain(o.by)
		if err := s.index.Add(&p); err != nil {
			return err
		}
		delete(wanted, p.Name)
	}
	return nil
}

// believed reports whether what a signer says of others is believed, as in an index object: an admin or a full client. A put-only client could say of
// a pack that is not its own that nothing of use is in it; its packs are asked themselves, and it writes no index objects.
func (k *keyring) believed(id seal.SignerID) bool {
	c := k.clients[id]
	return k.adminKey(id) != nil || c != nil && c.Kind == kindFull
}

// mayWrite reports whether a signer may speak for these domains.
func mayWrite(signer pack.Signer, id seal.SignerID, domains []table.Domain) bool {
	return signer.Admin || !slices.ContainsFunc(domains, func(d table.Domain) bool { return d != table.Domain(id) })
}

// learnTables learns packs from themselves, several at once.
func (s *Store) learnTables(ctx context.Context, wanted map[table.Name]int64) error {
	names := slices.SortedFunc(maps.Keys(wanted), func(a, b table.Name) int { return bytes.Compare(a[:], b[:]) })
	return together(ctx, s.opts.requests(), len(names), func(i int) error {
		name := names[i]
		p, err := s.readTable(ctx, name, wanted[name])
		if errors.Is(err, seal.ErrVersion) { // or damaged where it says so
			if _, loadErr := backend.Load(ctx, s.backend, backend.Data.Name(name)); loadErr != nil {
				err = loadErr
			}
		}
		switch {
		case isGone(err): // deleted since it was listed
			return nil
		case isDamage(err) || isStrange(err):
			s.opts.Warn(fmt.Errorf("%s: %w", backend.Data.Name(name), err))
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", backend.Data.Name(name), err)
		}
		return s.index.Add(&p)
	})
}

// together calls do with the numbers below n, on several goroutines, until one of them fails or ctx ends.
func together(ctx context.Context, workers, n int, do func(i int) error) error {
	var next atomic.Int64
	var once sync.Once
	var fail error
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				err := ctx.Err()
				if err == nil {
					err = do(int(i))
				}
				if err != nil {
					once.Do(func() { fail = err })
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return fail
}

// readTable reads the table of a pack from its tail.
func (s *Store) readTable(ctx context.Context, name table.Name, size int64) (table.Pack, error) {
	return s.packs.Table(ctx, name, size, func(ctx context.Context, off, n int64) ([]byte, error) {
		return s.backend.Get(ctx, backend.Data.Name(name), off, n)
	})
}

// indexedName is the file that names the index objects read already.
const indexedName = "indexed.json"

// readIndexed returns the index objects that the local index has taken in. That it is wrong costs time only.
func (l *local) readIndexed() (names []string) {
	data, err := os.ReadFile(filepath.Join(l.cache, indexedName))
	if err != nil || json.Unmarshal(data, &names) != nil {
		return nil
	}
	return names
}

func (l *local) writeIndexed(names []string) error {
	data, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.cache, indexedName), data, 0o600)
}

// indexer writes index objects for the packs that a run stores.
type indexer struct {
	store   *Store
	session *seal.Session
	signer  *seal.Signer

	mu    sync.Mutex
	packs []table.Pack
	size  int             // of their tables, about, in bytes
	names map[string]bool // of the index objects written
}

// maxIndexed is about how large the tables in one index object are together, in bytes.
const maxIndexed = 8 << 20

func newIndexer(s *Store, session *seal.Session, signer *seal.Signer) *indexer {
	return &indexer{store: s, session: session, signer: signer, names: map[string]bool{}}
}

// add enters a pack that was stored.
func (x *indexer) add(ctx context.Context, p table.Pack) error {
	if !x.store.keys.believed(x.signer.ID()) {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.packs = append(x.packs, p)
	x.size += tableSize(&p)
	if x.size < maxIndexed {
		return nil
	}
	return x.write(ctx)
}

// flush writes what is left.
func (x *indexer) flush(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.packs) == 0 {
		return nil
	}
	return x.write(ctx)
}

func (x *indexer) write(ctx context.Context) error {
	body, err := table.AppendIndex(nil, x.packs)
	if err != nil {
		return err
	}
	data, err := seal.SealObject(x.store.keys.vault, x.session, x.signer, seal.KindIndex, body)
	if err != nil {
		return err
	}
	x.packs, x.size = nil, 0
	name, err := backend.Save(ctx, x.store.backend, backend.Index, data)
	if err == nil {
		x.names[name] = true
	}
	return err
}

// tableSize is about how long the table of a pack is, in bytes.
func tableSize(p *table.Pack) int {
	n := len(p.Sessions) * table.SessionSize
	for i := range p.Blobs {
		n += 12 + 35*len(p.Blobs[i].Chunks)
	}
	return n
}
