package vault

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"io"
	"slices"

	"varve"
	"varve/internal/compare"
	"varve/internal/manifest"
	"varve/internal/place"
)

// base is what earlier runs know of the source.
type base interface {
	// Seek completes e, a regular file, by digest, holes, flags and chunks where it is for certain the file that an earlier run took in,
	// under whatever name, and reports whether it is. It is called in listing order.
	Seek(e *varve.Entry) (bool, error)
	// Learn is told of every entry that goes into the snapshot, with all chunks and no lists where the key at hand cannot read these, and
	// whether content of it was stored anew. Keep, once the snapshot is saved, remembers what the next run needs.
	Learn(e *varve.Entry, fresh bool) error
	Keep(snap *varve.Snapshot) error
	Close() error
}

// seek finds out whether the content of j's entry is known.
func (v *save) seek(j *job) {
	e, known := j.entry, false
	if !v.blind {
		var err error
		if known, err = v.base.Seek(e); err != nil { // what cannot be read of a base is read from the source instead
			v.report(varve.Event{Kind: varve.Damage, Path: e.Path, Err: err})
			v.blind = true
		}
	}
	// A source that knows its digests is a snapshot. A file of one chunk needs no base.
	j.known = known || e.Digest != varve.Digest{} && place.StreamLen(e) <= maxSingle
}

// nothing is the base of a first snapshot.
type nothing struct{}

func (nothing) Seek(*varve.Entry) (bool, error) { return false, nil }
func (nothing) Learn(*varve.Entry, bool) error  { return nil }
func (nothing) Keep(*varve.Snapshot) error      { return nil }
func (nothing) Close() error                    { return nil }

// takeOver completes e by what o, an earlier state with the same content, has.
func takeOver(e, o *varve.Entry) {
	e.Digest, e.Holes, e.Flags, e.Chunks, e.Depth = o.Digest, o.Holes, o.Flags, o.Chunks, o.Depth
}

// same reports whether e for certain has the content of o.
func same(o, e *varve.Entry) bool {
	if o.Kind != varve.Regular {
		return false
	}
	if e.Digest != (varve.Digest{}) {
		return e.Digest == o.Digest && e.Size == o.Size && slices.Equal(e.Holes, o.Holes)
	}
	return compare.Unchanged(o, e)
}

// earlier is a base that is a snapshot of the same series.
type earlier struct {
	nothing
	reader *manifest.Reader
	cursor *manifest.Cursor
	at     *varve.Entry // the entry that comes next; nil where one has to be read
	end    bool
	moved  *movedIndex
}

func newEarlier(r *manifest.Reader) *earlier { return &earlier{reader: r, cursor: r.Cursor()} }

func (b *earlier) Seek(e *varve.Entry) (bool, error) {
	found, err := b.advance(e.Path)
	if err != nil {
		return false, err
	}
	if found && same(b.at, e) {
		takeOver(e, b.at)
		return true, nil
	}
	if e.Size == 0 {
		return false, nil
	}
	return b.seekMoved(e)
}

// advance moves to the first entry that does not come before path, and reports whether it is path.
func (b *earlier) advance(path string) (bool, error) {
	for !b.end {
		if b.at != nil {
			if c := varve.ComparePaths(b.at.Path, path); c >= 0 {
				return c == 0, nil
			}
		}
		e, err := b.cursor.Next()
		if err == io.EOF {
			b.end = true
			break
		}
		if err != nil {
			return false, err
		}
		b.at = e
	}
	return false, nil
}

// movedIndex finds the files of a manifest by what stays the same when a file is moved: 16 bytes for each.
type movedIndex struct {
	seed maphash.Seed
	list []mention
}

type mention struct {
	key uint64
	pos uint64
}

// key is a hash of the inode, size and times of a file, or of its digest where that is known.
func (m *movedIndex) key(e *varve.Entry, byDigest bool) uint64 {
	if byDigest {
		return maphash.Bytes(m.seed, e.Digest[:])
	}
	var b [40]byte
	for i, n := range [...]uint64{e.Stamp.Ino, uint64(e.Size), uint64(e.MTime.Sec), uint64(e.Stamp.CTime.Sec),
		uint64(e.MTime.Nsec)<<32 | uint64(e.Stamp.CTime.Nsec)} {
		binary.LittleEndian.PutUint64(b[8*i:], n)
	}
	return maphash.Bytes(m.seed, b[:])
}

// newMovedIndex reads a whole manifest once.
func newMovedIndex(r *manifest.Reader, byDigest bool) (*movedIndex, error) {
	m := &movedIndex{seed: maphash.MakeSeed()}
	c := r.Cursor()
	for pos := uint64(0); ; pos++ {
		e, err := c.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if e.Kind == varve.Regular && e.Size > 0 && (byDigest || e.Stamp.Ino != 0) {
			m.list = append(m.list, mention{m.key(e, byDigest), pos})
		}
	}
	slices.SortFunc(m.list, func(a, b mention) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.pos, b.pos)) })
	return m, nil
}

// maxMentions is how many files with the same key are looked at; there is one, but for hard links.
const maxMentions = 4

// seekMoved finds a file that lay elsewhere and is now e.
func (b *earlier) seekMoved(e *varve.Entry) (bool, error) {
	byDigest := e.Digest != varve.Digest{}
	if !byDigest && e.Stamp.Ino == 0 {
		return false, nil
	}
	if b.moved == nil {
		var err error
		if b.moved, err = newMovedIndex(b.reader, byDigest); err != nil {
			return false, err
		}
	}
	key := b.moved.key(e, byDigest)
	i, _ := slices.BinarySearchFunc(b.moved.list, key, func(m mention, key uint64) int { return cmp.Compare(m.key, key) })
	for n := 0; n < maxMentions && i < len(b.moved.list) && b.moved.list[i].key == key; n, i = n+1, i+1 {
		o, err := b.reader.Get(manifest.Pos(b.moved.list[i].pos))
		if err != nil {
			return false, err
		}
		// Equal inode and change time mean nothing on another device.
		if same(&o, e) && (byDigest || o.Stamp.Dev == e.Stamp.Dev) {
			takeOver(e, &o)
			return true, nil
		}
	}
	return false, nil
}
