package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// newC is data that does not compress.
func newC(scale float64) set {
	files := scaled(bytesC/fileBytesC, scale, 2)
	return set{
		name: "C", about: "incompressible data in files of 4 MiB",
		size: census{files: files, dirs: 1, bytes: files * fileBytesC}, copies: 2,
		build: func(ctx context.Context, dir, _ string) error {
			for i := range files {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				name := filepath.Join(dir, fmt.Sprintf("noise-%05d", i))
				if err := writeFile(name, func(w io.Writer) error { return noise(w, uint64(i), fileBytesC) }); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// noise writes n bytes that look random; a seed stands for the same bytes each time.
func noise(w io.Writer, seed uint64, n int64) error {
	var key [32]byte
	copy(key[:], strconv.FormatUint(seed, 10))
	_, err := io.CopyN(w, rand.NewChaCha8(key), n)
	return err
}

// newD is very many files of a few bytes, many of them in one directory.
func newD(scale float64) set {
	dirs, large := scaled(dirsD, scale, 2), scaled(inLargeD, scale, 100)
	inDir := scaled(inDirD, min(1, scale*100), 10) // full directories as long as a hundredth of them is asked for
	return set{
		name: "D", about: "tiny files, one directory with very many",
		size: census{files: dirs*inDir + large, dirs: dirs + 2, bytes: 8 * (dirs*inDir + large)}, copies: 2,
		build: func(ctx context.Context, dir, _ string) error {
			for i := range dirs {
				if err := fillDir(ctx, filepath.Join(dir, fmt.Sprintf("d%04d", i)), i*inDir, inDir); err != nil {
					return err
				}
			}
			return fillDir(ctx, filepath.Join(dir, "large"), dirs*inDir, large)
		},
	}
}

// fillDir makes a directory with n files, which hold numbers from first on.
func fillDir(ctx context.Context, dir string, first, n int64) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for i := range n {
		if i%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		name := filepath.Join(dir, "f"+strconv.FormatInt(i, 10))
		if err := os.WriteFile(name, strconv.AppendInt(nil, first+i, 10), 0o644); err != nil {
			return err
		}
	}
	return nil
}
