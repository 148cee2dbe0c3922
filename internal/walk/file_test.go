package walk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/walk"
)

// read returns the content stream of e.
func read(t testing.TB, s *walk.Source, e varve.Entry) string {
	t.Helper()
	f, err := s.Open(context.Background(), e)
	ok(t, err)
	text, err := io.ReadAll(f)
	ok(t, errors.Join(err, f.Close()))
	return string(text)
}

// hour is when tests look: an hour after the files were made, unless they say otherwise.
func hour() time.Time { return time.Now().Add(time.Hour) }

// sparse makes a file with data in these blocks of 64 KiB, and a length of size blocks.
func sparse(t *testing.T, path string, size int64, blocks ...int64) {
	t.Helper()
	const unit = 64 << 10
	f, err := os.Create(path)
	ok(t, err)
	for _, b := range blocks {
		_, err := f.WriteAt(bytes.Repeat([]byte{'x'}, unit), b*unit)
		ok(t, err)
	}
	ok(t, f.Truncate(size*unit))
	ok(t, f.Sync())
	ok(t, f.Close())
}

func TestHolesAreToldAndLeftOutOfTheStream(t *testing.T) {
	const unit = 64 << 10
	for _, tt := range []struct {
		name   string
		size   int64
		blocks []int64
		holes  []varve.Extent
	}{
		{"none", 2, []int64{0, 1}, nil},
		{"in front", 3, []int64{1, 2}, []varve.Extent{{Off: 0, Len: unit}}},
		{"within", 4, []int64{0, 3}, []varve.Extent{{Off: unit, Len: 2 * unit}}},
		{"at the end", 9, []int64{0}, []varve.Extent{{Off: unit, Len: 8 * unit}}},
		{"nothing else", 5, nil, []varve.Extent{{Off: 0, Len: 5 * unit}}},
		{"many", 6, []int64{1, 3}, []varve.Extent{{Off: 0, Len: unit}, {Off: 2 * unit, Len: unit}, {Off: 4 * unit, Len: 2 * unit}}},
		{"a terabyte", 1 << 24, []int64{1 << 10, 1 << 20}, []varve.Extent{{Off: 0, Len: unit << 10},
			{Off: unit<<10 + unit, Len: unit<<20 - unit<<10 - unit}, {Off: unit<<20 + unit, Len: unit<<24 - unit<<20 - unit}}},
	} {
		for _, age := range []struct {
			name string
			now  func() time.Time
		}{{"fresh", time.Now}, {"old", hour}} {
			t.Run(tt.name+", "+age.name, func(t *testing.T) {
				dir := t.TempDir()
				sparse(t, filepath.Join(dir, "f"), tt.size, tt.blocks...)
				s := start(t, real(t, dir), []string{""}, walk.Options{Now: age.now})
				e := entry(t, collect(t, s), "f")
				f, err := s.Open(context.Background(), e)
				ok(t, err)
				defer f.Close()
				now, err := f.Entry()
				ok(t, err)
				if now.Size != tt.size*unit || !slices.Equal(now.Holes, tt.holes) {
					if len(tt.holes) > 0 && len(now.Holes) == 0 && now.Size == tt.size*unit {
						skip(t, "the file system has no holes")
					}
					t.Errorf("size %d, holes %v, want %v", now.Size, now.Holes, tt.holes)
				}
				text, err := io.ReadAll(f)
				ok(t, err)
				if len(text) != len(tt.blocks)*unit || strings.Trim(string(text), "x") != "" {
					t.Errorf("the stream has %d bytes, want those of %d blocks", len(text), len(tt.blocks))
				}
			})
		}
	}
}

func TestFilesThatChangeWhileTheyAreRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, path string)
		want   string
	}{
		{"grow", func(t *testing.T, path string) { appendTo(t, path, "more") }, "0123456789"},
		{"shrink", func(t *testing.T, path string) { ok(t, os.Truncate(path, 4)) }, "0123"},
		{"are emptied", func(t *testing.T, path string) { ok(t, os.Truncate(path, 0)) }, ""},
		{"are removed", func(t *testing.T, path string) { ok(t, os.Remove(path)) }, "0123456789"},
		{"are replaced", func(t *testing.T, path string) {
			ok(t, os.WriteFile(path+".new", []byte("new"), 0o600))
			ok(t, os.Rename(path+".new", path))
		}, "0123456789"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			ok(t, os.WriteFile(path, []byte("0123456789"), 0o600))
			s := start(t, real(t, dir), []string{""}, walk.Options{Now: hour})
			f, err := s.Open(context.Background(), entry(t, collect(t, s), "f"))
			ok(t, err)
			defer f.Close()
			_, err = f.Entry()
			ok(t, err)
			tt.change(t, path)
			text, err := io.ReadAll(f)
			if string(text) != tt.want || err != nil {
				t.Errorf("read %q, %v, want %q", text, err, tt.want)
			}
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	ok(t, err)
	_, err = f.WriteString(text)
	ok(t, errors.Join(err, f.Close()))
}

func TestAnOpenFileTellsWhatItIsNow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	ok(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	s := start(t, real(t, dir), []string{""}, walk.Options{Now: hour})
	f, err := s.Open(context.Background(), entry(t, collect(t, s), "f"))
	ok(t, err)
	defer f.Close()
	before, err := f.Entry()
	ok(t, err)
	appendTo(t, path, "more")
	ok(t, os.Chmod(path, 0o640))
	after, err := f.Entry()
	ok(t, err)
	if before.Size != 10 || after.Size != 14 || after.Mode != 0o640 || after.Path != "f" {
		t.Errorf("before %d bytes, after %d bytes, mode %o, path %q", before.Size, after.Size, after.Mode, after.Path)
	}
}

func TestFilesOfTheKernelHaveContentDespiteTheirSize(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		skip(t, "no /proc")
	}
	s := start(t, real(t, "/"), []string{"proc/self/status"}, walk.Options{})
	e := entry(t, collect(t, s), "proc/self/status")
	if text := read(t, s, e); e.Size != 0 || !strings.Contains(text, "Umask:") {
		t.Errorf("size %d, content %q", e.Size, text)
	}
}

