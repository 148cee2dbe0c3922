package pack

import (
	"context"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"varve/internal/table"
)

// BenchmarkPack takes content in pieces as of small files, and of large ones, all the way to finished packs: digest and ID, compression,
// sealing, packing, padding, name. BenchmarkRead takes it back.
func BenchmarkPack(b *testing.B) {
	for name, data := range contents(b) {
		for _, size := range []int{8 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) {
				w := theWorld(b)
				builder := w.writer.NewBuilder(func(context.Context, table.Pack, []byte) error { return nil })
				bundle := w.writer.NewBundle(table.ContentGroup)
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					w.fill(b, builder, bundle, data, size)
				}
				if err := builder.Finish(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// fill packs data in pieces of a size.
func (w *world) fill(b *testing.B, builder *Builder, bundle *Bundle, data []byte, size int) {
	flush := func() {
		if err := builder.Add(b.Context(), bundle.Seal()); err != nil {
			b.Fatal(err)
		}
		bundle.Reset()
	}
	for at := 0; at < len(data); at += size {
		piece := data[at:min(at+size, len(data))]
		if !bundle.Fits(len(piece)) {
			flush()
		}
		if err := bundle.Add(w.id(table.Content, piece), table.Content, piece); err != nil {
			b.Fatal(err)
		}
	}
	flush()
}

func BenchmarkRead(b *testing.B) {
	for name, data := range contents(b) {
		b.Run(name, func(b *testing.B) {
			w := theWorld(b)
			var s shelf
			builder := w.writer.NewBuilder(s.put)
			w.fill(b, builder, w.writer.NewBundle(table.ContentGroup), data[:12<<20], 8<<10)
			if err := builder.Finish(b.Context()); err != nil {
				b.Fatal(err)
			}
			p := s.packs[0]
			var plain []byte
			b.SetBytes(12 << 20)
			b.ReportAllocs()
			for b.Loop() {
				read, err := w.reader.Table(b.Context(), p.Name, int64(p.Size), In(p.data))
				if err != nil {
					b.Fatal(err)
				}
				for _, blob := range read.Blobs {
					if plain, err = w.reader.OpenBlob(plain[:0], read.Sessions[blob.Session], &blob, p.data[blob.Off:blob.End()]); err != nil {
						b.Fatal(err)
					}
					for _, err := range Chunks(plain, &blob, w.key) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// contents returns 32 MiB of program text, and 32 MiB that do not compress.
func contents(b *testing.B) map[string][]byte {
	b.Helper()
	const size = 32 << 20
	var text []byte
	err := filepath.WalkDir(filepath.Join(build.Default.GOROOT, "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || len(text) >= size {
			return err
		}
		data, err := os.ReadFile(path)
		text = append(text, data...)
		return err
	})
	if err != nil || len(text) < size {
		b.Skipf("%d bytes of program text found, %v", len(text), err)
	}
	return map[string][]byte{"text": text[:size], "noise": noise(1, size)}
}
