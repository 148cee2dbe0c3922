package index

import (
	"os"
	"runtime/debug"
	"slices"
	"unsafe"
)

// guarded calls f, and makes an error of a damaged file that it meets: of the panic of a source, and of the fault that the processor
// reports where a file that is mapped has become shorter, or its disk cannot be read. The file is left out from then on and removed.
// mu is not held.
func (s *Set) guarded(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = s.damaged(r)
		}
	}()
	f()
	return nil
}

// damaged returns the error of a file that somebody panicked about. It panics on with everything else.
func (s *Set) damaged(r any) error {
	d, ok := r.(damage)
	if fault, isFault := r.(interface{ Addr() uintptr }); !ok && isFault {
		d = damage{s.mappedAt(fault.Addr()), "cannot be read"}
		ok = d.file != nil
	}
	if !ok {
		panic(r)
	}
	s.drop(d.file)
	return d
}

// mappedAt returns the file that is mapped where addr is; nil if there is none.
func (s *Set) mappedAt(addr uintptr) *file {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, f := range s.opened {
		if data := f.body.data; f.refs.Load() > 0 && len(data) > 0 {
			start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
			if addr >= start && addr-start < uintptr(len(data)) {
				return f
			}
		}
	}
	return nil
}

// drop leaves a file out.
func (s *Set) drop(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layers = slices.DeleteFunc(s.layers, func(l *layer) bool {
		if l.file != f {
			return false
		}
		l.release()
		return true
	})
	_ = os.Remove(f.path) // what stays is found damaged again
}
