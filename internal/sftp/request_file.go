package sftp

import "fmt"

// OpenFile opens the file path, through symlinks, and makes it with a where flags say so; the server's umask may take away
// permission bits. A server may wait for ever for the other side of a FIFO: look before what it is.
func OpenFile(path string, flags Flags, a Attrs) Request[Handle] {
	return handleAnswer(newAsk("open", typeOpen, path).with(func(b []byte) []byte {
		return appendAttrs(appendUint32(b, uint32(flags)), a)
	}))
}

// Close gives up h, which is gone whatever the answer.
func Close(h Handle) Request[None] { return plain(handleAsk("close", typeClose, h)) }

// Fstat asks for the metadata of the open file h.
func Fstat(h Handle) Request[Attrs] { return attrsAnswer(handleAsk("fstat", typeFstat, h)) }

// Fsetstat sets those fields of a that are there on the open file h.
func Fsetstat(h Handle, a Attrs) Request[None] {
	return plain(handleAsk("fsetstat", typeFsetstat, h).with(func(b []byte) []byte { return appendAttrs(b, a) }))
}

// Read reads into p from off on and answers how many bytes, at least one; fewer than len(p) may come before the end of the file
// too. io.EOF where there is nothing more. p must not be empty nor longer than Limits.Read; it is written only while Call.Wait
// runs.
func Read(h Handle, off int64, p []byte) Request[int] {
	a := handleAsk("read", typeRead, h).with(func(b []byte) []byte {
		return appendUint32(appendUint64(b, uint64(off)), uint32(len(p)))
	})
	a.size = len(p)
	if off < 0 || len(p) == 0 || len(p) > maxContent {
		a.err = fmt.Errorf("%d bytes at %d cannot be asked for", len(p), off)
	}
	return answer(a, typeData, func(d *decoder) (int, error) {
		data := d.bytes()
		if d.err == nil && (len(data) == 0 || len(data) > len(p)) {
			d.fail("%d bytes in answer to a read of %d", len(data), len(p))
		}
		return copy(p, data), d.err
	})
}

// Write writes all of p at off. p must not be longer than Limits.Write; it may be used again as soon as Go has returned.
func Write(h Handle, off int64, p []byte) Request[None] {
	a := handleAsk("write", typeWrite, h).with(func(b []byte) []byte {
		return appendString(appendUint64(b, uint64(off)), p)
	})
	a.size = len(p)
	if off < 0 || len(p) > maxContent {
		a.err = fmt.Errorf("%d bytes at %d cannot be sent at once", len(p), off)
	}
	return plain(a)
}

// Fsync makes the open file h durable. It needs ExtFsync. A server may take its time.
func Fsync(h Handle) Request[None] {
	a := handleAsk("fsync", typeExtended, h).extended(ExtFsync)
	a.slow = true
	return plain(a)
}
