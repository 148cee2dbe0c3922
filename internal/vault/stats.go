package vault

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"varve"
	"varve/internal/backend"
	"varve/internal/index"
	"varve/internal/seal"
	"varve/internal/table"
)

// StatsOptions say what Stats is to find out.
type StatsOptions struct {
	// Forget are snapshots of which it should say what forgetting them would free.
	Forget []varve.SnapshotID
	// Progress, where set, is told of every snapshot looked at, as Done with what it holds, in bytes.
	Progress func(varve.Event)
}

// Stats says how much a vault holds. What was forgotten counts among the packs alone.
type Stats struct {
	Series []SeriesStats `json:"series"` // ordered by name
	// Snapshots counts snapshots, Packs packs.
	Snapshots int64 `json:"snapshots"`
	Packs     int64 `json:"packs"`
	// LogicalBytes is what all snapshots hold, UniqueBytes what differs of that, StoredBytes what packs take, IndexBytes what index
	// objects take.
	LogicalBytes int64 `json:"logical_bytes"`
	UniqueBytes  int64 `json:"unique_bytes"`
	StoredBytes  int64 `json:"stored_bytes"`
	IndexBytes   int64 `json:"index_bytes"`
	// Deduplication is LogicalBytes by UniqueBytes, Compression UniqueBytes by what these take in packs; 0 where there is nothing.
	Deduplication float64 `json:"deduplication"`
	Compression   float64 `json:"compression"`
	// Freed is what forgetting StatsOptions.Forget would free in the end, in bytes: less where it lies between what stays.
	Freed int64 `json:"freed"`
}

// SeriesStats says how much a series holds.
type SeriesStats struct {
	Series    string `json:"series"`
	Snapshots int64  `json:"snapshots"`
	// Bytes is what its newest snapshot holds, Stored what is in packs for this series alone.
	Bytes  int64 `json:"bytes"`
	Stored int64 `json:"stored"`
}

// Stats looks at all manifests. It needs the maintenance key. ErrNoSnapshot where there is none of those to forget.
func (s *Store) Stats(ctx context.Context, opts StatsOptions) (Stats, error) {
	c := &census{ctx: ctx, store: s, opts: opts}
	defer c.close()
	if s.keys.admin == nil {
		return c.stats, fmt.Errorf("statistics: %w", s.needsKey(seal.MaintenanceKey))
	}
	if err := c.run(); err != nil {
		return c.stats, fmt.Errorf("statistics: %w", err)
	}
	return c.stats, nil
}

// census is one run of Stats.
type census struct {
	ctx   context.Context
	store *Store
	opts  StatsOptions
	stats Stats

	plan    *plan
	of      map[string]*index.Marks // what each series needs
	shared  *index.Marks            // what several series need
	all     *index.Marks
	staying *index.Marks // what is needed by snapshots that are not to be forgotten
	going   *index.Marks // what is needed by those that are
}

func (c *census) close() {
	for _, m := range c.of {
		m.Close()
	}
	for _, m := range []*index.Marks{c.shared, c.all, c.staying, c.going} {
		if m != nil {
			m.Close()
		}
	}
}

func (c *census) run() error {
	s := c.store
	r, err := s.catalog.read(c.ctx)
	if err != nil {
		return err
	}
	records := r.valid()
	for _, id := range c.opts.Forget {
		if !slices.ContainsFunc(records, func(rec *record) bool { return rec.snap.ID == id }) {
			return fmt.Errorf("snapshot %s: %w", id.Short(), varve.ErrNoSnapshot)
		}
	}
	if err := s.refresh(c.ctx); err != nil {
		return err
	}
	c.plan = newPlan(s, PruneOptions{})
	c.of = map[string]*index.Marks{}
	for _, m := range []**index.Marks{&c.shared, &c.all, &c.staying, &c.going} {
		*m = s.index.NewMarks()
	}
	if err := c.count(records); err != nil {
		return err
	}
	if err := c.packs(); err != nil {
		return err
	}
	return c.objects()
}

// count goes through the manifests, series by series, and in each first through the snapshots that stay.
func (c *census) count(records []*record) error {
	bySeries := map[string][]*record{}
	for _, rec := range records {
		bySeries[rec.snap.Series] = append(bySeries[rec.snap.Series], rec)
	}
	for _, series := range slices.Sorted(maps.Keys(bySeries)) {
		list := bySeries[series]
		c.of[series] = c.store.index.NewMarks()
		newest := slices.MaxFunc(list, func(a, b *record) int { return cmp.Compare(a.snap.Seq, b.snap.Seq) })
		c.stats.Series = append(c.stats.Series, SeriesStats{Series: series, Snapshots: int64(len(list)), Bytes: newest.snap.Bytes})
		for _, going := range []bool{false, true} {
			for _, rec := range list {
				if slices.Contains(c.opts.Forget, rec.snap.ID) != going {
					continue
				}
				if err := c.snapshot(rec, going); err != nil {
					return fmt.Errorf("snapshot %s: %w", rec.snap.ID.Short(), err)
				}
			}
		}
	}
	return nil
}

