package index

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// The names of files.
const (
	prefix  = "v1-"
	suffix  = ".index"
	tempest = "tmp-" // begins the name of a file that is not whole
)

// writer writes a file, one region after the other.
type writer struct {
	footer
	out    *bufio.Writer
	crc    uint32 // of the block that is being written
	sums   []byte
	buf    []byte
	err    error
	region region
}

func newWriter(f *os.File, generation uint64) *writer {
	return &writer{footer: footer{generation: generation}, out: bufio.NewWriterSize(f, 256<<10)}
}

// begin begins a region.
func (w *writer) begin(r region) { w.region, w.off[r] = r, w.size }

// add writes a record of the region.
func (w *writer) add(record []byte) {
	w.n[w.region]++
	for len(record) > 0 && w.err == nil {
		n := min(len(record), blockSize-int(w.size%blockSize))
		_, w.err = w.out.Write(record[:n])
		w.crc = crc32.Update(w.crc, castagnoli, record[:n])
		w.size += int64(n)
		record = record[n:]
		if w.size%blockSize == 0 {
			w.endBlock()
		}
	}
}

// addNumber writes a record that is a number.
func (w *writer) addNumber(v uint32) {
	w.buf = le.AppendUint32(w.buf[:0], v)
	w.add(w.buf)
}

func (w *writer) endBlock() {
	w.sums = le.AppendUint32(w.sums, w.crc)
	w.crc = 0
}

// finish writes checksums and footer.
func (w *writer) finish() error {
	if w.size%blockSize != 0 {
		w.endBlock()
	}
	end := w.footer.append(w.sums)
	end = le.AppendUint32(end, crc32.Checksum(end, castagnoli))
	if w.err == nil {
		_, w.err = w.out.Write(append(end, magic...))
	}
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// create makes a file in dir, whose content write writes, and opens it. It appears whole or not at all. It is not made durable: what
// a power cut leaves of it has wrong checksums.
func create(dir string, generation uint64, write func(*writer)) (*file, error) {
	f, name, err := temporary(dir)
	if err != nil {
		return nil, fmt.Errorf("write index: %w", err)
	}
	path := filepath.Join(dir, prefix+name+suffix)
	whole := false
	defer func() {
		_ = f.Close() // a second time where there was an error, or no lock to keep
		if !whole {
			_ = os.Remove(f.Name())
		}
	}()
	w := newWriter(f, generation)
	write(w)
	if err := w.finish(); err != nil {
		return nil, fmt.Errorf("write index: %w", err)
	}
	if !locks { // then names of open files may be fixed, too
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, fmt.Errorf("write index: %w", err)
	}
	whole = true
	return openFile(path)
}

// temporary makes a file that nobody takes for abandoned, and returns it with what is random in its name.
func temporary(dir string) (*os.File, string, error) {
	for {
		random := make([]byte, 16)
		rand.Read(random)
		name := hex.EncodeToString(random)
		path := filepath.Join(dir, tempest+name)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, "", err
		}
		if !lockFile(f) || isStill(f, path) {
			return f, name, nil
		}
		_ = f.Close() // it was removed before it was locked
	}
}

// isStill reports whether f is what is at path.
func isStill(f *os.File, path string) bool {
	one, err := f.Stat()
	if err != nil {
		return false
	}
	other, err := os.Lstat(path)
	return err == nil && os.SameFile(one, other)
}
