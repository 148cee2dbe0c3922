package sshtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// echoInMemory returns a connection with faults to something that sends back what it gets.
func echoInMemory(f Faults) *Conn {
	client, server := net.Pipe()
	go echo(server)
	return Faulty(client, f)
}

func TestAConnectionInMemoryIsCutAtTheVeryByte(t *testing.T) {
	for _, n := range []int64{1, 2, 99, 16 << 10, 16<<10 + 1, 50_000} {
		for _, way := range []Direction{Up, Down} {
			synctest.Test(t, func(t *testing.T) {
				c := echoInMemory(Faults{CutAfter: n, Count: way})
				go func() { _, _ = c.Write(pattern(100_000)) }() // ends with the cut
				got, err := io.ReadAll(c)
				ok(t, err)
				if way == Down && int64(len(got)) != n || !bytes.Equal(got, pattern(100_000)[:len(got)]) {
					t.Errorf("direction %d: %d bytes came back, want %d, the same", way, len(got), n)
				}
				if _, err := c.Write([]byte{1}); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("writing after the cut: %v", err)
				}
				if k := c.Counts(); k.Cuts != 1 || k.Open != 0 || way == Up && k.Up != n {
					t.Errorf("direction %d: counts are %+v", way, k)
				}
				ok(t, c.Close())
			})
		}
	}
}

func TestWhatWasWrittenBeforeCloseArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		arrived := make(chan []byte, 1)
		go func() {
			got, _ := io.ReadAll(server) // the bytes tell
			arrived <- got
		}()
		c := Faulty(client, Faults{Latency: time.Second, Piece: 7})
		_, err := c.Write(pattern(1000))
		ok(t, err)
		ok(t, c.Close())
		if got := <-arrived; !bytes.Equal(got, pattern(1000)) {
			t.Errorf("%d bytes arrived, want 1000, the same", len(got))
		}
	})
}

func TestASilentConnectionInMemoryCanBeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := echoInMemory(Faults{StallAfter: 10})
		_, err := c.Write(pattern(100))
		ok(t, err)
		synctest.Wait()
		begun := time.Now()
		ok(t, c.Close())
		if d := time.Since(begun); d != 0 {
			t.Errorf("closing took %v", d)
		}
		if k := c.Counts(); k.Stalls != 1 || k.Up+k.Down != 10 {
			t.Errorf("counts are %+v", k)
		}
	})
}

func TestACloseDoesNotWaitForAServerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := net.Pipe()
		c := Faulty(client, Faults{})
		_, err := c.Write(pattern(100))
		ok(t, err)
		begun := time.Now()
		ok(t, c.Close())
		if d := time.Since(begun); d > closeGrace {
			t.Errorf("closing took %v", d)
		}
	})
}

func TestTimesInMemoryAreExact(t *testing.T) {
	cases := map[string]struct {
		faults Faults
		bytes  int
		want   time.Duration
	}{
		"latency":  {Faults{Latency: 10 * time.Millisecond}, 8 << 20, 20 * time.Millisecond},
		"rate":     {Faults{Rate: 1000}, 1000, 2 * time.Second},
		"silence":  {Faults{StallAfter: 500, StallFor: 90 * time.Second}, 1000, 90 * time.Second},
		"no fault": {Faults{}, 100_000, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := echoInMemory(c.faults)
				begun := time.Now()
				bounce(t, conn, c.bytes)
				if d := time.Since(begun); d != c.want {
					t.Errorf("%d bytes were back after %v, want %v", c.bytes, d, c.want)
				}
				ok(t, conn.Close())
			})
		})
	}
}

func TestAnOldConnectionInMemoryIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := echoInMemory(Faults{})
		c.Set(Faults{CutEvery: 3 * time.Second})
		begun := time.Now()
		if _, err := io.ReadAll(c); err != nil || time.Since(begun) != 3*time.Second {
			t.Errorf("cut after %v, %v", time.Since(begun), err)
		}
		ok(t, c.Close())
	})
}

func TestTheEndOfTheServerIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			_, _ = server.Write(pattern(100)) // what arrives tells
			server.Close()
		}()
		c := Faulty(client, Faults{Latency: time.Second})
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, pattern(100)) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		ok(t, c.Close())
		if k := c.Counts(); k.Cuts != 0 {
			t.Errorf("counts are %+v", k)
		}
	})
}
