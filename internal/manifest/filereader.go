package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"varve"
	"varve/internal/digest"
)

// FileReader is a PageReader of a file that a FileWriter finished. It may be used from several goroutines.
type FileReader struct {
	r io.ReaderAt
	index
}

// OpenFile reads and checks everything in the file r, of size bytes, but its pages, which are checked as they are read. The
// error matches varve.ErrDamaged where the file is cut short, unfinished or altered, and ErrVersion where it is of another
// format. r is neither closed nor kept busy: it must stay open for as long as the FileReader is used.
func OpenFile(r io.ReaderAt, size int64) (*FileReader, error) {
	f := &FileReader{r: r}
	at, err := f.ends(size)
	if err == nil {
		err = f.readIndex(at, size)
	}
	if err != nil {
		return nil, fmt.Errorf("open manifest file: %w", err)
	}
	return f, nil
}

// ends checks the beginning and the end of the file and returns the offset of the index.
func (f *FileReader) ends(size int64) (at int64, err error) {
	if size < int64(len(magic)+frameSize+rootSize+trailerSize) {
		return 0, fmt.Errorf("cut short or unfinished: %w", varve.ErrDamaged)
	}
	head, err := f.read(0, len(magic))
	if err != nil {
		return 0, err
	}
	tail, err := f.read(size-int64(trailerSize), trailerSize)
	if err != nil {
		return 0, err
	}
	if string(head) != string(tail[8:]) {
		return 0, fmt.Errorf("cut short, unfinished or overwritten: beginning and end differ: %w", varve.ErrDamaged)
	}
	return int64(binary.LittleEndian.Uint64(tail)), checkMagic(head)
}

// readIndex reads the index, whose frame is at offset at and reaches to the trailer.
func (f *FileReader) readIndex(at, size int64) error {
	length := size - int64(trailerSize) - frameSize - at
	if at < int64(len(magic)) || length < rootSize || length > maxIndex {
		return fmt.Errorf("its end points nowhere: %w", varve.ErrDamaged)
	}
	data, err := f.readFrame(frameIndex, at, int(length))
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	x, fault := parseIndex(data, at)
	if fault != "" {
		return fmt.Errorf("%s: %w", fault, varve.ErrDamaged)
	}
	f.index = x
	return nil
}

// Record returns what the caller of Finish gave as the record. It must not be changed.
func (f *FileReader) Record() []byte { return f.record }

// Root returns the root, for NewReader.
func (f *FileReader) Root() Root { return f.root }

// Get returns the page named id after checking its BLAKE3 hash.
func (f *FileReader) Get(id PageID) ([]byte, error) {
	off, length, ok := f.find(id)
	if !ok {
		return nil, fmt.Errorf("no such page in the manifest file: %w", varve.ErrDamaged)
	}
	page, err := f.readFrame(framePage, off, length)
	if err != nil {
		return nil, fmt.Errorf("read manifest file: %w", err)
	}
	return page, nil
}

// readFrame reads the frame at off, which is of this kind and length, and checks its hash.
func (f *FileReader) readFrame(kind byte, off int64, length int) ([]byte, error) {
	b, err := f.read(off, frameSize+length)
	if err != nil {
		return nil, err
	}
	k, n, hash := parseFrame(b)
	data := b[frameSize:]
	if k != kind || n != int64(length) || hash != PageID(digest.Sum(data)) {
		return nil, fmt.Errorf("what stands at offset %d is not what was written: %w", off, varve.ErrDamaged)
	}
	return data, nil
}

// read returns n bytes at off.
func (f *FileReader) read(off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := f.r.ReadAt(b, off)
	switch {
	case got == n:
		return b, nil
	case err == nil || errors.Is(err, io.EOF):
		return nil, fmt.Errorf("cut short at offset %d: %w", off+int64(got), varve.ErrDamaged)
	}
	return nil, err
}
