package sftp

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"varve/internal/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// real opens a session to the real sftp-server, working in a directory of its own, whose path is returned.
func real(t testing.TB, o Options, args ...string) (*Session, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(context.Background(), sshtest.SFTPServer(t, sshtest.SFTPOptions{Dir: dir, Args: args}), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, dir
}

// peer is a server that does what a test tells it.
type peer struct {
	t    testing.TB
	conn net.Conn
}

// received is a request as a server sees it.
type received struct {
	typ    byte
	id     uint32
	fields decoder
}

// next reads a request; typ is 0 once the session has ended.
func (p *peer) next() received {
	var head [headLen]byte
	if _, err := io.ReadFull(p.conn, head[:]); err != nil {
		return received{}
	}
	fields := make([]byte, binary.BigEndian.Uint32(head[:])-5)
	if _, err := io.ReadFull(p.conn, fields); err != nil {
		return received{}
	}
	return received{typ: head[4], id: binary.BigEndian.Uint32(head[5:]), fields: decoder{data: fields}}
}

// raw sends bytes as they are. That the session ends meanwhile is no matter.
func (p *peer) raw(data []byte) { _, _ = p.conn.Write(data) }

func (p *peer) send(typ byte, id uint32, fields []byte) { p.raw(packet(typ, id, fields)) }

func (p *peer) status(id uint32, code uint32, message string) {
	p.send(typeStatus, id, appendString(appendString(appendUint32(nil, code), message), "en"))
}

func packet(typ byte, id uint32, fields []byte) []byte {
	b := append(appendHead(nil, typ), fields...)
	seal(b, id)
	return b
}

// names returns the fields of a NAME packet.
func names(list ...string) []byte {
	b := appendUint32(nil, uint32(len(list)))
	for _, name := range list {
		b = appendUint32(appendString(appendString(b, name), "-rw-r--r-- "+name), 0)
	}
	return b
}

// converse opens a session to a peer that offers the extensions, a name and a version each, and then does serve. What comes after
// that is ignored.
func converse(t testing.TB, o Options, extensions []string, serve func(*peer)) *Session {
	t.Helper()
	conn, done := serving(t, extensions, serve)
	s, err := Open(context.Background(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return s
}

// serving returns the client's end of the pipe, and a channel that is closed when the server has gone.
func serving(t testing.TB, extensions []string, serve func(*peer)) (net.Conn, <-chan struct{}) {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := &peer{t: t, conn: theirs}
		if _, err := io.ReadFull(theirs, make([]byte, 9)); err != nil {
			return
		}
		var fields []byte
		for _, word := range extensions {
			fields = appendString(fields, word)
		}
		p.send(typeVersion, version, fields)
		serve(p)
		io.Copy(io.Discard, theirs)
		theirs.Close()
	}()
	return ours, done
}

// awaitEnd waits until the session has ended and returns why.
func awaitEnd(t *testing.T, s *Session) error {
	t.Helper()
	select {
	case <-s.Lost():
	case <-time.After(10 * time.Second):
		t.Fatal("the session goes on")
	}
	return s.Err()
}

// mustEnd fails where the session has not ended because of a breach of the protocol.
func mustEnd(t *testing.T, s *Session) {
	t.Helper()
	if err := awaitEnd(t, s); !errors.Is(err, ErrLost) || !errors.Is(err, ErrProtocol) {
		t.Errorf("the session ended with %v", err)
	}
}

// must returns the result of a request that has to succeed.
func must[T any](t testing.TB, s *Session, r Request[T]) T {
	t.Helper()
	result, err := Do(context.Background(), s, r)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// fails fails where r does not fail with want.
func fails[T any](t testing.TB, s *Session, r Request[T], want error) {
	t.Helper()
	if result, err := Do(context.Background(), s, r); !errors.Is(err, want) {
		t.Errorf("%s %s: %v, %v; want %v", r.ask.op, r.ask.path, result, err, want)
	}
}
