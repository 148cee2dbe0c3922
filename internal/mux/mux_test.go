package mux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

func TestWhatIsWrittenIsReadOnTheOtherSide(t *testing.T) {
	for name, connect := range map[string]func() (client, server *Session){
		"memory": func() (*Session, *Session) { return pair(t) },
		"system": func() (*Session, *Session) { near, far := pipes(t); return sessions(t, near, far) },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := connect()
			defer server.Close()
			defer client.Close()
			for i, ends := range [][2]*Session{{client, server}, {server, client}} {
				near, far := couple(t, ends[0], ends[1])
				data := noise(byte(i), 3<<20)
				var wg sync.WaitGroup
				wg.Go(func() { // what comes back
					if _, err := io.Copy(far, far); err != nil {
						t.Error(err)
					}
					far.End()
				})
				wg.Go(func() {
					if n, err := near.Write(data); err != nil || n != len(data) {
						t.Errorf("%d bytes written, error %v", n, err)
					}
					near.End()
				})
				got, err := io.ReadAll(near)
				wg.Wait()
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes of %d came back, error %v", len(got), len(data), err)
				}
				must(t, near.Close())
				must(t, far.Close())
			}
		})
	}
}

func TestAStreamThatNobodyReadsHoldsUpNoOther(t *testing.T) {
	client, server := pair(t)
	for range MaxStreams - 1 {
		near, err := client.Open(t.Context())
		must(t, err)
		_, err = near.Write(make([]byte, FirstWindow)) // all that fits
		must(t, err)
	}
	near, err := client.Open(t.Context())
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range MaxStreams - 1 {
			server.Accept(t.Context())
		}
		far, err := server.Accept(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if n, err := io.Copy(io.Discard, far); n != 5<<20 || err != nil {
			t.Errorf("%d bytes, error %v", n, err)
		}
	})
	_, err = near.Write(make([]byte, 5<<20))
	must(t, err)
	must(t, near.End())
	wg.Wait()
}

func TestAWriterWaitsForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		near, far := couple(t, client, server)
		written := 0
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				n, err := near.Write(make([]byte, 1000))
				written += n
				if err != nil {
					return
				}
			}
		})
		synctest.Wait()
		if written > FirstWindow {
			t.Errorf("%d bytes were written that nobody reads", written)
		}
		_, err := io.ReadFull(far, make([]byte, FirstWindow))
		must(t, err)
		synctest.Wait()
		if written < FirstWindow {
			t.Errorf("only %d bytes were written after so many were read", written)
		}
		near.Close()
		wg.Wait()
	})
}

func TestWindowsGrowWithinTheirBudget(t *testing.T) {
	client, server := pair(t)
	var open []*Stream
	for range 10 {
		near, far := couple(t, client, server)
		open = append(open, near, far)
		var wg sync.WaitGroup
		wg.Go(func() { near.Write(make([]byte, 9<<20)) })
		_, err := io.CopyN(io.Discard, far, 9<<20)
		must(t, err)
		wg.Wait()
	}
	server.mu.Lock()
	total := 0
	for _, st := range server.streams {
		total += st.window - FirstWindow
	}
	if server.spare < 0 || total+server.spare != spareWindow || total < spareWindow/2 {
		t.Errorf("windows have grown by %d bytes, %d are left", total, server.spare)
	}
	server.mu.Unlock()
	for _, st := range open {
		st.Close()
	}
	if server.spare != spareWindow {
		t.Errorf("%d bytes are left when all are closed", server.spare)
	}
}

func TestAClosedStreamIsNoticedByBothEnds(t *testing.T) {
	client, server := pair(t)
	near, far := couple(t, client, server)
	_, err := near.Write([]byte("lost"))
	must(t, err)
	must(t, near.Close())
	for range 3 {
		if n, err := far.Write(make([]byte, FirstWindow)); errors.Is(err, ErrReset) {
			break
		} else if n == 0 {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadAll(far); !errors.Is(err, ErrReset) {
		t.Errorf("the other end reads: %v", err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, ErrReset) {
		t.Errorf("the closed end reads: %v", err)
	}
	if _, err := near.Write([]byte("x")); !errors.Is(err, ErrReset) {
		t.Errorf("the closed end writes: %v", err)
	}
	if err := near.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	couple(t, client, server) // the session goes on
}

func TestWhatWasWrittenBeforeTheEndArrivesThoughTheWriterCloses(t *testing.T) {
	client, server := pair(t)
	for range 100 {
		near, far := couple(t, client, server)
		_, err := far.Write([]byte("all"))
		must(t, err)
		must(t, far.End())
		must(t, far.Close())
		if got, err := io.ReadAll(near); err != nil || string(got) != "all" {
			t.Fatalf("%q, error %v", got, err)
		}
		near.Close()
	}
}

func TestOpenWaitsWhereThereAreTooManyStreams(t *testing.T) {
	client, server := pair(t)
	var list []*Stream
	for range MaxStreams {
		st, err := client.Open(t.Context())
		must(t, err)
		list = append(list, st)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one more: %v", err)
	}
	opened := make(chan error)
	go func() {
		st, err := client.Open(context.Background())
		if err == nil {
			_, err = st.Write([]byte("x"))
		}
		opened <- err
	}()
	must(t, list[5].Close())
	must(t, <-opened)
	for range MaxStreams + 1 {
		if _, err := server.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStreamsComeAndGoWithoutEnd(t *testing.T) {
	client, server := pair(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 20 * MaxStreams {
			st, err := server.Accept(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			wg.Go(func() {
				data, err := io.ReadAll(st)
				if err == nil {
					_, err = st.Write(data)
				}
				if err = errors.Join(err, st.End(), st.Close()); err != nil {
					t.Error(err)
				}
			})
		}
	})
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 * MaxStreams / 8 {
				st, err := client.Open(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				text := fmt.Sprint(w, i)
				io.WriteString(st, text)
				st.End()
				if got, err := io.ReadAll(st); err != nil || string(got) != text {
					t.Errorf("%q, error %v", got, err)
				}
				st.Close()
			}
		})
	}
	wg.Wait()
	if len(client.streams)+len(server.streams)+client.own+server.theirs != 0 {
		t.Errorf("left: %d and %d streams", len(client.streams), len(server.streams))
	}
}
