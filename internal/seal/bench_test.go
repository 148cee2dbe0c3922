package seal

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// sourceText returns n bytes of source of this module, or skips.
func sourceText(b *testing.B, n int) []byte {
	b.Helper()
	names, err := filepath.Glob("../*/*.go")
	if err != nil {
		b.Fatal(err)
	}
	var text []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		text = append(text, data...)
	}
	if len(text) < n {
		b.Skip("not enough source to compress")
	}
	return text[:n]
}

func BenchmarkCompress(b *testing.B) {
	for name, data := range map[string][]byte{"source": sourceText(b, 1<<19), "noise": noise(1 << 19)} {
		b.Run(name, func(b *testing.B) {
			var c Compressor
			dst := make([]byte, 0, 2<<20)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				_, out := c.Compress(dst, data)
				b.ReportMetric(float64(len(data))/float64(len(out)), "ratio")
			}
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	var c Compressor
	plain := sourceText(b, 1<<19)
	codec, data := c.Compress(nil, plain)
	dst := make([]byte, 0, len(plain))
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Decompress(dst, codec, data, len(plain)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 20} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			plain, dst := noise(n), make([]byte, 0, n+Overhead)
			scope := Scope{Vault: testVault(), Kind: KindContent, Context: make([]byte, 32)}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				Seal(dst, testSecret(1), scope, plain)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 20} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			scope := Scope{Vault: testVault(), Kind: KindContent, Context: make([]byte, 32)}
			sealed, dst := Seal(nil, testSecret(1), scope, noise(n)), make([]byte, 0, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Open(dst, testSecret(1), scope, sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEnvelope makes one session and opens it for the first time.
func BenchmarkEnvelope(b *testing.B) {
	root := testRoot()
	for b.Loop() {
		s := newSession(b, root)
		if _, err := openerOf(root).Content(&s.Envelope); err != nil {
			b.Fatal(err)
		}
	}
}
