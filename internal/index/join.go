package index

import (
	"crypto/sha256"
	"math"
	"sort"

	"varve/internal/table"
)

// run is a sequence of packs of a layer that count, and so are copied together. What is added to a number of the layer gives the
// number in the new file.
type run struct {
	pack, packs                uint32 // the first one in the layer, and how many
	blob, blobs                uint32
	chunk, chunks              uint32
	addPack, addBlob, addChunk uint32 // modulo 1<<32
}

// join is a file to be made of layers.
type join struct {
	layers []layer // whose recents are sorted
	gone   []table.Name
	runs   [][]run // by layer
	chunks uint64
}

// newJoin returns false where there are too many chunks for one file.
func newJoin(layers []layer, gone []table.Name) (*join, bool) {
	j := &join{layers: layers, gone: gone}
	var end run // numbers in the new file
	blobs := uint64(0)
	for i := range layers {
		layers[i].prepare()
		list := runsOf(&layers[i])
		for k := range list {
			r := &list[k]
			r.addPack, r.addBlob, r.addChunk = end.pack-r.pack, end.blob-r.blob, end.chunk-r.chunk
			end.pack, end.blob, end.chunk = end.pack+r.packs, end.blob+r.blobs, end.chunk+r.chunks
			j.chunks += uint64(r.chunks)
			blobs += uint64(r.blobs)
		}
		j.runs = append(j.runs, list)
	}
	return j, j.chunks < math.MaxUint32 && blobs < math.MaxUint32
}

// runsOf returns the runs of a layer, without what is added.
func runsOf(l *layer) (list []run) {
	open := false
	for n := range l.count(packs) {
		if l.dead.has(n) {
			open = false
			continue
		}
		p := l.pack(n)
		if !open {
			list = append(list, run{pack: n, blob: p.blob, chunk: p.chunk})
			open = true
		}
		r := &list[len(list)-1]
		if p.blob != r.blob+r.blobs || p.chunk != r.chunk+r.chunks || p.blob > l.count(blobs) || p.chunk > l.count(chunks) {
			l.fail("packs that are not in order")
		}
		if p.blobs > l.count(blobs)-p.blob || p.chunks > l.count(chunks)-p.chunk {
			l.fail("a pack whose blobs are not there")
		}
		r.packs, r.blobs, r.chunks = r.packs+1, r.blobs+p.blobs, r.chunks+p.chunks
	}
	return list
}

// empty reports whether the file would have nothing to tell.
func (j *join) empty() bool {
	for _, list := range j.runs {
		if len(list) > 0 {
			return false
		}
	}
	return len(j.gone) == 0
}

// write writes the file.
func (j *join) write(w *writer) {
	j.writePacks(w)
	w.begin(names)
	for at := range mergedNames(j.layers) {
		w.addNumber(at.n + runAt(j.runs[at.layer], at.n, func(r *run) uint32 { return r.pack }).addPack)
	}
	j.writeBlobs(w)
	j.writeChunks(w)
	j.writeBuckets(w)
	w.begin(rows)
	for layer, r := range mergedRows(j.layers) {
		r.chunk += runAt(j.runs[layer], r.chunk, func(r *run) uint32 { return r.chunk }).addChunk
		w.buf = r.append(w.buf[:0])
		w.add(w.buf)
	}
	j.writeRefs(w)
	w.begin(gone)
	for i := range j.gone {
		w.add(j.gone[i][:])
	}
}

// runAt returns the run that has number n of those whose first one start tells. There is one.
func runAt(list []run, n uint32, start func(*run) uint32) *run {
	if len(list) == 1 {
		return &list[0]
	}
	i := sort.Search(len(list), func(i int) bool { return start(&list[i]) > n })
	return &list[max(i-1, 0)]
}

// each calls visit with every run and its layer.
func (j *join) each(visit func(l *layer, r *run)) {
	for i, list := range j.runs {
		for k := range list {
			visit(&j.layers[i], &list[k])
		}
	}
}