// snapshot goes through one manifest.
func (c *census) snapshot(rec *record, going bool) error {
	c.stats.Snapshots++
	c.stats.LogicalBytes += rec.snap.Bytes
	own, domain := c.of[rec.snap.Series], table.Domain(rec.domain)
	group := c.staying
	if going {
		group = c.going
	}
	t := &tour{plan: c.plan, domain: rec.domain, forgiving: true}
	t.visit = func(_ table.Class, id varve.ChunkID) (bool, error) {
		_, fresh, err := own.Mark(domain, id)
		if err != nil || !fresh {
			return false, err
		}
		if _, _, err := group.Mark(domain, id); err != nil {
			return false, err
		}
		_, first, err := c.all.Mark(domain, id)
		if err == nil && !first {
			_, _, err = c.shared.Mark(domain, id)
		}
		return true, err
	}
	err := t.run(c.ctx, rec)
	if err == nil && c.opts.Progress != nil {
		c.opts.Progress(varve.Event{Kind: varve.Done, Bytes: rec.snap.Bytes})
	}
	return err
}

// packs adds up what chunks take in packs. A chunk that is in several packs counts in each; as content, once.
func (c *census) packs() error {
	content, met := int64(0), c.store.index.NewMarks()
	defer met.Close()
	for info, err := range c.store.index.Packs() {
		if err != nil {
			return err
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		list, err := c.store.index.Pack(info.Name)
		if err != nil {
			return err
		}
		for i := range list[:min(1, len(list))] {
			for j := range list[i].Blobs {
				b := blobAt(&list[i], j)
				n, err := c.blob(&b, met)
				if err != nil {
					return err
				}
				content += n
			}
		}
	}
	if c.stats.UniqueBytes > 0 {
		c.stats.Deduplication = float64(c.stats.LogicalBytes) / float64(c.stats.UniqueBytes)
		c.stats.Compression = float64(c.stats.UniqueBytes) / float64(content)
	}
	return nil
}

// blob adds up one blob, and returns how much of it needed content takes that was not met before, in bytes.
func (c *census) blob(b *sealedBlob, met *index.Marks) (content int64, err error) {
	for i := range b.Chunks {
		one := &b.Chunks[i]
		needed, err := c.all.Has(b.domain, one.ID)
		if err != nil {
			return content, err
		}
		if !needed {
			continue
		}
		takes := int64(b.Sealed) * int64(one.Len) / int64(b.Plain)
		if err := c.attribute(b.domain, one.ID, takes); err != nil {
			return content, err
		}
		_, fresh, err := met.Mark(b.domain, one.ID)
		if err != nil {
			return content, err
		}
		if one.Class == table.Content && fresh {
			c.stats.UniqueBytes += int64(one.Len)
			content += takes
		}
	}
	return content, nil
}

// attribute adds what a chunk takes to the series that alone needs it, and to what would be freed.
func (c *census) attribute(domain table.Domain, id varve.ChunkID, takes int64) error {
	shared, err := c.shared.Has(domain, id)
	if err != nil {
		return err
	}
	for i := 0; i < len(c.stats.Series) && !shared; i++ {
		one := &c.stats.Series[i]
		mine, err := c.of[one.Series].Has(domain, id)
		if err != nil {
			return err
		}
		if mine {
			one.Stored += takes
			break
		}
	}
	going, err := c.going.Has(domain, id)
	if err != nil || !going {
		return err
	}
	staying, err := c.staying.Has(domain, id)
	if err == nil && !staying {
		c.stats.Freed += takes
	}
	return err
}

// objects adds up what the storage lists.
func (c *census) objects() (err error) {
	if c.stats.Packs, c.stats.StoredBytes, err = c.store.Packs(c.ctx); err != nil {
		return err
	}
	indexes, err := backend.Objects(c.ctx, c.store.backend, backend.Index)
	for _, o := range indexes {
		c.stats.IndexBytes += o.Size
	}
	return err
}

// Packs returns how many packs there are, and how many bytes they take, by one listing. It needs no key.
func (s *Store) Packs(ctx context.Context) (n, bytes int64, err error) {
	packs, err := backend.Objects(ctx, s.backend, backend.Data)
	for _, o := range packs {
		bytes += o.Size
	}
	return int64(len(packs)), bytes, err
}
