package index

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"hash/maphash"
	"slices"
	"sync"

	"varve"
	"varve/internal/table"
)

// column is a list of records of one size that grows without moving what it has.
type column struct {
	size  int
	slabs [][]byte
	n     uint32
}

const slabBytes = 32 << 10

func (c *column) perSlab() uint32 { return uint32(max(1, slabBytes/c.size)) }

// add appends a record, which write appends to its argument.
func (c *column) add(write func([]byte) []byte) uint32 {
	if c.n%c.perSlab() == 0 {
		c.slabs = append(c.slabs, make([]byte, 0, int(c.perSlab())*c.size))
	}
	last := &c.slabs[len(c.slabs)-1]
	*last = write(*last)
	c.n++
	return c.n - 1
}

func (c *column) at(n uint32) []byte {
	from := int(n%c.perSlab()) * c.size
	return c.slabs[n/c.perSlab()][from : from+c.size : from+c.size]
}

// recent is a source in memory. Packs are added to it until it is frozen; then it may be sorted.
type recent struct {
	columns  [regions]column
	bytes    int      // about how much memory is in use
	slots    []uint32 // the number of a chunk plus 1, or 0; at the place that its ID hashes to, or the first free one after it
	used     int      // how many of slots
	seed     maphash.Seed
	byName   map[table.Name][]uint32
	sessions map[[32]byte]uint32 // by their hash
	domains  map[table.Domain]uint32

	domainsOfLast uint32 // how many the pack that is being added has

	sortOnce sync.Once
	sorted   []row
	named    []uint32
}

func newRecent() *recent {
	r := &recent{
		slots: make([]uint32, 1<<10), seed: maphash.MakeSeed(), byName: map[table.Name][]uint32{},
		sessions: map[[32]byte]uint32{}, domains: map[table.Domain]uint32{},
	}
	for i := range r.columns {
		r.columns[i].size = sizes[i]
	}
	return r
}

// add takes in a pack that keeps to the format.
func (r *recent) add(p *table.Pack) {
	record := packRecord{
		name: p.Name, signer: p.Signer, size: p.Size, blob: r.count(blobs), blobs: uint32(len(p.Blobs)), chunk: r.count(chunks),
		ref: r.count(refs), sessions: uint32(len(p.Sessions)), domains: uint32(len(p.Domains)),
	}
	for _, s := range p.Sessions {
		n := r.internSession(s)
		r.columns[refs].add(func(b []byte) []byte { return le.AppendUint32(b, n) })
	}
	for _, d := range p.Domains {
		n := r.internDomain(d)
		r.columns[refs].add(func(b []byte) []byte { return le.AppendUint32(b, n) })
	}
	r.domainsOfLast = record.domains
	pack := r.count(packs)
	for i := range p.Blobs {
		r.addBlob(&p.Blobs[i], pack)
	}
	record.chunks = r.count(chunks) - record.chunk
	r.columns[packs].add(record.append)
	r.byName[p.Name] = append(r.byName[p.Name], pack)
	const perPack = 250 // with what a map takes
	r.bytes += perPack + 4*(len(p.Sessions)+len(p.Domains)) + sizes[blobs]*len(p.Blobs) + int(record.chunks)*(sizes[chunks]+8)
}

func (r *recent) addBlob(b *table.Blob, pack uint32) {
	record := blobRecord{
		id: b.ID, pack: pack, chunk: r.count(chunks), chunks: uint32(len(b.Chunks)), group: b.Group, codec: b.Codec,
		session: uint32(b.Session), domain: uint32(b.Domain), off: b.Off, sealed: b.Sealed, plain: b.Plain,
	}
	n := r.columns[blobs].add(record.append)
	from := uint32(0)
	for _, c := range b.Chunks {
		chunk := chunkRecord{id: c.ID, from: from, class: c.Class, blob: n}
		from += c.Len
		r.insert(r.columns[chunks].add(chunk.append), &record)
	}
}

func (r *recent) internSession(s []byte) uint32 {
	key := sha256.Sum256(s)
	n, known := r.sessions[key]
	if !known {
		n = r.columns[sessions].add(func(b []byte) []byte { return append(b, s...) })
		r.sessions[key] = n
		r.bytes += len(s)
	}
	return n
}

