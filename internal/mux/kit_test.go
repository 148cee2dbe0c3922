package mux

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// duplex is two pipes as one connection.
type duplex struct {
	r, w *os.File
}

func (d duplex) Read(p []byte) (int, error)  { return d.r.Read(p) }
func (d duplex) Write(p []byte) (int, error) { return d.w.Write(p) }
func (d duplex) Close() error {
	d.r.Close()
	return d.w.Close()
}

// pipes returns a connection as ssh gives it to a program: two pipes of the system.
func pipes(t testing.TB) (near, far io.ReadWriteCloser) {
	r1, w1, err := os.Pipe()
	must(t, err)
	r2, w2, err := os.Pipe()
	must(t, err)
	return duplex{r1, w2}, duplex{r2, w1}
}

// sessions connects two sessions.
func sessions(t testing.TB, near, far io.ReadWriteCloser) (client, server *Session) {
	t.Helper()
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() { server, failed = Server(context.Background(), far, Options{Program: "far 1"}) })
	client, err := Client(context.Background(), near, Options{Program: "near 1"})
	wg.Wait()
	must(t, err)
	must(t, failed)
	return client, server
}

// pair connects two sessions over a pipe, closed at the end of the test.
func pair(t testing.TB) (client, server *Session) {
	t.Helper()
	near, far := net.Pipe()
	client, server = sessions(t, near, far)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

// couple opens a stream and returns both ends of it.
func couple(t testing.TB, from, to *Session) (near, far *Stream) {
	t.Helper()
	near, err := from.Open(t.Context())
	must(t, err)
	far, err = to.Accept(t.Context())
	must(t, err)
	if near.ID() != far.ID() {
		t.Fatalf("stream %d arrives as %d", near.ID(), far.ID())
	}
	return near, far
}
