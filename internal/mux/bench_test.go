package mux

import (
	"io"
	"sync"
	"testing"
)

func BenchmarkTransfer(b *testing.B) {
	near, far := pipes(b)
	client, server := sessions(b, near, far)
	defer server.Close()
	defer client.Close()
	from, to := couple(b, client, server)
	var wg sync.WaitGroup
	wg.Go(func() { io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{to}, make([]byte, 256<<10)) })
	block := make([]byte, 1<<20)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := from.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	from.End()
	wg.Wait()
}

func BenchmarkSmallRequests(b *testing.B) {
	near, far := pipes(b)
	client, server := sessions(b, near, far)
	defer server.Close()
	defer client.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			st, err := server.Accept(b.Context())
			if err != nil {
				return
			}
			wg.Go(func() {
				io.Copy(st, st)
				st.End()
				st.Close()
			})
		}
	})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			st, err := client.Open(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			io.WriteString(st, "request")
			st.End()
			io.Copy(io.Discard, st)
			st.Close()
		}
	})
	client.Close()
	wg.Wait()
}
