package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// The data sets at full size.
const (
	filesA     = 117_000
	bytesA     = 1_650 << 20
	movingA    = 5_000 // of the files: in one directory, which a change renames
	bytesB     = 2_800 << 20
	bytesC     = 1 << 30
	dirsD      = 1_000
	inDirD     = 1_000
	inLargeD   = 300_000
	fileBytesC = 4 << 20
)

// set is one data set.
type set struct {
	name  string
	about string
	// size is about what the set will hold.
	size census
	// copies is how many times its bytes a store and a restore take on a disk: one more where a change touches every file.
	copies int64
	// build makes the set in dir, which is empty. work is a directory for what is needed meanwhile.
	build func(ctx context.Context, dir, work string) error
	// change does to the set in dir what happens between two backups, and says what; it differs from round to round, counted from
	// 1, and goes on from what the rounds before it left. Nil where the set does not change.
	change func(ctx context.Context, dir string, round int) (string, error)
	// job is what is done with the set over ssh, and trip how long the round trip takes; no job where everything is on this machine.
	job  job
	trip time.Duration
}

func setNames() []string { return []string{"A", "B", "C", "D"} }

// newSet returns the data set of that name at a scale, where 1 is the full size.
func newSet(name string, scale float64) set {
	switch name {
	case "A":
		return newA(scale)
	case "B":
		return newB(scale)
	case "C":
		return newC(scale)
	}
	return newD(scale)
}

// scaled returns n at a scale, but not less than least.
func scaled(n int64, scale float64, least int64) int64 {
	return max(int64(float64(n)*scale), least)
}

// newA is many small files: real ones, copied from this machine, and a directory that a change renames.
func newA(scale float64) set {
	files, bytes, moving := scaled(filesA, scale, 200), scaled(bytesA, scale, 1<<20), scaled(movingA, scale, 20)
	return set{
		name: "A", about: "real files of this machine",
		size: census{files: files, dirs: files/4 + 100, bytes: bytes}, copies: 2,
		build: func(ctx context.Context, dir, work string) error {
			all, err := candidates(ctx, realRoots(ctx), work)
			if err != nil {
				return err
			}
			chosen := choose(all, files-moving, bytes-moving*(bytes/files/4))
			if len(chosen) == 0 {
				return fmt.Errorf("no files found to copy")
			}
			return placeA(ctx, chosen, dir, moving, bytes/files)
		},
		change: changeA,
	}
}

// movingName is the name of the directory that changes rename, after so many rounds.
func movingName(round int) string { return fmt.Sprintf("moving-%d", round) }

// placeA copies the chosen files, and fills the directory that will be renamed with more copies of those that are small.
func placeA(ctx context.Context, chosen []candidate, dir string, moving, mean int64) error {
	if err := place(ctx, chosen, dir); err != nil {
		return err
	}
	var small []candidate
	for _, c := range chosen {
		if c.mode.IsRegular() && c.size > 0 && c.size <= mean {
			small = append(small, c)
		}
	}
	if len(small) == 0 {
		return fmt.Errorf("no small files found to copy")
	}
	again := make([]candidate, moving)
	for i := range again {
		again[i] = small[i*len(small)/len(again)]
		again[i].name = filepath.Join(movingName(0), fmt.Sprintf("%05d", i))
	}
	return place(ctx, again, dir)
}
