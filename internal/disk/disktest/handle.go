package disktest

import (
	"io"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
)

var lockPart = []clause{
	{"a lock is held by one until it is closed", locks},
	{"locks of different names do not meet", twoLocks},
	{"a lock wants a regular file", lockKinds},
	{"of many that lock at once, one holds at a time", lockRace},
}

var handlePart = []clause{
	{"a closed directory answers with errors", closedDirectory},
	{"a closed reader and a closed writer answer with errors", closedFiles},
	{"directories are closed independently", independentClose},
}

func locks(t *testing.T, f disk.FS, opts Options) {
	for range 2 {
		held, err := f.Lock("lock")
		must(t, err)
		_, err = f.Lock("lock")
		refused(t, "the second lock", err, varve.ErrBusy, "lock")
		sub := mkdir(t, f, "sub")
		_, err = f.Lock("lock")
		refused(t, "the third lock", err, varve.ErrBusy, "lock")
		must(t, sub.Close())
		must(t, f.Rmdir("sub"))
		must(t, held.Close())
	}
	if !opts.ByPath {
		equal(t, "kind of the lock", lookup(t, f, "lock").Kind, varve.Regular)
	}
}

func twoLocks(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "existing", "content")
	sub := mkdir(t, f, "sub")
	var held []io.Closer
	for _, place := range []struct {
		dir  disk.FS
		name string
	}{{f, "a"}, {f, "b"}, {sub, "a"}, {f, "existing"}} {
		c, err := place.dir.Lock(place.name)
		must(t, err)
		held = append(held, c)
	}
	if !opts.ByPath {
		equal(t, "content of a file that is locked", read(t, f, "existing"), "content")
	}
	for _, c := range held {
		must(t, c.Close())
	}
}

func lockKinds(t *testing.T, f disk.FS, _ Options) {
	must(t, f.Mkdir("dir", 0o755))
	write(t, f, "file", "")
	must(t, f.Symlink("link", "file"))
	for _, name := range []string{"dir", "link"} {
		_, err := f.Lock(name)
		refused(t, "Lock of a "+name, err, nil, name)
	}
}

func lockRace(t *testing.T, f disk.FS, _ Options) {
	var mu sync.Mutex
	var held []io.Closer
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			c, err := f.Lock("lock")
			if err != nil {
				refused(t, "Lock", err, varve.ErrBusy, "lock")
				return
			}
			mu.Lock()
			defer mu.Unlock()
			held = append(held, c)
		})
	}
	wait.Wait()
	equal(t, "number of holders", len(held), 1)
	for _, c := range held {
		must(t, c.Close())
	}
}

func closedDirectory(t *testing.T, f disk.FS, _ Options) {
	d := mkdir(t, f, "dir")
	write(t, d, "there", "")
	write(t, f, "file", "")
	must(t, d.Close())
	for method, call := range calls(d) {
		refused(t, method+" on a closed directory", call("there"), nil, "")
	}
	for method, call := range map[string]func() error{
		"Names":    func() error { _, err := d.Names(); return err },
		"Sync":     d.Sync,
		"SyncAll":  d.SyncAll,
		"Space":    func() error { _, err := d.Space(); return err },
		"Lookup .": func() error { _, err := d.Lookup("."); return err },
		"Close":    d.Close,
		"Link":     func() error { return f.Link("file", d, "x") },
		"Rename":   func() error { return f.Rename("file", d, "x") },
		"Replace":  func() error { return f.Replace("file", d, "x") },
	} {
		refused(t, method+" on a closed directory", call(), nil, "")
	}
	wantList(t, openDir(t, f, "dir"), "there")
}

func closedFiles(t *testing.T, f disk.FS, _ Options) {
	w, err := f.Create("file", 0o600)
	must(t, err)
	r, err := f.Open("file")
	must(t, err)
	must(t, w.Close())
	must(t, r.Close())
	for method, call := range map[string]func() error{
		"WriteAt":      func() error { _, err := w.WriteAt([]byte("x"), 0); return err },
		"Truncate":     func() error { return w.Truncate(1) },
		"Set":          func() error { return w.Set(&varve.Entry{}, varve.Mode) },
		"Sync":         w.Sync,
		"Close writer": w.Close,
		"ReadAt":       func() error { _, err := r.ReadAt(make([]byte, 1), 0); return err },
		"Xattrs":       func() error { _, err := r.Xattrs(); return err },
		"Holes":        func() error { _, err := r.Holes(10, false); return err },
		"Close reader": r.Close,
	} {
		refused(t, method+" after Close", call(), nil, "file")
	}
	equal(t, "size", lookup(t, f, "file").Size, 0)
}

func independentClose(t *testing.T, f disk.FS, _ Options) {
	parent := mkdir(t, f, "parent")
	child := mkdir(t, parent, "child")
	again := openDir(t, f, "parent")
	w, err := child.Create("file", 0o600)
	must(t, err)
	must(t, parent.Close())
	wantList(t, again, "child")
	write(t, child, "other", "")
	must(t, child.Close())
	_, err = w.WriteAt([]byte("late"), 0)
	must(t, err)
	must(t, w.Close())
	equal(t, "content", read(t, openDir(t, again, "child"), "file"), "late")
}
