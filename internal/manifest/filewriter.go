package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"varve/internal/digest"
)

// bufferSize is how many bytes a FileWriter gathers before it writes.
const bufferSize = 256 << 10

// FileWriter is a PageWriter that keeps all pages in one file. It is for one goroutine at a time.
type FileWriter struct {
	w    io.WriterAt
	off  int64 // of buf in the file
	buf  []byte
	rows []byte // of the page table, in the order of writing
	err  error  // what broke the FileWriter, or that it is finished
}

var errFinished = errors.New("manifest file is finished")

// NewFileWriter returns a FileWriter that writes to w, an empty file, from its beginning. It neither closes nor syncs w.
func NewFileWriter(w io.WriterAt) *FileWriter {
	return &FileWriter{w: w, buf: append(make([]byte, 0, bufferSize+64<<10), magic...)}
}

// Put appends page. Its ID is its BLAKE3 hash. After an error, all calls return that error.
func (f *FileWriter) Put(page []byte) (PageID, error) {
	if f.err != nil {
		return PageID{}, f.err
	}
	if len(page) > MaxPage || len(f.rows)+2*rowSize+rootSize+maxRecord > maxIndex {
		f.err = errors.New("write manifest file: too many pages, or one that is too long")
		return PageID{}, f.err
	}
	id := PageID(digest.Sum(page))
	f.rows = append(f.rows, id[:]...)
	f.rows = binary.LittleEndian.AppendUint64(f.rows, uint64(f.off)+uint64(len(f.buf)))
	f.rows = binary.LittleEndian.AppendUint32(f.rows, uint32(len(page)))
	return id, f.frame(framePage, page, id)
}

// frame appends a frame with what it holds.
func (f *FileWriter) frame(kind byte, data []byte, hash PageID) error {
	f.buf = appendFrame(f.buf, kind, len(data), hash)
	f.buf = append(f.buf, data...)
	if len(f.buf) < bufferSize {
		return nil
	}
	return f.Flush()
}

// Flush writes what was put so far to the file, so that Recover finds it there. It does not sync.
func (f *FileWriter) Flush() error {
	if f.err != nil {
		return f.err
	}
	if _, err := f.w.WriteAt(f.buf, f.off); err != nil {
		f.err = fmt.Errorf("write manifest file: %w", err)
		return f.err
	}
	f.off += int64(len(f.buf))
	f.buf = f.buf[:0]
	return nil
}

// Finish makes the file whole: it adds the page table, the record, up to 16 MiB that mean something to the caller, and the root,
// whose page was put. The caller syncs the file afterwards.
func (f *FileWriter) Finish(record []byte, root Root) error {
	if f.err != nil {
		return f.err
	}
	if len(record) > maxRecord {
		return fmt.Errorf("finish manifest file: a record of %d bytes is too long", len(record))
	}
	x := index{root: root, rows: sortRows(f.rows), record: record}
	if _, _, ok := x.find(root.ID); !ok {
		return errors.New("finish manifest file: the root page is not in it")
	}
	at := f.off + int64(len(f.buf))
	data := x.append(nil)
	if err := f.frame(frameIndex, data, PageID(digest.Sum(data))); err != nil {
		return err
	}
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(at))
	f.buf = append(f.buf, magic...)
	if err := f.Flush(); err != nil {
		return err
	}
	f.err = errFinished
	return nil
}

// sortRows returns rows sorted by ID, each ID once.
func sortRows(rows []byte) []byte {
	list := slices.Collect(slices.Chunk(rows, rowSize))
	compare := func(a, b []byte) int { return bytes.Compare(a[:32], b[:32]) }
	slices.SortStableFunc(list, compare)
	list = slices.CompactFunc(list, func(a, b []byte) bool { return compare(a, b) == 0 })
	return slices.Concat(list...)
}
