package mux

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// magic is what either side says first.
const magic = "varve wire\n"

// hello is how a program introduces itself. Its layout is the same in all versions.
type hello struct {
	oldest, newest uint16
	program        string
}

func (h hello) append(b []byte) []byte {
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, h.oldest)
	b = binary.LittleEndian.AppendUint16(b, h.newest)
	program := h.program[:min(len(h.program), 255)]
	b = append(b, byte(len(program)))
	return append(b, program...)
}

// readHello reads what the other side says first.
func readHello(r *bufio.Reader) (h hello, err error) {
	for i := range len(magic) {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && i == 0:
			return h, fmt.Errorf("%w: it ended without a word", ErrNotVarve)
		case err != nil && !errors.Is(err, io.EOF):
			return h, fmt.Errorf("read greeting: %w", err)
		case err != nil || c != magic[i]:
			return h, stray(r, i, c, err == nil)
		}
	}
	var fixed [5]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return h, fmt.Errorf("read greeting: %w", err)
	}
	h.oldest, h.newest = binary.LittleEndian.Uint16(fixed[:]), binary.LittleEndian.Uint16(fixed[2:])
	program := make([]byte, fixed[4])
	if _, err := io.ReadFull(r, program); err != nil {
		return h, fmt.Errorf("read greeting: %w", err)
	}
	h.program = string(program)
	if h.oldest == 0 || h.newest < h.oldest {
		return h, breach("versions %d to %d", h.oldest, h.newest)
	}
	return h, nil
}

// shownText is how many bytes of a text that nobody expected an error shows.
const shownText = 200

// stray returns an error that shows the first line of what came instead of a greeting: its first bytes are right, c is not. What
// has not arrived yet is not waited for.
func stray(r *bufio.Reader, right int, c byte, more bool) error {
	line := []byte(magic[:right])
	if more {
		line = append(line, c)
		rest, _ := r.Peek(min(r.Buffered(), shownText))
		line = append(line, rest...)
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	return fmt.Errorf("%w: it says %s", ErrNotVarve, quote(string(bytes.TrimRight(line, "\r"))))
}

// quote makes a text from elsewhere harmless.
func quote(text string) string { return strconv.QuoteToASCII(text[:min(len(text), shownText)]) }

// agree returns the newest version that both know; otherwise an error says which side is behind.
func agree(own, other hello) (uint16, error) {
	version := min(own.newest, other.newest)
	switch {
	case version >= own.oldest && version >= other.oldest:
		return version, nil
	case own.newest < other.newest:
		return 0, fmt.Errorf("%w: upgrade varve on this side; the other one is %s and wants version %d, this one knows %d",
			ErrVersion, quote(other.program), other.oldest, own.newest)
	}
	return 0, fmt.Errorf("%w: upgrade varve on the other side; it is %s and knows version %d, this one wants %d",
		ErrVersion, quote(other.program), other.newest, own.oldest)
}

// greet says hello, hears the other side's, and returns it with the version that both will speak. It ends with ctx or after so long at the latest.
func greet(ctx context.Context, conn io.ReadWriteCloser, r *bufio.Reader, own hello, limit time.Duration) (other hello, version uint16, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: no greeting for %s", ErrLost, limit))
	defer cancel()
	closed := context.AfterFunc(ctx, func() { conn.Close() })
	defer closed()
	said := make(chan error, 1)
	go func() {
		_, err := conn.Write(own.append(nil))
		said <- err
	}()
	other, err = readHello(r)
	if err == nil {
		version, err = agree(own, other)
	}
	if err != nil && !errors.Is(err, ErrVersion) {
		conn.Close() // nobody may be reading
	}
	if failed := <-said; err == nil && failed != nil {
		err = fmt.Errorf("send greeting: %w", failed)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return other, version, err
}
