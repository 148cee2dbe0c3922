package sshtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestAProxyWithoutFaultsChangesNothing(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{})
	conn := dial(t, p.Addr)
	bounce(t, conn, 3<<20)
	if n := p.Counts(); n != (Counts{Conns: 1, Open: 1, Peak: 1, Up: 3 << 20, Down: 3 << 20}) {
		t.Errorf("counts are %+v", n)
	}
}

func TestAProxyPassesOnTheEndOfOneWay(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{Latency: time.Millisecond})
	conn := dial(t, p.Addr)
	_, err := conn.Write(pattern(100_000))
	ok(t, err)
	ok(t, conn.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(conn)
	ok(t, err)
	if !bytes.Equal(got, pattern(100_000)) {
		t.Errorf("%d bytes came back, want 100000, the same", len(got))
	}
}

func TestAConnectionIsCutAfterSoManyBytes(t *testing.T) {
	const n = 70_000
	for _, way := range []Direction{Up, Down} {
		p := NewProxy(t, listenEcho(t), Faults{CutAfter: n, Count: way})
		conn := dial(t, p.Addr)
		var sender sync.WaitGroup
		sender.Go(func() { _, _ = conn.Write(pattern(1 << 20)) }) // fails when the cut comes
		got, err := io.ReadAll(conn)
		sender.Wait()
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("direction %d: reading ended with %v, want a reset", way, err)
		}
		if !bytes.Equal(got, pattern(1 << 20)[:len(got)]) {
			t.Errorf("direction %d: other bytes came back", way)
		}
		if c := p.Counts(); c.Cuts != 1 || c.Open != 0 || (way == Up && c.Up != n) || (way == Down && c.Down != n) {
			t.Errorf("direction %d: counts are %+v", way, c)
		}
	}
}

func TestBytesOfBothWaysAreCountedTogether(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{CutAfter: 1000})
	conn := dial(t, p.Addr)
	bounce(t, conn, 400)
	_, err := conn.Write(pattern(400))
	ok(t, err)
	if _, err = io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading ended with %v, want a reset", err)
	}
	if c := p.Counts(); c.Up+c.Down != 1000 || c.Cuts != 1 {
		t.Errorf("counts are %+v", c)
	}
}

func TestEveryConnectionOfManyIsCut(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{CutAfter: 2000})
	const rounds = 300
	for range rounds {
		conn := dial(t, p.Addr)
		bounce(t, conn, 999)
		_, err := conn.Write([]byte{1, 2})
		ok(t, err)
		if _, err := io.ReadAll(conn); err == nil {
			t.Fatal("a connection ended well that should have been cut")
		}
		ok(t, conn.Close())
	}
	if c := p.Counts(); c.Cuts != rounds || c.Conns != rounds || c.Open != 0 {
		t.Errorf("counts are %+v, want %d cuts", c, rounds)
	}
}

func TestAConnectionIsCutWhenItIsOldEnough(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{CutEvery: 50 * time.Millisecond})
	begun := time.Now()
	conn := dial(t, p.Addr)
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading ended with %v, want a reset", err)
	}
	if d := time.Since(begun); d < 50*time.Millisecond {
		t.Errorf("cut after %v", d)
	}
	if c := p.Counts(); c.Cuts != 1 {
		t.Errorf("counts are %+v", c)
	}
}

func TestCutEndsWhatIsOpenAndNothingElse(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{})
	first, second := dial(t, p.Addr), dial(t, p.Addr)
	bounce(t, first, 10)
	bounce(t, second, 10)
	p.Cut()
	for _, conn := range []net.Conn{first, second} {
		if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading ended with %v, want a reset", err)
		}
	}
	bounce(t, dial(t, p.Addr), 10)
	if c := p.Counts(); c.Cuts != 2 || c.Conns != 3 || c.Open != 1 || c.Peak != 2 {
		t.Errorf("counts are %+v", c)
	}
}

func TestASilentConnectionStaysOpenAndGoesOn(t *testing.T) {
	const silence = 100 * time.Millisecond
	p := NewProxy(t, listenEcho(t), Faults{StallAfter: 1000, StallFor: silence})
	conn := dial(t, p.Addr)
	begun := time.Now()
	bounce(t, conn, 5000)
	if d := time.Since(begun); d < silence {
		t.Errorf("all was back after %v, want a silence of %v", d, silence)
	}
	if c := p.Counts(); c.Stalls != 1 || c.Cuts != 0 {
		t.Errorf("counts are %+v", c)
	}
}

func TestASilenceForEverEndsWhenTheFaultsChange(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{StallAfter: 1000, Count: Down})
	conn := dial(t, p.Addr)
	_, err := conn.Write(pattern(3000))
	ok(t, err)
	got := make([]byte, 3000)
	_, err = io.ReadFull(conn, got[:1000])
	ok(t, err)
	ok(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	if n, err := conn.Read(got); n != 0 {
		t.Fatalf("%d bytes came out of a silent connection, %v", n, err)
	}
	p.Set(Faults{})
	ok(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.ReadFull(conn, got[1000:])
	ok(t, err)
	if !bytes.Equal(got[1000:], pattern(3000)[1000:]) {
		t.Error("other bytes came back")
	}
}

func TestLatencyDelaysEveryByte(t *testing.T) {
	const oneWay = 20 * time.Millisecond
	p := NewProxy(t, listenEcho(t), Faults{Latency: oneWay})
	conn := dial(t, p.Addr)
	begun := time.Now()
	bounce(t, conn, 1)
	if d := time.Since(begun); d < 2*oneWay {
		t.Errorf("a byte was back after %v, want %v", d, 2*oneWay)
	}
}

func TestSingleBytesArriveInOrder(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{Piece: 1})
	bounce(t, dial(t, p.Addr), 5000)
	if c := p.Counts(); c.Up != 5000 || c.Down != 5000 {
		t.Errorf("counts are %+v", c)
	}
}

func TestTheRateHoldsForAllConnectionsTogether(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{Rate: 1 << 20})
	begun := time.Now()
	var clients sync.WaitGroup
	for range 2 {
		conn := dial(t, p.Addr)
		clients.Go(func() {
			_, _ = conn.Write(pattern(100 << 10)) // what was not sent is missed below
			_, _ = io.ReadFull(conn, make([]byte, 100<<10))
		})
	}
	clients.Wait()
	if d, least := time.Since(begun), time.Second*200/1024; d < least {
		t.Errorf("200 KiB took %v at 1 MiB a second, want %v", d, least)
	}
	if c := p.Counts(); c.Down != 200<<10 {
		t.Errorf("counts are %+v", c)
	}
}

func TestTooManyConnectionsAreReset(t *testing.T) {
	p := NewProxy(t, listenEcho(t), Faults{MaxConns: 2})
	first, second := dial(t, p.Addr), dial(t, p.Addr)
	bounce(t, first, 10)
	bounce(t, second, 10)
	refused(t, p.Addr)
	if c := p.Counts(); c.Refused != 1 || c.Conns != 2 || c.Peak != 2 {
		t.Errorf("counts are %+v", c)
	}
	p.Cut()
	bounce(t, dial(t, p.Addr), 10)
	p.Set(Faults{MaxConns: -1})
	refused(t, p.Addr)
}

func TestAClientOfAnUnreachableTargetIsReset(t *testing.T) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	addr := listen.Addr().String()
	ok(t, listen.Close())
	p := NewProxy(t, addr, Faults{})
	refused(t, p.Addr)
	if c := p.Counts(); c.Open != 0 {
		t.Errorf("counts are %+v", c)
	}
}
