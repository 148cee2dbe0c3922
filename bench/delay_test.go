package main

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// echo starts a server that sends back what it gets, with the end, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // ends with the connection
			})
		}
	})
	t.Cleanup(func() { listen.Close(); work.Wait() })
	return listen.Addr().String()
}

// throughDelay connects to a server that echoes, through a line with that round trip.
func throughDelay(t *testing.T, trip time.Duration) (*delayLine, *net.TCPConn) {
	t.Helper()
	server := echo(t)
	d, err := newDelayLine(server, trip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.close() })
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return d, conn.(*net.TCPConn)
}

// Were the line to carry one read at a time, 16 MiB would take 512 round trips.
func TestALongLineDelaysEveryByteAndNotTheirNumber(t *testing.T) {
	const trip = 400 * time.Millisecond
	_, conn := throughDelay(t, trip)
	sent := make([]byte, 16<<20)
	for i := range sent {
		sent[i] = byte(i ^ i>>8 ^ i>>16)
	}
	begun := time.Now()
	var writer sync.WaitGroup
	writer.Go(func() {
		_, _ = conn.Write(sent) // what was not sent does not come back
		_ = conn.CloseWrite()
	})
	got, err := io.ReadAll(conn)
	took := time.Since(begun)
	writer.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes came back, or others: %v", len(got), len(sent), err)
	}
	if took < trip || took > 50*trip {
		t.Errorf("it took %v", took)
	}
}

func TestALineThatIsClosedEndsItsConnections(t *testing.T) {
	d, conn := throughDelay(t, 0)
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	if conn, err := net.Dial("tcp", d.addr); err == nil {
		conn.Close()
		t.Error("the line still listens")
	}
}
