//go:build !unix

package pack

import "varve/internal/table"

// newBuffer returns an empty buffer for a pack, and what gives its memory back.
func newBuffer() (buf []byte, free func()) { return make([]byte, 0, table.MaxPack), func() {} }
