package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// census counts what a tree holds. Files are all that is not a directory; bytes are those of regular files.
type census struct{ files, dirs, bytes int64 }

// times returns the census of n such trees.
func (c census) times(n int64) census { return census{c.files * n, c.dirs * n, c.bytes * n} }

func (c census) String() string {
	return fmt.Sprintf("%s files, %s directories, %s MB", thousands(c.files), thousands(c.dirs), thousands((c.bytes+500_000)/1_000_000))
}

// thousands writes n, which is not negative, with a comma before every three digits.
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// warm reads a whole tree, so that its content and metadata are in the page cache, and counts it.
func warm(ctx context.Context, dir string) (census, error) {
	var c census
	buf := make([]byte, 256<<10)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir():
			c.dirs++
			return nil
		}
		c.files++
		if !d.Type().IsRegular() {
			return nil
		}
		n, err := readAll(path, buf)
		c.bytes += n
		return err
	})
	return c, err
}

// allocated returns how many bytes of disk the files below dir take.
func allocated(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += blocks(info)
		}
		return err
	})
	return n, err
}

// readAll reads a file and returns its length.
func readAll(path string, buf []byte) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var n int64
	for {
		m, err := f.Read(buf)
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
