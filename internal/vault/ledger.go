package vault

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"varve"
	"varve/internal/compare"
	"varve/internal/seal"
)

// A ledger is what a put-only client remembers of its last run, since it cannot read that: for each file, under a keyed hash of its
// inode, size and times, what its content is, sealed with a key that takes the same to derive. Who takes the machine over learns what
// he could have looked up on its disk, and nothing of files that are there no longer.
//
//	magic, salt | value, value, … | key and offset of each value, ordered by key | key and files of each source | tail
//
// The tail is the offset of the first key, the number of keys, the number of sources, the number of files in the last good snapshot, and 1
// where a suspect one was made since, else 0. The files of sources, where there are several, are those of the last good snapshot, too. The highest bit of an offset is set where the last good snapshot had the content, as far as that is known; where it
// is missing, a suspect or incomplete one brought it.
const ledgerMagic = "varve ledger 3\n\x00"

// ledgerGood is the highest bit of an offset.
const ledgerGood = 1 << 63

// Lengths in bytes.
const (
	ledgerSalt  = 32
	ledgerKey   = 16
	ledgerRow   = ledgerKey + 8
	ledgerTail  = 40
	ledgerSum   = 16       // of a value
	maxLedgerOf = 64 << 20 // one value
)

// ledger is the base of a put-only client.
type ledger struct {
	secret seal.Secret
	path   string

	old     *os.File // nil where there is none
	oldSalt []byte
	rows    []byte // of old, ordered by key
	values  int64  // where the values of old end
	files   int64  // how many the last good snapshot had
	suspect bool   // a suspect one was made since
	had     []byte // rows of the sources: their keys, and how many files of each the last good snapshot had

	file *os.File
	out  *bufio.Writer
	salt []byte
	off  int64
	keys []ledgerMention
	odd  int64 // how many of them have content that is new since the last good snapshot

	parts []compare.Part
}

type ledgerMention struct {
	key [ledgerKey]byte
	off uint64 // with ledgerGood
}

// openLedger opens the ledger of a series and begins the next one, of a snapshot of these sources. A damaged one is like none.
func (s *Store) openLedger(series string, sources []string) (*ledger, error) {
	l := &ledger{secret: s.keys.own.LocalKey(), path: filepath.Join(s.local.memory(s.keys), "ledger-"+nameOf(series)), salt: make([]byte, ledgerSalt),
		parts: compare.Parts(sources)}
	rand.Read(l.salt)
	if err := l.openOld(); err != nil {
		s.opts.Warn(fmt.Errorf("%s: what was known of the last run is of no use, everything is read again: %w", l.path, err))
	}
	dir, tmp := s.local.memory(s.keys), "tmp-ledger-"+nameOf(series)+"-"
	removeAll(filepath.Join(dir, tmp+"*")) // of runs that died: there is one run of a series at a time
	f, err := os.CreateTemp(dir, tmp+"*")
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.file, l.out = f, bufio.NewWriterSize(f, 1<<16)
	l.off = int64(len(ledgerMagic) + ledgerSalt)
	_, err = l.out.WriteString(ledgerMagic + string(l.salt))
	return l, err
}

// removeAll removes the files that match pattern. What stays does no harm.
func removeAll(pattern string) {
	list, _ := filepath.Glob(pattern)
	for _, path := range list {
		_ = os.Remove(path)
	}
}

func (l *ledger) openOld() error {
	f, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := l.readOld(f); err != nil {
		return errors.Join(err, f.Close())
	}
	l.old = f
	return nil
}

func (l *ledger) readOld(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head, tail := make([]byte, len(ledgerMagic)+ledgerSalt), make([]byte, ledgerTail)
	if info.Size() < int64(len(head)+len(tail)) {
		return varve.ErrDamaged
	}
	if _, err := f.ReadAt(head, 0); err != nil {
		return err
	}
	if _, err := f.ReadAt(tail, info.Size()-ledgerTail); err != nil {
		return err
	}
	l.values = int64(binary.LittleEndian.Uint64(tail))
	n, sources := binary.LittleEndian.Uint64(tail[8:]), binary.LittleEndian.Uint64(tail[16:])
	room := info.Size() - ledgerTail - l.values
	if string(head[:len(ledgerMagic)]) != ledgerMagic || l.values < int64(len(head)) || room < 0 || n > uint64(room) || sources > uint64(room) ||
		int64(n+sources)*ledgerRow != room {
		return varve.ErrDamaged
	}
	files := binary.LittleEndian.Uint64(tail[24:])
	if files > math.MaxInt64 {
		return varve.ErrDamaged
	}
	rows := make([]byte, room)
	if _, err = f.ReadAt(rows, l.values); err != nil {
		return err
	}
	l.oldSalt, l.rows, l.had = head[len(ledgerMagic):], rows[:n*ledgerRow], rows[n*ledgerRow:]
	l.files, l.suspect = int64(files), binary.LittleEndian.Uint64(tail[32:]) != 0
	return nil
}

