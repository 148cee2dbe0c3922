package sftp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// write sends what is in the queue. Small packets that wait together go out together.
func (s *Session) write() {
	out := bufio.NewWriterSize(s.conn, 64<<10)
	for {
		select {
		case <-s.lost:
			return
		case <-s.wake:
		}
		for packets := s.queued(); len(packets) > 0; packets = s.queued() {
			for _, packet := range packets {
				out.Write(packet) // the error stays until Flush
				s.reuse(packet)
			}
		}
		if err := out.Flush(); err != nil {
			s.die(err)
			return
		}
	}
}

// queued takes the packets out of the queue.
func (s *Session) queued() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	packets := s.queue
	s.queue = nil
	return packets
}

// read hands answers to those who asked, until the connection or the protocol breaks.
func (s *Session) read(in *bufio.Reader) {
	for {
		if err := s.readPacket(in); err != nil {
			s.die(err)
			return
		}
	}
}

func (s *Session) readPacket(in *bufio.Reader) error {
	var head [headLen]byte
	if _, err := io.ReadFull(in, head[:4]); err != nil {
		return ended(err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < 5 || length > maxPacket { // before the rest is waited for, which may never come
		return fmt.Errorf("%w: a packet of %d bytes", ErrProtocol, length)
	}
	if _, err := io.ReadFull(in, head[4:]); err != nil {
		return ended(err)
	}
	typ, id := head[4], binary.BigEndian.Uint32(head[5:])
	if err := s.expected(typ, id); err != nil {
		return err
	}
	fields := s.buffer(int(length - 5))
	if _, err := io.ReadFull(in, fields); err != nil {
		return ended(err)
	}
	return s.deliver(id, typ, fields)
}

// expected refuses an answer that nobody asked for, before it takes any memory.
func (s *Session) expected(typ byte, id uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	switch {
	case s.err != nil:
		return s.err
	case c == nil:
		return fmt.Errorf("%w: an answer to nothing that was asked, ID %d", ErrProtocol, id)
	case typ != typeStatus && typ != c.want:
		return fmt.Errorf("%w: a packet of type %d in answer to %s", ErrProtocol, typ, c.op)
	}
	return nil
}

// deliver hands an answer over.
func (s *Session) deliver(id uint32, typ byte, fields []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	if c == nil { // the session has ended meanwhile
		return s.err
	}
	delete(s.calls, id)
	if c.slow {
		s.slow--
	}
	if len(s.calls) == 0 {
		s.since = time.Since(s.start)
	}
	c.typ, c.reply = typ, fields
	close(c.done)
	s.gate.leave(c.cost)
	if c.dropped {
		return s.discard(c)
	}
	return nil
}

// ended returns the error of a connection that should have gone on.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
