package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Seeds of the changes; the round is the second half of each.
const (
	seedChangeA = 10
	seedChangeB = 11
)

// changeA modifies one file in a hundred, removes and adds one in two hundred, and renames the directory that is there for it.
func changeA(ctx context.Context, dir string, round int) (string, error) {
	files, err := changeable(ctx, dir)
	if err != nil {
		return "", err
	}
	rng := rand.New(rand.NewPCG(seedChangeA, uint64(round)))
	rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	few := len(files) / 200
	modified, removed, models := files[:2*few], files[2*few:3*few], files[3*few:4*few]
	for _, name := range modified {
		if err := modify(rng, name); err != nil {
			return "", err
		}
	}
	for _, name := range removed {
		if err := os.Remove(name); err != nil {
			return "", err
		}
	}
	for i, name := range models {
		if err := addLike(name, round, i); err != nil {
			return "", err
		}
	}
	err = os.Rename(filepath.Join(dir, movingName(round-1)), filepath.Join(dir, movingName(round)))
	return fmt.Sprintf("%d files modified, %d added, %d removed, a directory renamed", len(modified), len(models), len(removed)), err
}

// changeable returns the regular files of set A in the order of their names, those in the moving directory left out.
func changeable(ctx context.Context, dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && filepath.Dir(path) == dir && strings.HasPrefix(d.Name(), "moving-"):
			return fs.SkipDir
		case d.Type().IsRegular():
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// modify overwrites some bytes of a file and makes every other file longer; an empty one in any case.
func modify(rng *rand.Rand, name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	patch := fmt.Appendf(nil, "changed %016x", rng.Uint64())
	longer := rng.IntN(2) == 0
	if room := info.Size() - int64(len(patch)); room > 0 {
		_, err = f.WriteAt(patch, rng.Int64N(room))
	} else {
		longer = true
	}
	if longer {
		_, end := f.WriteAt(patch, info.Size())
		err = errors.Join(err, end)
	}
	return errors.Join(err, f.Close())
}

// addLike makes a new file beside model, with its content and a line more.
func addLike(model string, round, i int) error {
	from, err := os.Open(model)
	if err != nil {
		return err
	}
	defer from.Close()
	line := fmt.Sprintf("added %d in round %d\n", i, round)
	return writeFile(filepath.Join(filepath.Dir(model), fmt.Sprintf("added-%d-%d", round, i)), func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(from, strings.NewReader(line)))
		return err
	})
}

// What happens to set B.
const (
	writesB     = 200
	writeBytesB = 4 << 10
	insertB     = 1 << 20
	insertAtB   = 64 << 10
)

// changeB writes over random places of the files, and inserts near the head of one.
func changeB(ctx context.Context, dir string, round int) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	rng := rand.New(rand.NewPCG(seedChangeB, uint64(round)))
	block := make([]byte, writeBytesB)
	for i := range writesB {
		var key [32]byte
		copy(key[:], fmt.Sprintf("write %d %d", round, i))
		_, _ = rand.NewChaCha8(key).Read(block) // never fails
		if err := overwrite(rng, filepath.Join(dir, entries[rng.IntN(len(entries))].Name()), block); err != nil {
			return "", err
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	err = insert(filepath.Join(dir, dumpB), insertAtB, uint64(round))
	return fmt.Sprintf("%d writes of 4 KiB, 1 MiB inserted near the head of %s", writesB, dumpB), err
}

// overwrite puts block to a random place within a file.
func overwrite(rng *rand.Rand, name string, block []byte) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() >= int64(len(block)) {
		_, err = f.WriteAt(block, rng.Int64N(info.Size()-int64(len(block))+1))
	}
	return errors.Join(err, f.Close())
}

// insert puts insertB bytes of noise into a file at an offset; what follows moves back.
func insert(name string, at int64, seed uint64) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	var piece bytes.Buffer
	if err := noise(&piece, seed, insertB); err != nil {
		return err
	}
	longer := name + ".new"
	err = writeFile(longer, func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(io.LimitReader(from, at), &piece, from))
		return err
	})
	if err != nil {
		return err
	}
	return os.Rename(longer, name)
}
