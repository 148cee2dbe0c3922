package pack

import (
	"fmt"

	"varve/internal/table"
)

// Empty returns the bytes of a pack without blobs, size bytes long: padding but for table and footer. Such a pack takes room that can be had
// back at any time. An error says that size is more than table.MaxPack or too little.
func (w *Writer) Empty(size int) ([]byte, error) {
	if size > table.MaxPack {
		return nil, fmt.Errorf("empty pack: %d bytes are too many", size)
	}
	f := newFilling(make([]byte, 0, size), w.session())
	sealed, err := w.sealTable(&f.pack)
	if err != nil {
		return nil, fmt.Errorf("empty pack: %w", err)
	}
	if len(sealed)+footerSize > size {
		return nil, fmt.Errorf("empty pack: %d bytes are too few", size)
	}
	return w.close(f, sealed, size), nil
}
