package rdiff

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A delta of librsync: the magic number, then commands, each a byte and up to two numbers, big-endian:
//
//	0x00         end
//	0x01 - 0x40  as many bytes follow, which are content
//	0x41 - 0x44  a length of 1, 2, 4 or 8 bytes, and as many bytes of content
//	0x45 - 0x54  a position in the other file and a length, of 1, 2, 4 or 8 bytes each: that region is content
const (
	deltaMagic   = 0x72730236
	cmdEnd       = 0x00
	cmdImmediate = 0x40 // the last of these
	cmdLiteral   = 0x44
	cmdCopy      = 0x54
)

// command is one step of a delta: content that follows at off in the delta itself, or, where copied is set, in the other file.
type command struct {
	copied   bool
	off, len int64
}

// errDelta says that a delta is not what librsync writes.
var errDelta = errors.New("not a delta")

// deltaReader reads the commands of a delta.
type deltaReader struct {
	in  *bufio.Reader
	pos int64
}

// readDelta calls each for every command of a delta, and checks that it ends as it should.
func readDelta(ctx context.Context, r io.Reader, each func(command) error) error {
	d := &deltaReader{in: bufio.NewReader(r)}
	magic, err := d.number(4)
	if err != nil {
		return err
	}
	if magic != deltaMagic {
		return fmt.Errorf("%w: it begins with %#x", errDelta, magic)
	}
	for count := 0; ; count++ {
		if count%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		c, more, err := d.command()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := each(c); err != nil {
			return err
		}
	}
	_, err = d.in.ReadByte()
	if err == nil {
		return fmt.Errorf("%w: it goes on behind its end", errDelta)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// command reads one command and passes over its content; false at the end.
func (d *deltaReader) command() (c command, more bool, err error) {
	op, err := d.number(1)
	if err != nil {
		return c, false, err
	}
	switch {
	case op == cmdEnd:
		return c, false, nil
	case op <= cmdImmediate:
		c.len = int64(op)
	case op <= cmdLiteral:
		c.len, err = d.number(1 << (op - cmdImmediate - 1))
	case op <= cmdCopy:
		c.copied = true
		op -= cmdLiteral + 1
		if c.off, err = d.number(1 << (op / 4)); err == nil {
			c.len, err = d.number(1 << (op % 4))
		}
	default:
		err = fmt.Errorf("%w: command %#x", errDelta, op)
	}
	if err == nil && (c.len <= 0 || c.off < 0 || c.off > math.MaxInt64-c.len) {
		err = fmt.Errorf("%w: a region of %d bytes", errDelta, c.len)
	}
	if err != nil || c.copied {
		return c, true, err
	}
	c.off = d.pos
	return c, true, d.skip(c.len)
}

// number reads a number of size bytes; negative where it has more than 63 bits.
func (d *deltaReader) number(size int) (int64, error) {
	var b [8]byte
	n, err := io.ReadFull(d.in, b[8-size:])
	d.pos += int64(n)
	return int64(binary.BigEndian.Uint64(b[:])), noEOF(err)
}

// skip passes over n bytes.
func (d *deltaReader) skip(n int64) error {
	for n > 0 {
		done, err := d.in.Discard(int(min(n, 1<<20)))
		d.pos += int64(done)
		n -= int64(done)
		if err != nil {
			return noEOF(err)
		}
	}
	return nil
}
