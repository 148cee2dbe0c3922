package sftp

import (
	"encoding/binary"
	"fmt"
)

// decoder takes the fields of a packet one after the other. After the first field that is not all there every other one is zero;
// err tells.
type decoder struct {
	data []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
		d.data = nil
	}
}

// take returns the next n bytes, which stay the packet's own.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.data)) {
		d.fail("a packet ends within a field")
		return nil
	}
	field := d.data[:n]
	d.data = d.data[n:]
	return field
}

func (d *decoder) uint32() uint32 {
	if field := d.take(4); field != nil {
		return binary.BigEndian.Uint32(field)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if field := d.take(8); field != nil {
		return binary.BigEndian.Uint64(field)
	}
	return 0
}

// bytes returns a string field without copying it.
func (d *decoder) bytes() []byte { return d.take(uint64(d.uint32())) }

func (d *decoder) string() string { return string(d.bytes()) }

// count returns a number of things to follow, each of which takes size bytes or more.
func (d *decoder) count(size int) int {
	n := d.uint32()
	if uint64(n)*uint64(size) > uint64(len(d.data)) {
		d.fail("a packet announces %d items and holds %d bytes", n, len(d.data))
		return 0
	}
	return int(n)
}

func appendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

func appendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(appendUint32(b, uint32(len(s))), s...)
}

// appendHead begins a packet; seal completes it.
func appendHead(b []byte, typ byte) []byte {
	return append(b, 0, 0, 0, 0, typ, 0, 0, 0, 0)
}

// seal enters ID and length into a packet that appendHead began.
func seal(packet []byte, id uint32) {
	binary.BigEndian.PutUint32(packet, uint32(len(packet)-4))
	binary.BigEndian.PutUint32(packet[5:], id)
}
