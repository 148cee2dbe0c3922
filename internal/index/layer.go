package index

import (
	"fmt"

	"varve"
	"varve/internal/table"
)

// source is what has records: a file, or what was learnt recently. All methods panic with a damage where a file turns out to be
// damaged; see guarded.
type source interface {
	// count returns how many records a region has. Buckets and gone are for files alone.
	count(r region) uint32
	// at returns a record, which must not be changed nor kept.
	at(r region, n uint32) []byte
	// session returns a session, which must not be changed but may be kept.
	session(n uint32) []byte
	// find returns the number of a chunk with this ID, and where to go on looking for the next; the first search is from 0.
	find(id *varve.ChunkID, from uint32) (chunk, next uint32, found bool)
	// findPack does the same for packs with a name.
	findPack(name *table.Name, from uint32) (pack, next uint32, found bool)
	// fail panics, given what is wrong.
	fail(reason string)
}

// damage is what a source panics with.
type damage struct {
	file   *file
	reason string
}

func (d damage) Error() string {
	return fmt.Sprintf("index %s: %s: %v", d.file.path, d.reason, varve.ErrDamaged)
}

func (d damage) Unwrap() error { return varve.ErrDamaged }

// layer is a source, without the packs of it that do not count.
type layer struct {
	source
	file *file  // the source where it is one, else nil
	dead bitmap // by pack; never changed, but replaced
}

// bitmap is a set of numbers.
type bitmap []uint64

func (b bitmap) has(n uint32) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func (b *bitmap) set(n uint32) {
	for int(n/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (l *layer) pack(n uint32) packRecord   { return readPack(l.at(packs, n)) }
func (l *layer) blob(n uint32) blobRecord   { return readBlob(l.at(blobs, n)) }
func (l *layer) chunk(n uint32) chunkRecord { return readChunk(l.at(chunks, n)) }
func (l *layer) row(n uint32) row           { return readRow(l.at(rows, n)) }
func (l *layer) ref(n uint32) uint32        { return le.Uint32(l.at(refs, n)) }

// domainOf returns the domain of a blob of a pack.
func (l *layer) domainOf(p *packRecord, b *blobRecord) (d table.Domain) {
	if b.domain >= p.domains {
		l.fail("a domain that is not there")
	}
	copy(d[:], l.at(domains, l.ref(p.ref+p.sessions+b.domain)))
	return d
}

// place describes a chunk of a pack and blob.
func (l *layer) place(p *packRecord, b *blobRecord, chunk uint32) Place {
	if chunk-b.chunk >= b.chunks || b.session >= p.sessions {
		l.fail("a chunk or session that is not there")
	}
	c := l.chunk(chunk)
	return Place{
		Pack: p.name, PackSize: p.size, Signer: p.signer, Domain: l.domainOf(p, b), Session: l.session(l.ref(p.ref + b.session)),
		Blob: b.id, Group: b.group, Codec: b.codec, Off: b.off, Sealed: b.sealed, Plain: b.plain,
		Class: c.class, From: c.from, Len: l.endOf(b, chunk) - c.from,
	}
}

// endOf returns where a chunk of b ends in the blob before compression.
func (l *layer) endOf(b *blobRecord, chunk uint32) uint32 {
	if chunk-b.chunk == b.chunks-1 {
		return b.plain
	}
	next := l.chunk(chunk + 1)
	return next.from
}

// whole returns everything that is known of a pack.
func (l *layer) whole(n uint32) table.Pack {
	r := l.pack(n)
	p := table.Pack{Name: r.name, Size: r.size, Signer: r.signer}
	for i := range r.sessions {
		p.Sessions = append(p.Sessions, l.session(l.ref(r.ref+i)))
	}
	for i := range r.domains {
		p.Domains = append(p.Domains, table.Domain(l.at(domains, l.ref(r.ref+r.sessions+i))))
	}
	for i := range r.blobs {
		p.Blobs = append(p.Blobs, l.wholeBlob(r.blob+i))
	}
	if err := p.Check(r.size); err != nil {
		l.fail("a pack that is against the format")
	}
	return p
}

func (l *layer) wholeBlob(n uint32) table.Blob {
	r := l.blob(n)
	b := table.Blob{
		ID: r.id, Group: r.group, Codec: r.codec, Session: int(r.session), Domain: int(r.domain), Off: r.off, Sealed: r.sealed, Plain: r.plain,
		Chunks: make([]table.Chunk, r.chunks),
	}
	for i := range b.Chunks {
		c := l.chunk(r.chunk + uint32(i))
		b.Chunks[i] = table.Chunk{ID: c.id, Class: c.class, Len: l.endOf(&r, r.chunk+uint32(i)) - c.from}
	}
	return b
}

// prepare makes names and rows of a layer that nothing is added to any more.
func (l *layer) prepare() {
	if r, ok := l.source.(*recent); ok {
		r.sort()
	}
}

// known reports whether a pack counts that has this name, and this signer.
func (l *layer) known(name *table.Name, signer table.Domain) bool {
	n, next, found := l.findPack(name, 0)
	for ; found; n, next, found = l.findPack(name, next) {
		if p := l.pack(n); p.signer == signer && !l.dead.has(n) {
			return true
		}
	}
	return false
}
