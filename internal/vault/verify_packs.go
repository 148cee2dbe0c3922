package vault

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

// packs reads packs, several at once: whole, or with StructureOnly their tables. What is not even known of is among them.
func (c *check) packs() error {
	names, err := c.selection()
	if err != nil {
		return err
	}
	verified := &verifiedPacks{}
	work := make(chan table.Name)
	var wg sync.WaitGroup
	var once sync.Once
	var fail error
	stop := make(chan struct{})
	readers := c.store.opts.workers()
	if c.opts.StructureOnly {
		readers = c.store.opts.requests()
	}
	for range readers {
		wg.Go(func() {
			for name := range work {
				if err := c.pack(name, verified); err != nil {
					once.Do(func() { fail = err; close(stop) })
				}
			}
		})
	}
feed:
	for _, name := range names {
		select {
		case work <- name:
		case <-stop:
			break feed
		case <-c.ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
	if err := cmp.Or(fail, c.ctx.Err()); err != nil || c.opts.StructureOnly {
		return err
	}
	return c.store.local.writeVerified(verified, c.store.opts.Now())
}

// pack checks one pack. What is wrong with it is told; an error says that it could not be looked at.
func (c *check) pack(name table.Name, verified *verifiedPacks) error {
	object := backend.Data.Name(name)
	var err error
	if c.opts.StructureOnly {
		err = c.structure(name)
	} else {
		err = c.content(name)
	}
	switch {
	case isGone(err) && !c.listed(name): // collected meanwhile
		return nil
	case isDamage(err) || isStrange(err):
		c.damage("", fmt.Errorf("%s: %w", object, err))
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", object, err)
	}
	verified.add(name)
	return nil
}

// listed reports whether the storage still lists a pack.
func (c *check) listed(name table.Name) bool {
	for o, err := range c.store.backend.List(c.ctx, backend.Data.Name(name)) {
		if err != nil || o.Name == backend.Data.Name(name) {
			return true
		}
	}
	return false
}

// structure reads the table of a pack.
func (c *check) structure(name table.Name) error {
	_, err := c.store.readTable(c.ctx, name, c.sizes[name])
	return err
}

// content reads a pack whole and every chunk in it.
func (c *check) content(name table.Name) error {
	data, err := c.store.backend.Get(c.ctx, backend.Data.Name(name), 0, backend.Data.MaxSize()+1)
	if err != nil {
		return err
	}
	var known table.Pack
	if sha256.Sum256(data) == [32]byte(name) {
		known, err = c.store.packs.Table(c.ctx, name, int64(len(data)), pack.In(data))
	} else {
		err = fmt.Errorf("its bytes do not hash to its name: %w", varve.ErrDamaged)
		list, indexErr := c.store.index.Pack(name)
		if indexErr != nil && !isDamage(indexErr) {
			return indexErr
		}
		if len(list) > 0 { // what the index knows of it tells which chunks are hurt
			known = list[0]
		}
	}
	for i := range known.Blobs {
		if blobErr := c.blob(&known, i, data); blobErr != nil && err == nil {
			err = blobErr
		}
	}
	return err
}

// blob opens one blob of a pack and checks its chunks.
func (c *check) blob(p *table.Pack, i int, data []byte) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	b := &p.Blobs[i]
	ids := c.store.chunksOf(seal.SignerID(p.Domains[b.Domain])).ids
	if ids == nil {
		return fmt.Errorf("blob of client %s: %w", p.Domains[b.Domain], ErrKey)
	}
	var plain []byte
	err := error(varve.ErrDamaged)
	if int64(b.End()) <= int64(len(data)) {
		plain, err = c.store.packs.OpenBlob(nil, p.Sessions[b.Session], b, data[b.Off:b.End()])
	}
	if err != nil {
		c.spoil(b.Chunks)
		return fmt.Errorf("blob at %d: %w", b.Off, err)
	}
	bytes := int64(0)
	for piece, err := range pack.Chunks(plain, b, ids) {
		if err != nil {
			c.spoil([]table.Chunk{piece.Chunk})
			return fmt.Errorf("blob at %d: %w", b.Off, err)
		}
		if piece.Class == table.Content {
			bytes += int64(len(piece.Data))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Bytes += bytes
	c.tell(varve.Event{Kind: varve.Done, Bytes: bytes})
	return nil
}

func (c *check) spoil(list []table.Chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range list {
		c.bad[list[i].ID] = true
	}
}

// selection returns the packs to read: all wanted ones, or of these the share asked for, those first that were not read for the longest
// time.
func (c *check) selection() ([]table.Name, error) {
	names, err := c.wanted()
	if err != nil {
		return nil, err
	}
	if c.opts.Subset <= 0 || c.opts.Subset >= 1 || c.opts.StructureOnly {
		return names, nil
	}
	before, err := c.store.local.readVerified()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(names, func(a, b table.Name) int {
		return cmp.Or(before[a.String()].Compare(before[b.String()]), slices.Compare(a[:], b[:]))
	})
	total := int64(0)
	for _, name := range names {
		total += c.sizes[name]
	}
	n, read := 0, int64(0)
	for n < len(names) && float64(read) < c.opts.Subset*float64(total) {
		read += c.sizes[names[n]]
		n++
	}
	return names[:n], nil
}

// verifiedPacks are the packs found whole.
type verifiedPacks struct {
	mu    sync.Mutex
	names []string
}

func (v *verifiedPacks) add(name table.Name) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names = append(v.names, name.String())
}

// verifiedName is the file that says when which pack was last found whole.
const verifiedName = "verified.json"

func (l *local) readVerified() (map[string]time.Time, error) {
	data, err := l.readState(verifiedName)
	known := map[string]time.Time{}
	if err != nil || data == nil || json.Unmarshal(data, &known) != nil {
		return map[string]time.Time{}, err
	}
	return known, nil
}

func (l *local) writeVerified(v *verifiedPacks, now time.Time) error {
	known, err := l.readVerified()
	if err != nil {
		return err
	}
	for _, name := range v.names {
		known[name] = now.UTC()
	}
	data, err := json.Marshal(known)
	if err != nil {
		return err
	}
	return l.writeState(verifiedName, data)
}
