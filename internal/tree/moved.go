package tree

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"io"
	"iter"
	"slices"

	"varve"
	"varve/internal/manifest"
)

// movedIndex finds the entries of a base by what stays the same when a file is moved: size, modification time and, on the same
// file system, the inode. It takes 24 bytes for each file.
type movedIndex struct {
	reader *manifest.Reader
	time   varve.Time // when the base's run began: what was modified later is not in it
	seed   maphash.Seed
	built  bool
	byNode []mention // key: inode, size, time
	byTime []mention // key: size, time
}

// mention says that the entry at pos has the properties that key is a hash of, and content whose digest begins with sum.
type mention struct {
	key uint32
	pos uint32
	sum uint32
}

// sumOf returns the beginning of a digest, as mentions have it.
func sumOf(d *varve.Digest) uint32 { return binary.LittleEndian.Uint32(d[:]) }

func (m *movedIndex) key(ino uint64, e *varve.Entry) uint32 {
	var b [32]byte
	binary.LittleEndian.PutUint64(b[0:], ino)
	binary.LittleEndian.PutUint64(b[8:], uint64(e.Size))
	binary.LittleEndian.PutUint64(b[16:], uint64(e.MTime.Sec))
	binary.LittleEndian.PutUint64(b[24:], uint64(e.MTime.Nsec))
	return uint32(maphash.Bytes(m.seed, b[:]))
}

// build reads the whole base once.
func (m *movedIndex) build() error {
	m.built, m.seed = true, maphash.MakeSeed()
	c := m.reader.Cursor()
	for pos := uint32(0); ; pos++ {
		e, err := c.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if e.Kind != varve.Regular || e.Size == 0 {
			continue
		}
		m.byTime = append(m.byTime, mention{m.key(0, e), pos, sumOf(&e.Digest)})
		if e.Stamp.Ino != 0 {
			m.byNode = append(m.byNode, mention{m.key(e.Stamp.Ino, e), pos, sumOf(&e.Digest)})
		}
	}
	order := func(a, b mention) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.pos, b.pos)) }
	slices.SortFunc(m.byTime, order)
	slices.SortFunc(m.byNode, order)
	return nil
}

// find returns the mentions in list with this key.
func find(list []mention, key uint32) []mention {
	i, _ := slices.BinarySearchFunc(list, key, func(m mention, key uint32) int { return cmp.Compare(m.key, key) })
	n := i
	for n < len(list) && list[n].key == key {
		n++
	}
	return list[i:n]
}

// seekMoved finds a file of a base that lay elsewhere and may be what is now the entry of j: by inode, or else, to be told by their
// digest, all those of its size and time.
func (s *save) seekMoved(j *job) {
	for _, b := range s.bases {
		m := b.index
		if m == nil || j.entry.MTime.Sec > m.time.Sec {
			continue
		}
		if err := b.seekMoved(j); err != nil {
			s.report(varve.Event{Kind: varve.Damage, Path: j.entry.Path, Err: err})
			b.index = nil
			continue
		}
		if len(j.candidates) > 0 || len(j.moved) > 0 {
			return
		}
	}
}

// maxNodes is how many entries with the same inode, size and time are looked at; there is one, but for hard links.
const maxNodes = 16

func (b *base) seekMoved(j *job) error {
	e, m := j.entry, b.index
	if !m.built {
		if err := m.build(); err != nil {
			return err
		}
	}
	if e.Stamp.Ino != 0 {
		hits := find(m.byNode, m.key(e.Stamp.Ino, e))
		for _, hit := range hits[:min(len(hits), maxNodes)] {
			o, err := m.reader.Get(manifest.Pos(hit.pos))
			if err != nil {
				return err
			}
			if proven, ok := b.suits(&o, e); ok {
				// Equal inode and change time mean nothing on another device.
				j.candidates = append(j.candidates, candidate{b, int(hit.pos) + 1, o, proven && o.Stamp.Dev == e.Stamp.Dev})
			}
		}
	}
	if len(j.candidates) == 0 {
		j.moved, j.from = find(m.byTime, m.key(0, e)), b
	}
	return nil
}

// movedTo returns the candidates among the moved files of j that have this content and nobody has taken.
func (j *job) movedTo(sum *varve.Digest) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		for _, hit := range j.moved {
			pos := int(hit.pos) + 1
			if hit.sum != sumOf(sum) || j.from.claimed(pos) {
				continue
			}
			o, err := j.from.index.reader.Get(manifest.Pos(hit.pos))
			if err != nil {
				return // it is copied instead
			}
			if _, ok := j.from.suits(&o, j.entry); ok && !yield(candidate{j.from, pos, o, false}) {
				return
			}
		}
	}
}
