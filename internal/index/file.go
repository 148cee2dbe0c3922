package index

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"
	"sync"
	"sync/atomic"

	"varve"
	"varve/internal/table"
)

// magic ends a file, after its version.
const magic = "varve index 1\n\x00\x00"

// footerSize is: generation, length of the body, for each region where it begins and its number of records, the CRC-32C of
// checksums and footer, and magic.
const footerSize = 8 + 8 + int(regions)*12 + 4 + len(magic)

// footer says where the regions of a file are.
type footer struct {
	generation uint64 // a file is older than those of higher generations
	size       int64  // of the body: all that checksums are of
	off        [regions]int64
	n          [regions]uint32
}

func (f *footer) append(dst []byte) []byte {
	dst = le.AppendUint64(dst, f.generation)
	dst = le.AppendUint64(dst, uint64(f.size))
	for r := range regions {
		dst = le.AppendUint64(dst, uint64(f.off[r]))
		dst = le.AppendUint32(dst, f.n[r])
	}
	return dst
}

func readFooter(b []byte) (f footer) {
	f.generation, f.size = le.Uint64(b), int64(le.Uint64(b[8:]))
	for r := range regions {
		f.off[r] = int64(le.Uint64(b[16+12*r:]))
		f.n[r] = le.Uint32(b[24+12*r:])
	}
	return f
}

// fits reports whether all regions lie within a body of so many bytes.
func (f *footer) fits(size int64) bool {
	for r := range regions {
		if f.off[r] < 0 || f.off[r] > size || int64(f.n[r]) > (size-f.off[r])/int64(sizes[r]) {
			return false
		}
	}
	return f.size == size && f.n[buckets] > 1
}

// file is a source on disk. It never changes.
type file struct {
	footer
	path string
	body *checked
	refs atomic.Int32 // how many use it; at 0 it is closed

	mu     sync.Mutex
	copies map[uint32][]byte // of sessions
}

// maxCopies bounds how many sessions of a file are kept in memory.
const maxCopies = 1 << 10

// openFile opens a file that somebody wrote. The error matches varve.ErrDamaged where it is not whole.
func openFile(path string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	opened, err := readEnd(f)
	if err != nil {
		_ = f.Close() // the other error says more
		return nil, fmt.Errorf("open index %s: %w", path, err)
	}
	opened.path = path
	opened.refs.Store(1)
	return opened, nil
}

// readEnd reads checksums and footer.
func readEnd(f *os.File) (*file, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size, sums := parts(info.Size())
	if !info.Mode().IsRegular() || size <= 0 {
		return nil, fmt.Errorf("not an index file: %w", varve.ErrDamaged)
	}
	end := make([]byte, sums+int64(footerSize))
	if _, err := f.ReadAt(end, size); err != nil && err != io.EOF {
		return nil, err
	}
	at := len(end) - len(magic) - 4
	opened := &file{footer: readFooter(end[sums:]), copies: map[uint32][]byte{}}
	if string(end[at+4:]) != magic || crc32.Checksum(end[:at], castagnoli) != le.Uint32(end[at:]) || !opened.fits(size) {
		return nil, fmt.Errorf("not whole: %w", varve.ErrDamaged)
	}
	opened.body = newChecked(f, size, end[:sums])
	return opened, nil
}

// parts returns how long body and checksums of a file of so many bytes are.
func parts(total int64) (size, sums int64) {
	rest := total - int64(footerSize)
	blocks := (rest + blockSize + 3) / (blockSize + 4)
	return rest - 4*blocks, 4 * blocks
}

// release says that one user less uses f.
func (f *file) release() {
	if f.refs.Add(-1) == 0 {
		f.body.close()
	}
}

func (f *file) fail(reason string) { panic(damage{f, reason}) }

func (f *file) count(r region) uint32 { return f.n[r] }

func (f *file) at(r region, n uint32) []byte {
	if n >= f.n[r] {
		f.fail("a record that is not there")
	}
	b, ok := f.body.bytes(f.off[r]+int64(n)*int64(sizes[r]), sizes[r])
	if !ok {
		f.fail("a wrong checksum")
	}
	return b
}

func (f *file) session(n uint32) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.copies[n]; s != nil {
		return s
	}
	if len(f.copies) == maxCopies {
		clear(f.copies)
	}
	s := bytes.Clone(f.at(sessions, n))
	f.copies[n] = s
	return s
}

func (f *file) find(id *varve.ChunkID, from uint32) (chunk, next uint32, found bool) {
	if from == 0 {
		at, maybe := f.search(id)
		if !maybe {
			return 0, 0, false
		}
		from = at + 1
	}
	if from > f.n[rows] {
		return 0, 0, false
	}
	r := readRow(f.at(rows, from-1))
	if r.key != keyOf(id[:]) || !bytes.Equal(f.at(chunks, r.chunk)[:32], id[:]) {
		return 0, 0, false
	}
	return r.chunk, from + 1, true
}

// search returns the first row that is not before id; false where there is certainly none that has id.
func (f *file) search(id *varve.ChunkID) (uint32, bool) {
	key := keyOf(id[:])
	b := bucketOf(key, f.n[buckets]-1)
	bucket := f.at(buckets, b)
	if !mayHave(bucket[4:], key) {
		return 0, false
	}
	from, to := le.Uint32(bucket), le.Uint32(f.at(buckets, b+1))
	if from > to || to > f.n[rows] {
		f.fail("a bucket without rows")
	}
	i := sort.Search(int(to-from), func(i int) bool {
		r := readRow(f.at(rows, from+uint32(i)))
		return r.key > key || r.key == key && bytes.Compare(f.at(chunks, r.chunk)[:32], id[:]) >= 0
	})
	return from + uint32(i), true
}

func (f *file) findPack(name *table.Name, from uint32) (pack, next uint32, found bool) {
	if from == 0 {
		from = 1 + uint32(sort.Search(int(f.n[names]), func(i int) bool {
			return bytes.Compare(f.nameAt(uint32(i)), name[:]) >= 0
		}))
	}
	if from > f.n[names] || !bytes.Equal(f.nameAt(from-1), name[:]) {
		return 0, 0, false
	}
	return le.Uint32(f.at(names, from-1)), from + 1, true
}

// nameAt returns the i-th name in the order of names.
func (f *file) nameAt(i uint32) []byte { return f.at(packs, le.Uint32(f.at(names, i)))[:32] }
