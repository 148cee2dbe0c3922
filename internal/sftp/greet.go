package sftp

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// maxVersionPacket bounds the VERSION packet with its list of extensions.
const maxVersionPacket = 64 << 10

// greet exchanges INIT and VERSION and returns from where to read on. When ctx ends, or nothing comes within Options.Stall, the
// connection is closed.
func (s *Session) greet(ctx context.Context) (*bufio.Reader, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Stall, fmt.Errorf("%w: %w", ErrLost, errStalled))
	defer cancel()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		s.conn.Close()
	})
	in := bufio.NewReaderSize(hearing{s}, 64<<10)
	err := s.exchange(in)
	if !stop() {
		<-closed
		return nil, context.Cause(ctx)
	}
	return in, err
}

func (s *Session) exchange(in *bufio.Reader) error {
	hello := []byte{0, 0, 0, 5, typeInit, 0, 0, 0, version}
	_, refused := s.conn.Write(hello)
	head, err := in.Peek(4) // of who does not listen, too: it may say why
	if err != nil && refused != nil {
		err = refused
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLost, ended(err))
	}
	length := binary.BigEndian.Uint32(head)
	if length < 5 || length > maxVersionPacket { // before more is waited for, which may never come
		return babble(in)
	}
	if head, err = in.Peek(5); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, ended(err))
	}
	if head[4] != typeVersion {
		return babble(in)
	}
	packet := make([]byte, 4+length)
	if _, err := io.ReadFull(in, packet); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, ended(err))
	}
	return s.learn(&decoder{data: packet[5:]})
}

// learn takes the fields of a VERSION packet.
func (s *Session) learn(d *decoder) error {
	if v := d.uint32(); v != version {
		return fmt.Errorf("%w: it speaks version %d, not %d", ErrProtocol, v, version)
	}
	s.offered = map[Extension]bool{}
	for len(d.data) > 0 {
		name, value := d.string(), d.string()
		if e := Extension(name); d.err == nil && extensionVersion(e) != "" {
			s.offered[e] = value == extensionVersion(e)
		}
	}
	return d.err
}

// babble says what came in the place of a VERSION packet: most often the greeting of a login shell.
func babble(in *bufio.Reader) error {
	text, _ := in.Peek(min(in.Buffered(), wordsMax))
	for _, b := range text[:min(len(text), 4)] {
		if !(b >= ' ' && b <= '~' || strings.IndexByte("\n\r\t\x1b", b) >= 0) {
			return fmt.Errorf("%w: it does not begin with a VERSION packet", ErrProtocol)
		}
	}
	return fmt.Errorf("%w: the login prints text first: \"%s\"", ErrProtocol, harmless(text))
}
