package tree

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"io"
	"slices"

	"varve"
	"varve/internal/manifest"
)

// movedIndex finds the entries of a base by what stays the same when a file is moved: size, modification time and, on the same
// file system, the inode. It takes 16 bytes for each file.
type movedIndex struct {
	reader *manifest.Reader
	time   varve.Time // when the base's run began: what was modified later is not in it
	seed   maphash.Seed
	built  bool
	byNode []mention // key: inode, size, time
	byTime []mention // key: size, time
}

// mention says that the entry at pos has the properties that key is a hash of.
type mention struct {
	key uint32
	pos uint32
}

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
		m.byTime = append(m.byTime, mention{m.key(0, e), pos})
		if e.Stamp.Ino != 0 {
			m.byNode = append(m.byNode, mention{m.key(e.Stamp.Ino, e), pos})
		}
	}
	order := func(a, b mention) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.pos, b.pos)) }
	slices.SortFunc(m.byTime, order)
	slices.SortFunc(m.byNode, order)
	return nil
}

// maxMentions is how many entries with the same key are looked at.
const maxMentions = 32

// find returns the positions of the entries in list with this key.
func find(list []mention, key uint32) []mention {
	i, _ := slices.BinarySearchFunc(list, key, func(m mention, key uint32) int { return cmp.Compare(m.key, key) })
	n := i
	for n < len(list) && n-i < maxMentions && list[n].key == key {
		n++
	}
	return list[i:n]
}

// movedCandidates returns the files of a base that lay elsewhere and of which one may be what is now e.
func (s *save) movedCandidates(e *varve.Entry) []candidate {
	for _, b := range s.bases {
		m := b.index
		if m == nil || e.MTime.Sec > m.time.Sec {
			continue
		}
		list, err := b.lookMoved(e)
		if err != nil {
			s.report(varve.Event{Kind: varve.Damage, Path: e.Path, Err: err})
			b.index = nil
			continue
		}
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// lookMoved looks for e in b: by inode, or else by size and time alone.
func (b *base) lookMoved(e *varve.Entry) ([]candidate, error) {
	m := b.index
	if !m.built {
		if err := m.build(); err != nil {
			return nil, err
		}
	}
	if e.Stamp.Ino != 0 {
		list, err := b.matching(find(m.byNode, m.key(e.Stamp.Ino, e)), e)
		if len(list) > 0 || err != nil {
			return list, err
		}
	}
	return b.matching(find(m.byTime, m.key(0, e)), e)
}

// matching returns those of the entries found that e may be linked to.
func (b *base) matching(hits []mention, e *varve.Entry) (list []candidate, err error) {
	for _, hit := range hits {
		o, err := b.index.reader.Get(manifest.Pos(hit.pos))
		if err != nil {
			return nil, err
		}
		if proven, ok := suits(&o, e); ok {
			// Equal inode and change time mean nothing on another device.
			list = append(list, candidate{b, int(hit.pos) + 1, o, proven && o.Stamp.Dev == e.Stamp.Dev})
		}
	}
	return list, nil
}
