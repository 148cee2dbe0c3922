package files_test

import (
	"errors"
	"strings"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/files"
	"varve/internal/backend/retry"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

// boaster is a directory whose files are said to be longer than they are.
type boaster struct{ disk.FS }

func (b boaster) OpenDir(name string) (disk.FS, error) {
	dir, err := b.FS.OpenDir(name)
	return boaster{dir}, err
}

func (b boaster) Open(name string) (disk.Reader, error) {
	r, err := b.FS.Open(name)
	return boasting{r}, err
}

type boasting struct{ disk.Reader }

func (b boasting) Info() (disk.Info, error) {
	info, err := b.Reader.Info()
	info.Size += 10
	return info, err
}

func TestAnObjectThatEndsBeforeItsEndIsDamagedAndNotAskedForAgain(t *testing.T) {
	d := memfs.New(memfs.Options{})
	name := save(t, files.Open(d.Root(), files.Options{}), backend.Keys, "an object")
	inner := files.Open(boaster{d.Root()}, files.Options{})
	b := retry.New(inner, retry.Options{Report: func(e retry.Event) { t.Errorf("asked for again: %v", e.Err) }})
	for _, n := range []int64{-1, 10, 1 << 20} {
		if data, err := b.Get(t.Context(), name, 0, n); !errors.Is(err, varve.ErrDamaged) || !strings.Contains(err.Error(), name) {
			t.Errorf("%d bytes: %q, error %v", n, data, err)
		}
	}
	if data, err := b.Get(t.Context(), name, 3, 6); err != nil || string(data) != "object" {
		t.Errorf("what is there: %q, error %v", data, err)
	}
}