func (r *recent) internDomain(d table.Domain) uint32 {
	n, known := r.domains[d]
	if !known {
		n = r.columns[domains].add(func(b []byte) []byte { return append(b, d[:]...) })
		r.domains[d] = n
		r.bytes += 4 * len(d)
	}
	return n
}

// slot returns the place in slots that id hashes to. The seed keeps who chooses IDs from filling one place.
func (r *recent) slot(id []byte) int {
	return int(maphash.Bytes(r.seed, id) & uint64(len(r.slots)-1))
}

// insert enters a chunk into slots, but for the second one with an ID in one pack and domain, which nobody needs to find.
func (r *recent) insert(chunk uint32, b *blobRecord) {
	if 4*r.used >= 3*len(r.slots) {
		r.grow()
	}
	id := r.at(chunks, chunk)[:32]
	i := r.slot(id)
	for ; r.slots[i] != 0; i = (i + 1) & (len(r.slots) - 1) {
		other := r.at(chunks, r.slots[i]-1)
		if bytes.Equal(other[:32], id) && r.isIn(le.Uint32(other[36:]), b) {
			return
		}
	}
	r.slots[i] = chunk + 1
	r.used++
}

// isIn reports whether a blob is in the pack and domain of b. The numbers of the domains of the pack are the last refs.
func (r *recent) isIn(blob uint32, b *blobRecord) bool {
	other := readBlob(r.at(blobs, blob))
	if other.pack != b.pack {
		return false
	}
	first := r.count(refs) - r.domainsOfLast
	return other.domain == b.domain || bytes.Equal(r.at(refs, first+other.domain), r.at(refs, first+b.domain))
}

func (r *recent) grow() {
	old := r.slots
	r.slots = make([]uint32, 2*len(old))
	for _, entry := range old {
		if entry == 0 {
			continue
		}
		i := r.slot(r.at(chunks, entry-1)[:32])
		for r.slots[i] != 0 {
			i = (i + 1) & (len(r.slots) - 1)
		}
		r.slots[i] = entry
	}
}

// sort makes names and rows of what was added. Nothing may be added any more.
func (r *recent) sort() {
	r.sortOnce.Do(func() {
		r.sorted = make([]row, 0, r.used)
		for _, entry := range r.slots {
			if entry != 0 {
				r.sorted = append(r.sorted, row{keyOf(r.at(chunks, entry-1)), entry - 1})
			}
		}
		slices.SortFunc(r.sorted, func(a, b row) int {
			if c := cmp.Compare(a.key, b.key); c != 0 {
				return c
			}
			c := bytes.Compare(r.at(chunks, a.chunk)[:32], r.at(chunks, b.chunk)[:32])
			return cmp.Or(c, cmp.Compare(a.chunk, b.chunk))
		})
		r.named = make([]uint32, r.count(packs))
		for i := range r.named {
			r.named[i] = uint32(i)
		}
		slices.SortFunc(r.named, func(a, b uint32) int {
			return cmp.Or(bytes.Compare(r.at(packs, a)[:32], r.at(packs, b)[:32]), cmp.Compare(a, b))
		})
	})
}

// count is right for names and rows once r is sorted.
func (r *recent) count(g region) uint32 {
	switch g {
	case names:
		return uint32(len(r.named))
	case rows:
		return uint32(len(r.sorted))
	}
	return r.columns[g].n
}

func (r *recent) at(g region, n uint32) []byte {
	switch g {
	case names:
		return le.AppendUint32(nil, r.named[n])
	case rows:
		return r.sorted[n].append(nil)
	}
	return r.columns[g].at(n)
}

func (r *recent) session(n uint32) []byte { return r.columns[sessions].at(n) }

func (r *recent) find(id *varve.ChunkID, from uint32) (chunk, next uint32, found bool) {
	i := int(from) - 1
	if from == 0 {
		i = r.slot(id[:])
	}
	for ; r.slots[i] != 0; i = (i + 1) & (len(r.slots) - 1) {
		if n := r.slots[i] - 1; bytes.Equal(r.at(chunks, n)[:32], id[:]) {
			return n, uint32((i+1)&(len(r.slots)-1)) + 1, true
		}
	}
	return 0, 0, false
}

func (r *recent) findPack(name *table.Name, from uint32) (pack, next uint32, found bool) {
	list := r.byName[*name]
	if int(from) >= len(list) {
		return 0, 0, false
	}
	return list[from], from + 1, true
}

func (r *recent) fail(reason string) { panic("index: " + reason) }
