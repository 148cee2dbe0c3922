package mux

import (
	"encoding/binary"
	"fmt"
)

// headerSize is the length in bytes of what goes before a payload.
const headerSize = 8

// The types of frames.
const (
	frameOpen   = 1 + iota // a new stream; no payload
	frameData              // payload of a stream, at least one byte
	frameEnd               // the sender's direction of the stream ends; no payload
	frameReset             // the sender gives the stream up; no payload
	frameCredit            // the receiver may send so many more bytes: u32
	frameBeat              // a sign of life on stream 0; no payload
	frameBye               // the session ends, on stream 0; no payload
)

// header is what goes before a payload.
type header struct {
	kind   byte
	length int
	stream uint32
}

func appendHeader(b []byte, kind byte, length int, stream uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(kind)|uint32(length)<<8)
	return binary.LittleEndian.AppendUint32(b, stream)
}

// parseHeader is the reverse of appendHeader. It refuses lengths that the type of the frame does not have.
func parseHeader(b []byte) (header, error) {
	first := binary.LittleEndian.Uint32(b)
	h := header{kind: byte(first), length: int(first >> 8), stream: binary.LittleEndian.Uint32(b[4:])}
	least, most := 0, 0
	switch h.kind {
	case frameOpen, frameEnd, frameReset, frameBeat, frameBye:
	case frameData:
		least, most = 1, MaxFrame
	case frameCredit:
		least, most = 4, 4
	default:
		return h, breach("a frame of unknown type %d", h.kind)
	}
	if h.length < least || h.length > most {
		return h, breach("a frame of type %d with %d bytes", h.kind, h.length)
	}
	if (h.stream == 0) != (h.kind == frameBeat || h.kind == frameBye) {
		return h, breach("a frame of type %d on stream %d", h.kind, h.stream)
	}
	return h, nil
}

func breach(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBreach, fmt.Sprintf(format, args...))
}