func (j *join) writePacks(w *writer) {
	w.begin(packs)
	ref := uint32(0)
	j.each(func(l *layer, r *run) {
		for n := range r.packs {
			p := l.pack(r.pack + n)
			p.blob, p.chunk, p.ref = p.blob+r.addBlob, p.chunk+r.addChunk, ref
			ref += p.sessions + p.domains
			w.buf = p.append(w.buf[:0])
			w.add(w.buf)
		}
	})
}

func (j *join) writeBlobs(w *writer) {
	w.begin(blobs)
	j.each(func(l *layer, r *run) {
		for n := range r.blobs {
			b := l.blob(r.blob + n)
			b.pack, b.chunk = b.pack+r.addPack, b.chunk+r.addChunk
			w.buf = b.append(w.buf[:0])
			w.add(w.buf)
		}
	})
}

func (j *join) writeChunks(w *writer) {
	w.begin(chunks)
	j.each(func(l *layer, r *run) {
		for n := range r.chunks {
			c := l.chunk(r.chunk + n)
			c.blob += r.addBlob
			w.buf = c.append(w.buf[:0])
			w.add(w.buf)
		}
	})
}

// writeBuckets goes over the rows once before they are written, so that no more than a bucket is in memory.
func (j *join) writeBuckets(w *writer) {
	w.begin(buckets)
	n := bucketsFor(j.chunks)
	var f filter
	row, start, bucket := uint32(0), uint32(0), uint32(0)
	end := func() {
		w.addNumberAnd(start, f[:])
		f, start = filter{}, row
		bucket++
	}
	for _, r := range mergedRows(j.layers) {
		for b := bucketOf(r.key, n); bucket < b; {
			end()
		}
		f.add(r.key)
		row++
	}
	for bucket <= n {
		end()
	}
}

// addNumberAnd writes a record that begins with a number.
func (w *writer) addNumberAnd(v uint32, rest []byte) {
	w.buf = append(le.AppendUint32(w.buf[:0], v), rest...)
	w.add(w.buf)
}

// writeRefs writes refs, and the domains and sessions that they are numbers of.
func (j *join) writeRefs(w *writer) {
	w.begin(refs)
	newDomains := distinct[table.Domain]{region: domains, key: func(b []byte) table.Domain { return table.Domain(b) }}
	newSessions := distinct[[32]byte]{region: sessions, key: func(b []byte) [32]byte { return sha256.Sum256(b) }}
	for i, list := range j.runs {
		l := &j.layers[i]
		for _, r := range list {
			for n := range r.packs {
				p := l.pack(r.pack + n)
				for k := range p.sessions {
					w.addNumber(newSessions.number(l, located{i, l.ref(p.ref + k)}))
				}
				for k := range p.domains {
					w.addNumber(newDomains.number(l, located{i, l.ref(p.ref + p.sessions + k)}))
				}
			}
		}
	}
	newDomains.write(w, j.layers)
	newSessions.write(w, j.layers)
}

// distinct numbers the records of a region in several layers, equal ones alike.
type distinct[K comparable] struct {
	region region
	key    func(record []byte) K
	known  map[located]uint32
	byKey  map[K]uint32
	list   []located // one record for each number
}

// number returns the number of the record of l at a place.
func (d *distinct[K]) number(l *layer, at located) uint32 {
	n, known := d.known[at]
	if known {
		return n
	}
	key := d.key(l.at(d.region, at.n))
	if n, known = d.byKey[key]; !known {
		n = uint32(len(d.list))
		d.list = append(d.list, at)
	}
	if d.known == nil {
		d.known, d.byKey = map[located]uint32{}, map[K]uint32{}
	}
	d.known[at], d.byKey[key] = n, n
	return n
}

// write writes the region.
func (d *distinct[K]) write(w *writer, layers []layer) {
	w.begin(d.region)
	for _, at := range d.list {
		w.add(layers[at.layer].at(d.region, at.n))
	}
}
