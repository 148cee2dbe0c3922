package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"varve"
)

// encodeKnown returns what takeOver needs, after four bytes left free.
func encodeKnown(e *varve.Entry) []byte {
	data := append(make([]byte, 4, 96), e.Digest[:]...)
	data = binary.AppendUvarint(data, uint64(e.Flags))
	data = binary.AppendUvarint(data, uint64(len(e.Chunks)))
	for i := range e.Chunks {
		data = append(data, e.Chunks[i][:]...)
	}
	data = binary.AppendUvarint(data, uint64(len(e.Holes)))
	for _, h := range e.Holes {
		data = binary.AppendUvarint(binary.AppendUvarint(data, uint64(h.Off)), uint64(h.Len))
	}
	sum := sha256.Sum256(data[4:])
	return append(data, sum[:ledgerSum]...)
}

// decodeKnown reads what encodeKnown made, without the four bytes, and reports whether it is that. A value is not authenticated: whoever
// can write on this machine can have anything saved.
func decodeKnown(data []byte, e *varve.Entry) bool {
	at := len(data) - ledgerSum
	if at < 0 {
		return false
	}
	if sum := sha256.Sum256(data[:at]); !bytes.Equal(sum[:ledgerSum], data[at:]) {
		return false
	}
	data = data[:at]
	ok := true
	number := func() uint64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			ok, data = false, nil
			return 0
		}
		data = data[n:]
		return v
	}
	digest := func() (d varve.Digest) {
		if len(data) < len(d) {
			ok, data = false, nil
			return d
		}
		copy(d[:], data)
		data = data[len(d):]
		return d
	}
	e.Digest, e.Flags = digest(), uint32(number())
	for n := number(); n > 0 && ok; n-- {
		e.Chunks = append(e.Chunks, digest())
	}
	for n := number(); n > 0 && ok; n-- {
		e.Holes = append(e.Holes, varve.Extent{Off: int64(number()), Len: int64(number())})
	}
	return ok && len(data) == 0
}
