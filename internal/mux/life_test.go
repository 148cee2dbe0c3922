package mux

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseSendsWhatWasWrittenAndSaysGoodbye(t *testing.T) {
	client, server := pair(t)
	near, far := couple(t, client, server)
	_, err := near.Write(make([]byte, 50_000))
	must(t, err)
	must(t, near.End())
	must(t, client.Close())
	if n, err := io.Copy(io.Discard, far); n != 50_000 || err != nil {
		t.Errorf("%d bytes, error %v", n, err)
	}
	<-server.Context().Done()
	if err := context.Cause(server.Context()); !errors.Is(err, ErrClosed) || errors.Is(err, ErrLost) {
		t.Errorf("the other side ends with: %v", err)
	}
	for _, s := range []*Session{client, server} {
		if _, err := s.Open(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("open after the end: %v", err)
		}
		if _, err := s.Accept(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("accept after the end: %v", err)
		}
	}
	if _, err := far.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
	must(t, client.Close())
}

func TestALostConnectionEndsEverything(t *testing.T) {
	near, far := pipes(t)
	client, server := sessions(t, near, far)
	defer client.Close()
	defer server.Close()
	st, other := couple(t, client, server)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := st.Read(make([]byte, 1)); !errors.Is(err, ErrLost) || client.Context().Err() == nil {
			t.Errorf("read: %v", err)
		}
	})
	wg.Go(func() {
		if _, err := st.Write(make([]byte, 1<<20)); !errors.Is(err, ErrLost) {
			t.Errorf("write: %v", err)
		}
	})
	wg.Go(func() {
		if _, err := client.Accept(context.Background()); !errors.Is(err, ErrLost) {
			t.Errorf("accept: %v", err)
		}
	})
	io.ReadFull(other, make([]byte, 10))
	far.Close()
	wg.Wait()
}

func TestCloseDoesNotWaitForASideThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, conn := alone(t)
		defer conn.Close()
		st, err := client.Open(t.Context())
		must(t, err)
		_, err = st.Write(make([]byte, FirstWindow))
		must(t, err)
		begin := time.Now()
		must(t, client.Close())
		if d := time.Since(begin); d != 5*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

func TestSilenceIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, conn := alone(t)
		defer client.Close()
		defer conn.Close()
		go io.Copy(io.Discard, conn)
		begin := time.Now()
		_, err := client.Accept(t.Context())
		if d := time.Since(begin); !errors.Is(err, ErrLost) || d != time.Minute {
			t.Errorf("after %s: %v", d, err)
		}
	})
}

func TestAnIdleConnectionIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		time.Sleep(24 * time.Hour)
		near, far := couple(t, client, server)
		_, err := near.Write([]byte("x"))
		must(t, err)
		_, err = io.ReadFull(far, make([]byte, 1))
		must(t, err)
	})
}
