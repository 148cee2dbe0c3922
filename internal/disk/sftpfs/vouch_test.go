package sftpfs_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"varve/internal/disk/sftpfs"
)

// A small file is read in one go with the look at it. Where that look tells something else than the listing did, nobody knows which of the
// two the content belongs to: it must be read after the look, and looked at again.
func TestAFileThatChangedSinceItWasListedIsReadAfterALook(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	put := func(content string, age time.Duration) {
		must(t, os.WriteFile(path, []byte(content), 0o644))
		must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
	}
	put("listed", 3*time.Hour)
	root := open(t, dir, sftpfs.Options{}).Root()
	_, err := root.Names()
	must(t, err)
	r, err := root.Open("file")
	must(t, err)
	defer r.Close()
	put("looked at", 2*time.Hour)
	before, err := r.Info()
	must(t, err)
	put("read at last", time.Hour)
	got, err := io.ReadAll(io.NewSectionReader(r, 0, 1<<10))
	must(t, err)
	after, err := r.Info()
	must(t, err)
	if before.Size != 9 || string(got) != "read at last" || after.Size != 12 || before.MTime == after.MTime {
		t.Errorf("read %q between %+v and %+v", got, before.Entry, after.Entry)
	}
}
