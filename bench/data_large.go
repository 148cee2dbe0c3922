package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// The files of set B.
const (
	imageB   = "image.ext4"
	tarB     = "libraries.tar"
	dumpB    = "dump.sql"
	systemB  = "system.tar" // stands in for the image
	seedDump = 20
)

// newB is three large files that compress: a disk image, an archive, a database dump.
func newB(scale float64) set {
	bytes := scaled(bytesB, scale, 30<<20)
	return set{
		name: "B", about: "three large compressible files",
		size: census{files: 3, dirs: 1, bytes: bytes}, copies: 3,
		build: func(ctx context.Context, dir, work string) error {
			third := bytes / 3
			if err := buildImage(ctx, dir, work, third); err != nil {
				return fmt.Errorf("make the image: %w", err)
			}
			if err := buildTar(ctx, filepath.Join(dir, tarB), libraryRoots(), work, third); err != nil {
				return fmt.Errorf("make the archive: %w", err)
			}
			return writeFile(filepath.Join(dir, dumpB), func(w io.Writer) error { return dump(ctx, w, third) })
		},
		change: changeB,
	}
}

// buildImage makes an ext4 image of size bytes, three fifths of it real files; where it cannot, an archive.
func buildImage(ctx context.Context, dir, work string, size int64) error {
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		return buildTar(ctx, filepath.Join(dir, systemB), realRoots(ctx), work, size)
	}
	all, err := candidates(ctx, realRoots(ctx), work)
	if err != nil {
		return err
	}
	files := size/24_000 + 1
	stage, err := os.MkdirTemp(work, "image-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := place(ctx, choose(all, files, size*3/5), stage); err != nil {
		return err
	}
	image := filepath.Join(dir, imageB)
	if err := writeFile(image, func(io.Writer) error { return os.Truncate(image, size) }); err != nil {
		return err
	}
	_, err = output(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-N", strconv.FormatInt(3*files+1000, 10),
		"-U", "5ba0f1a2-3c4d-4e5f-8a9b-0c1d2e3f4a5b", "-E", "hash_seed=5ba0f1a2-3c4d-4e5f-8a9b-0c1d2e3f4a5b", "-d", stage, image)
	return err
}

// writeFile makes a file with what fill writes.
func writeFile(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(fill(w), w.Flush(), f.Close())
}

// buildTar makes an archive of files below the roots, up to a size in bytes.
func buildTar(ctx context.Context, name string, roots []root, skip string, size int64) error {
	all, err := candidates(ctx, roots, skip)
	if err != nil {
		return err
	}
	return writeFile(name, func(w io.Writer) error {
		t := tar.NewWriter(w)
		var written int64
		for _, list := range all {
			for _, c := range list {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if !c.mode.IsRegular() || written+c.size+tarOverhead > size {
					continue
				}
				n, err := archive(t, c)
				if err != nil {
					return err
				}
				written += n
			}
		}
		return t.Close()
	})
}

// tarOverhead is about what a file costs in an archive besides its bytes: a header and padding.
const tarOverhead = 1 << 10

// archive writes one file and returns about how many bytes it took; a file that cannot be opened takes none.
func archive(t *tar.Writer, c candidate) (int64, error) {
	f, err := os.Open(c.path)
	if err != nil {
		return 0, nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != c.size {
		return 0, nil
	}
	header := &tar.Header{Name: c.name, Mode: int64(c.mode.Perm()), Size: c.size, ModTime: info.ModTime(), Typeflag: tar.TypeReg}
	if err := t.WriteHeader(header); err != nil {
		return 0, err
	}
	_, err = io.CopyN(t, f, c.size)
	return c.size + tarOverhead, err
}

// syllables make the words of the dump.
var syllables = [...]string{
	"ba", "con", "der", "el", "fa", "gor", "hin", "is", "jo", "kal", "lum", "mer", "no", "or", "pel", "qui", "ras", "sten", "tor", "ul",
	"ven", "wal", "xe", "yr", "zan", "bri", "cho", "dra", "fle", "gru", "kno", "pla",
}

// dump writes so many bytes of a database dump, the same each time.
func dump(ctx context.Context, w io.Writer, size int64) error {
	rng := rand.New(rand.NewPCG(seedDump, 0))
	word := func() string {
		s := ""
		for range 1 + rng.IntN(3) {
			s += syllables[rng.IntN(len(syllables))]
		}
		return s
	}
	var line []byte
	for id := 1; size > 0; id++ {
		if id%1000 == 1 && ctx.Err() != nil {
			return ctx.Err()
		}
		line = fmt.Appendf(line[:0], "INSERT INTO orders VALUES (%d,'%s %s','%s@%s.example','20%02d-%02d-%02d %02d:%02d:%02d',%d.%02d,'",
			id, word(), word(), word(), word(), rng.IntN(26), 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60),
			rng.IntN(10_000), rng.IntN(100))
		for range rng.IntN(20) {
			line = append(append(line, word()...), ' ')
		}
		line = append(line, "');\n"...)
		line = line[:min(int64(len(line)), size)]
		size -= int64(len(line))
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
