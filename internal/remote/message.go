package remote

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"varve/internal/mux"
)

// The kinds of messages.
const (
	msgRequest  = 'q' // JSON: what is asked for
	msgOpen     = 'o' // a file is asked for
	msgReply    = 'r' // JSON: it was done
	msgFailure  = 'x' // an error: it was not
	msgCancel   = 'c' // it is no longer wanted
	msgEntries  = 'e'
	msgEnd      = 'z' // JSON: that were all entries
	msgFile     = 'f' // a file was opened
	msgData     = 'd'
	msgTrailer  = 't' // what became of a file
	msgChunks   = 'l'
	msgWanted   = 'w'
	msgEvents   = 'p'
	msgSnapshot = 's'
	msgObjects  = 'b'
)

const (
	messageHead = 5 // kind, length
	// maxMessage is the longest message with entries in bytes; a single one must fit.
	maxMessage = 8 << 20
	// maxControl is the longest message of JSON, and of all other kinds but data.
	maxControl = 1 << 20
	// maxData is how much of a content one message holds, so that it fits into one frame.
	maxData = mux.MaxFrame - messageHead
	// batchSize is from how many bytes on a message of several items is sent.
	batchSize = 32 << 10
)

// limitOf returns how long a message may be.
func limitOf(kind byte) int {
	switch kind {
	case msgEntries, msgOpen, msgFile, msgTrailer, msgEvents:
		return maxMessage
	case msgData:
		return maxData
	}
	return maxControl
}

// call is a stream that carries one request and what is answered.
type call struct {
	*mux.Stream
	rest int // bytes of the message at hand that were not read
	in   []byte
	out  []byte
}

func newCall(st *mux.Stream) *call { return &call{Stream: st} }

// send sends a message.
func (c *call) send(kind byte, payload []byte) error {
	if len(payload) > limitOf(kind) {
		return fmt.Errorf("message %q of %d bytes: too long", kind, len(payload))
	}
	c.out = append(appendHead(c.out[:0], kind, len(payload)), payload...)
	_, err := c.Write(c.out)
	if cap(c.out) > maxControl {
		c.out = nil
	}
	return err
}

func appendHead(b []byte, kind byte, n int) []byte {
	return binary.LittleEndian.AppendUint32(append(b, kind), uint32(n))
}

// sendData sends content that stands in buf behind room for the head of a message.
func (c *call) sendData(buf []byte) error {
	appendHead(buf[:0], msgData, len(buf)-messageHead)
	_, err := c.Write(buf)
	return err
}

// sendJSON sends a message of JSON.
func (c *call) sendJSON(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("message %q: %w", kind, err)
	}
	return c.send(kind, text)
}

// fail answers with an error.
func (c *call) fail(err error) error { return c.send(msgFailure, appendError(nil, err)) }

// next reads the head of the next message. What is left of the one before must have been read.
func (c *call) next() (kind byte, err error) {
	if c.rest > 0 {
		return 0, protocolError("a message of which %d bytes are left", c.rest)
	}
	var head [messageHead]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, cutShort(err)
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if int64(n) > int64(limitOf(head[0])) {
		return 0, protocolError("a message %q of %d bytes", head[0], n)
	}
	c.rest = int(n)
	return head[0], nil
}

// payload reads the message at hand. It is valid until the next one is read.
func (c *call) payload() ([]byte, error) {
	if cap(c.in) > maxControl && c.rest <= maxControl {
		c.in = nil
	}
	for c.in = c.in[:0]; c.rest > 0; { // memory is taken as bytes arrive, not as they are announced
		n := min(c.rest, 64<<10)
		at := len(c.in)
		c.in = append(c.in, make([]byte, n)...)
		if _, err := io.ReadFull(c, c.in[at:]); err != nil {
			return nil, cutShort(err)
		}
		c.rest -= n
	}
	return c.in, nil
}

// receive reads a whole message, which is valid until the next one. A failure is returned as the error that it tells.
func (c *call) receive() (kind byte, payload []byte, err error) {
	if kind, err = c.next(); err != nil {
		return 0, nil, err
	}
	if payload, err = c.payload(); err != nil {
		return 0, nil, err
	}
	if kind == msgFailure {
		return 0, nil, decodeError(payload)
	}
	return kind, payload, nil
}

// receiveJSON reads a message of a kind of JSON.
func (c *call) receiveJSON(kind byte, v any) error {
	got, payload, err := c.receive()
	if err != nil {
		return err
	}
	if got != kind {
		return outOfTurn(got)
	}
	return parseJSON(payload, v)
}

func parseJSON(payload []byte, v any) error {
	if err := json.Unmarshal(payload, v); err != nil {
		return protocolError("%.200q is not understood: %v", payload, err)
	}
	return nil
}

// cutShort makes the end of a stream in the wrong place the error that it is. That of the whole connection, whose error may match io.EOF as
// well, is another matter.
func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return protocolError("an answer that is cut short")
	}
	return err
}

func outOfTurn(kind byte) error { return protocolError("message %q out of turn", kind) }

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// whatever returns the error of ctx where it has ended, since that is why the stream failed, else err.
func whatever(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// marshal returns a request as JSON.
func marshal(r *request) ([]byte, error) {
	text, err := json.Marshal(r)
	if err == nil && len(text) > maxControl {
		err = errors.New("too long")
	}
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", r.Op, err)
	}
	return text, nil
}