// sum returns the key under which e stands, and the key that its value is sealed with.
func (l *ledger) sum(salt []byte, e *varve.Entry) []byte {
	h := hmac.New(sha256.New, l.secret[:])
	h.Write(salt)
	var b [8]byte
	for _, n := range [...]uint64{e.Stamp.Dev, e.Stamp.Ino, uint64(e.Stamp.CTime.Sec), uint64(e.Stamp.CTime.Nsec), uint64(e.Size),
		uint64(e.MTime.Sec), uint64(e.MTime.Nsec)} {
		binary.LittleEndian.PutUint64(b[:], n)
		h.Write(b[:])
	}
	return h.Sum(nil)
}

// streamOf returns what the value of the file with this sum is sealed with.
func streamOf(sum []byte) (cipher.Stream, error) {
	block, err := aes.NewCipher(sum[ledgerKey:])
	if err != nil {
		return nil, err
	}
	return cipher.NewCTR(block, make([]byte, aes.BlockSize)), nil
}

// find returns where the old ledger has the value of the file with this sum.
func (l *ledger) find(sum []byte) (off int64, good, ok bool) {
	key := sum[:ledgerKey]
	i, ok := sort.Find(len(l.rows)/ledgerRow, func(i int) int { return bytes.Compare(key, l.rows[i*ledgerRow:][:ledgerKey]) })
	if !ok {
		return 0, false, false
	}
	n := binary.LittleEndian.Uint64(l.rows[i*ledgerRow+ledgerKey:])
	return int64(n &^ ledgerGood), n&ledgerGood != 0, true
}

func (l *ledger) Seek(e *varve.Entry) (bool, error) {
	if l.old == nil || e.Stamp.Ino == 0 {
		return false, nil
	}
	sum := l.sum(l.oldSalt, e)
	off, _, ok := l.find(sum)
	if !ok {
		return false, nil
	}
	stream, err := streamOf(sum)
	if err != nil {
		return false, err
	}
	return l.value(e, stream, off)
}

// value completes e from the value at off; false where that is not what Learn wrote. The chunks are all of the file's, and Depth is 0.
func (l *ledger) value(e *varve.Entry, stream cipher.Stream, off int64) (bool, error) {
	var size [4]byte
	if off < 0 || off > l.values-int64(len(size)) {
		return false, nil
	}
	if _, err := l.old.ReadAt(size[:], off); err != nil {
		return false, err
	}
	stream.XORKeyStream(size[:], size[:])
	n := binary.LittleEndian.Uint32(size[:])
	if n > maxLedgerOf || int64(n) > l.values-off-int64(len(size)) {
		return false, nil
	}
	data := make([]byte, n)
	if _, err := l.old.ReadAt(data, off+int64(len(size))); err != nil {
		return false, err
	}
	stream.XORKeyStream(data, data)
	var o varve.Entry
	if !decodeKnown(data, &o) {
		return false, nil
	}
	takeOver(e, &o)
	return true, nil
}

func (l *ledger) Learn(e *varve.Entry, fresh bool) error {
	if e.Kind != varve.Regular || e.SameAs != "" {
		return nil
	}
	l.parts[compare.In(l.parts, e.Path)].Files++
	good := l.hadContent(e, fresh)
	if !good {
		l.odd++
	}
	if e.Stamp.Ino == 0 { // it would not be known again
		return nil
	}
	sum := l.sum(l.salt, e)
	stream, err := streamOf(sum)
	if err != nil {
		return err
	}
	data := encodeKnown(e)
	if len(data)-4 > maxLedgerOf {
		return nil
	}
	binary.LittleEndian.PutUint32(data, uint32(len(data)-4))
	stream.XORKeyStream(data, data)
	m := ledgerMention{key: [ledgerKey]byte(sum), off: uint64(l.off)}
	if good {
		m.off |= ledgerGood
	}
	l.keys = append(l.keys, m)
	l.off += int64(len(data))
	_, err = l.out.Write(data)
	return err
}

// tail returns what the new ledger ends with.
func (l *ledger) tail() []byte {
	doubt := uint64(0)
	if l.suspect {
		doubt = 1
	}
	tail := make([]byte, 0, ledgerTail)
	for _, n := range [...]uint64{uint64(l.off), uint64(len(l.keys)), uint64(len(l.had) / ledgerRow), uint64(l.files), doubt} {
		tail = binary.LittleEndian.AppendUint64(tail, n)
	}
	return tail
}

// Keep replaces the old ledger.
func (l *ledger) Keep(snap *varve.Snapshot) error {
	l.closing(snap)
	slices.SortFunc(l.keys, func(a, b ledgerMention) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.off, b.off))
	})
	var row [ledgerRow]byte
	for i := range l.keys {
		copy(row[:], l.keys[i].key[:])
		binary.LittleEndian.PutUint64(row[ledgerKey:], l.keys[i].off)
		if _, err := l.out.Write(row[:]); err != nil {
			return err
		}
	}
	_, err := l.out.Write(append(l.had[:len(l.had):len(l.had)], l.tail()...))
	err = errors.Join(err, l.out.Flush())
	if err == nil {
		err = os.Rename(l.file.Name(), l.path)
	}
	if err == nil {
		err = l.file.Close()
		l.file = nil
	}
	return err
}

func (l *ledger) Close() (err error) {
	if l.old != nil {
		err = l.old.Close()
	}
	if l.file != nil {
		err = errors.Join(err, l.file.Close(), os.Remove(l.file.Name()))
	}
	return err
}
