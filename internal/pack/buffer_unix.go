//go:build unix

package pack

import (
	"syscall"

	"varve/internal/table"
)

// newBuffer returns an empty buffer for a pack and what gives its memory back. It is not on the heap: the garbage collector would count a
// few packs as most of a program that is otherwise small, and run all the time to keep within its limit.
func newBuffer() (buf []byte, free func()) {
	data, err := syscall.Mmap(-1, 0, table.MaxPack, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, 0, table.MaxPack), func() {}
	}
	return data[:0], func() { _ = syscall.Munmap(data) }
}