func TestStampsOfWhatChangedJustNowAreNotTrusted(t *testing.T) {
	clock := varve.TimeOf(time.Unix(1_800_000_000, 0))
	d := memfs.New(memfs.Options{Clock: func() varve.Time { return clock }})
	build(t, d.Root(), "old/f", "old/g")
	clock.Sec += 100
	build(t, d.Root(), "new")
	old := dirAt(t, d.Root(), "old")
	ok(t, old.Set("g", &varve.Entry{Mode: 0o600}, varve.Mode)) // the modification time stays
	now := clock.Time()
	s := start(t, d.Root(), []string{""}, walk.Options{Now: func() time.Time { return now.Add(time.Second) }})
	list := collect(t, s)
	for path, trusted := range map[string]bool{"": false, "new": false, "old/f": true, "old/g": false} {
		e := entry(t, list, path)
		if (e.Stamp != varve.Stamp{}) != trusted {
			t.Errorf("%q has the stamp %v", path, e.Stamp)
		}
		if e.Kind == varve.Regular {
			f, err := s.Open(context.Background(), e)
			ok(t, err)
			if in, err := f.Entry(); err != nil || (in.Stamp != varve.Stamp{}) != trusted {
				t.Errorf("%q, opened, has the stamp %v, %v", path, in.Stamp, err)
			}
			ok(t, f.Close())
		}
	}
}

func TestErrorsOfOneFileSayThatTheyConcernItAlone(t *testing.T) {
	d := memory(t, "f", "dir/g")
	s := start(t, d.Root(), []string{""}, walk.Options{})
	list := collect(t, s)
	root := d.Root()
	ok(t, root.Remove("f"))
	ok(t, root.Symlink("f", "dir/g"))
	ok(t, root.Rename("dir", root, "away"))
	if _, err := s.Open(context.Background(), entry(t, list, "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a symlink in the place of a file: %v, want fs.ErrNotExist", err)
	}
	ok(t, root.Remove("f"))
	if _, err := s.Open(context.Background(), entry(t, list, "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v, want fs.ErrNotExist", err)
	}
	ok(t, root.Mkdir("dir", 0o755))
	build(t, root, "dir/g=another")
	if f, err := s.Open(context.Background(), entry(t, list, "dir/g")); err == nil {
		text, err := io.ReadAll(f)
		ok(t, errors.Join(err, f.Close()))
		if string(text) != "dir/g" { // the directory may still be open
			t.Errorf("a file in another directory of the same name was read: %q", text)
		}
	}
}

// endless is a directory whose files claim to be empty, and have no end.
type endless struct {
	disk.FS
	size *int64 // what they claim once they are read
}

func (d endless) Open(name string) (disk.Reader, error) {
	r, err := d.FS.Open(name)
	return endlessFile{r, d.size}, err
}

type endlessFile struct {
	disk.Reader
	size *int64
}

func (f endlessFile) Info() (disk.Info, error) {
	info, err := f.Reader.Info()
	info.Size = *f.size
	return info, err
}

func (f endlessFile) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestAFileThatClaimsToBeEmptyIsNotReadForEver(t *testing.T) {
	for _, tt := range []struct {
		name string
		size int64
		err  error
	}{{"an endless one is unreadable", 0, varve.ErrUnreadable}, {"one that grows ends", 1 << 40, nil}} {
		t.Run(tt.name, func(t *testing.T) {
			size := int64(0)
			s := start(t, endless{memory(t, "f=").Root(), &size}, []string{""}, walk.Options{})
			f, err := s.Open(context.Background(), entry(t, collect(t, s), "f"))
			ok(t, err)
			defer f.Close()
			_, err = f.Entry()
			ok(t, err)
			size = tt.size
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, f, make([]byte, 1<<20))
			if n != 64<<20 || !errors.Is(err, tt.err) {
				t.Errorf("read %d bytes, %v, want 64 MiB and %v", n, err, tt.err)
			}
		})
	}
}
