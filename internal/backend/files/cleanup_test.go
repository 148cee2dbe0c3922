package files_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/files"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
)

// leave makes what interrupted writers left, a hundred hours old, and one file that is as old as the clock says now.
func leave(t *testing.T, root disk.FS, now varve.Time) {
	t.Helper()
	hex := strings.Repeat("5a", 16)
	for _, path := range []string{"", "index", "data/5a"} {
		dir, err := disk.OpenPath(root, path)
		must(t, err)
		for _, name := range []string{"tmp-" + hex, "tmp-" + hex[1:], "tmp-" + strings.ToUpper(hex), "tmp-" + hex + ".x", "TMP-" + hex} {
			w, err := dir.Create(name, 0o600)
			must(t, err)
			must(t, w.Set(&varve.Entry{MTime: varve.Time{Sec: now.Sec - 360_000}}, varve.MTime))
			must(t, w.Close())
		}
		w, err := dir.Create("tmp-"+strings.Repeat("fe", 16), 0o600)
		must(t, err)
		must(t, w.Close())
		must(t, dir.Mkdir("tmp-"+strings.Repeat("d1", 16), 0o700))
	}
}

// prepared returns a storage with directories, whose clock stands still.
func prepared(t *testing.T, opts memfs.Options) (*memfs.Disk, *files.Files) {
	t.Helper()
	now := varve.Time{Sec: 5_000_000}
	opts.Clock = func() varve.Time { return now }
	d := memfs.New(opts)
	b := files.Open(d.Root(), files.Options{})
	root := d.Root()
	for _, path := range []string{"index", "data", "data/5a"} {
		dir, err := disk.OpenPath(root, varve.Parent(path))
		must(t, err)
		must(t, dir.Mkdir(path[strings.LastIndex(path, "/")+1:], 0o700))
	}
	leave(t, root, now)
	return d, b
}

func young() (want []string) {
	hex := strings.Repeat("5a", 16)
	for _, path := range []string{"", "index", "data/5a"} {
		for _, name := range []string{"tmp-" + hex[1:], "tmp-" + strings.ToUpper(hex), "tmp-" + hex + ".x", "tmp-" + strings.Repeat("fe", 16)} {
			want = append(want, varve.Join(path, name))
		}
	}
	slices.Sort(want)
	return want
}

func TestOnlyOldTemporaryFilesAreCleanedUp(t *testing.T) {
	d, b := prepared(t, memfs.Options{})
	save(t, b, backend.Keys, "an object")
	for _, c := range []struct{ hours, want int }{{101, 0}, {99, 3}, {99, 0}, {0, 0}} {
		if n, err := b.CleanUp(t.Context(), time.Duration(c.hours)*time.Hour); n != c.want || err != nil {
			t.Errorf("%d are older than %d hours, error %v, want %d", n, c.hours, err, c.want)
		}
	}
	if got := tmps(t, d.Root()); !slices.Equal(got, young()) {
		t.Errorf("left:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(young(), "\n"))
	}
	if got := list(t, b); len(got) != 1 {
		t.Errorf("objects: %v", got)
	}
}

func TestCleaningUpWorksOnAFullDisk(t *testing.T) {
	d, _ := prepared(t, memfs.Options{})
	full := &faultfs.Injector{At: 1, Sticky: true, Fault: faultfs.Fault{Err: disk.ErrNoSpace}, Filter: func(op faultfs.Op) bool {
		return op.Method == "FS.Create" || op.Method == "FS.Mkdir" || op.Method == "Writer.WriteAt"
	}}
	b := files.Open(faultfs.New(d.Root(), full), files.Options{})
	if n, err := b.CleanUp(t.Context(), 99*time.Hour); n != 3 || err != nil {
		t.Errorf("%d removed, error %v", n, err)
	}
	if got := tmps(t, d.Root()); !slices.Equal(got, young()) {
		t.Errorf("left: %v", got)
	}
}

func TestATimeInTheFutureMakesNothingOlder(t *testing.T) {
	d, b := prepared(t, memfs.Options{})
	w, err := d.Root().Create("tmp-"+strings.Repeat("ff", 16), 0o600)
	must(t, err)
	must(t, w.Set(&varve.Entry{MTime: varve.Time{Sec: 9_000_000}}, varve.MTime))
	must(t, w.Close())
	if n, err := b.CleanUp(t.Context(), 101*time.Hour); n != 0 || err != nil {
		t.Errorf("%d removed, error %v", n, err)
	}
}

func TestAWriterThatIsCleanedUpAfterFailsOrSucceedsWholly(t *testing.T) {
	for _, method := range []string{"Writer.WriteAt", "Writer.Sync", "Writer.Close", "FS.Rename"} {
		d := memfs.New(memfs.Options{})
		other := files.Open(d.Root(), files.Options{})
		inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool { return op.Method == method }}
		inj.Do = func(faultfs.Op) {
			if n, err := other.CleanUp(context.Background(), -time.Hour); n != 1 || err != nil {
				t.Errorf("%s: cleaned up %d, error %v", method, n, err)
			}
		}
		b := files.Open(faultfs.New(d.Root(), inj), files.Options{})
		if err := b.Put(t.Context(), "config", []byte("x")); err == nil {
			t.Errorf("%s: put without error", method)
		}
		if got := list(t, b); len(got) > 0 {
			t.Errorf("%s: there is %v", method, got)
		}
		must(t, b.Put(t.Context(), "config", []byte("x")))
	}
}

func TestCleaningUpEndsWithTheContext(t *testing.T) {
	d, b := prepared(t, memfs.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := b.CleanUp(ctx, time.Hour); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d removed, error %v", n, err)
	}
	if got := tmps(t, d.Root()); len(got) != len(young())+3 {
		t.Errorf("left: %v", got)
	}
}

func TestAnEmptyDirectoryHasNothingToCleanUp(t *testing.T) {
	d := memfs.New(memfs.Options{})
	if n, err := files.Open(d.Root(), files.Options{}).CleanUp(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("%d removed, error %v", n, err)
	}
	if got := tmps(t, d.Root()); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}
