package sftp

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"varve/internal/sshtest"
)

// places are a server at hand and one that is 20 ms away.
func places(b *testing.B, run func(b *testing.B, s *Session, dir string)) {
	for name, latency := range map[string]time.Duration{"near": 0, "far": 10 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			var conn io.ReadWriteCloser = sshtest.SFTPServer(b, sshtest.SFTPOptions{Dir: dir})
			if latency > 0 {
				conn = sshtest.Faulty(conn, sshtest.Faults{Latency: latency})
			}
			s, err := Open(context.Background(), conn, Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			run(b, s, dir)
		})
	}
}

func BenchmarkReadAt(b *testing.B) { places(b, benchmarkReadAt) }

func benchmarkReadAt(b *testing.B, s *Session, dir string) {
	if err := os.WriteFile(dir+"/file", make([]byte, 64<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	h := must(b, s, OpenFile("file", FlagRead, Attrs{}))
	p := make([]byte, 64<<20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := s.ReadAt(context.Background(), h, p, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) { places(b, benchmarkReader) }

func benchmarkReader(b *testing.B, s *Session, dir string) {
	if err := os.WriteFile(dir+"/file", make([]byte, 64<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	h := must(b, s, OpenFile("file", FlagRead, Attrs{}))
	p := make([]byte, 1<<20)
	b.SetBytes(64 << 20)
	for b.Loop() {
		r := s.NewReader(context.Background(), h, 0, 64<<20, 0)
		for _, err := r.Read(p); err == nil; _, err = r.Read(p) {
		}
		r.Close()
	}
}

func BenchmarkWriteAt(b *testing.B) { places(b, benchmarkWriteAt) }

func benchmarkWriteAt(b *testing.B, s *Session, _ string) {
	h := must(b, s, OpenFile("file", FlagWrite|FlagCreate, Attrs{}))
	p := make([]byte, 64<<20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := s.WriteAt(context.Background(), h, p, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListDir(b *testing.B) { places(b, benchmarkListDir) }

func benchmarkListDir(b *testing.B, s *Session, dir string) {
	const count = 10000
	for i := range count {
		if err := os.WriteFile(fmt.Sprintf("%s/file-%06d", dir, i), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		n := 0
		for _, err := range s.ListDir(context.Background(), ".") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != count {
			b.Fatalf("%d names", n)
		}
	}
	b.ReportMetric(float64(b.N)*count/b.Elapsed().Seconds(), "names/s")
}

func BenchmarkLstat(b *testing.B) { places(b, benchmarkLstat) }

func benchmarkLstat(b *testing.B, s *Session, _ string) {
	for b.Loop() {
		var calls [64]*Call[Attrs]
		for i := range calls {
			calls[i] = Go(context.Background(), s, Lstat("."))
		}
		for _, c := range calls {
			if _, err := c.Wait(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(64*float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
