package disktest

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/disk"
)

var makePart = []clause{
	{"Create gives exactly the mode that was asked for", createModes},
	{"Mkdir gives exactly the mode that was asked for", mkdirModes},
	{"nothing is made under a name that is taken", takenNames},
	{"Create does not follow a dangling symlink", createOnSymlink},
	{"Symlink keeps its target byte for byte", symlinkTargets},
	{"Mknod makes FIFOs and sockets", mknodPlain},
	{"Mknod makes devices of any number", mknodDevices},
	{"Mknod refuses the kinds that other methods make", mknodOthers},
	{"of many that create one name at once, one succeeds", createRace},
	{"a file can be written whatever its mode", writeWithoutMode},
}

// someModes are modes of all sorts; bits above 0777 are to be ignored.
var someModes = []uint32{0, 0o777, 0o600, 0o444, 0o222, 0o111, 0o755, 0o007, 0o4755, 0o7777}

func createModes(t *testing.T, f disk.FS, _ Options) {
	for _, mode := range someModes {
		name := fmt.Sprintf("%o", mode)
		w, err := f.Create(name, mode)
		must(t, err)
		must(t, w.Close())
		info := lookup(t, f, name)
		equal(t, fmt.Sprintf("mode of a file made with %o", mode), info.Mode, mode&0o777)
		equal(t, "kind", info.Kind, varve.Regular)
		equal(t, "size", info.Size, 0)
	}
}

func mkdirModes(t *testing.T, f disk.FS, _ Options) {
	for _, mode := range someModes {
		name := fmt.Sprintf("%o", mode)
		must(t, f.Mkdir(name, mode))
		info := lookup(t, f, name)
		equal(t, fmt.Sprintf("mode of a directory made with %o", mode), info.Mode, mode&0o777)
		equal(t, "kind", info.Kind, varve.Dir)
		equal(t, "size", info.Size, 0)
	}
}

func takenNames(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "source", "source")
	for kind, mk := range makers(opts) {
		name := kind.String()
		must(t, mk(f, name))
		before := lookup(t, f, name)
		for _, method := range []string{"Create", "Mkdir", "Symlink", "Mknod"} {
			if method == "Mknod" && opts.ByPath {
				continue
			}
			refused(t, method+" over a "+name, calls(f)[method](name), fs.ErrExist, name)
		}
		if opts.Links {
			refused(t, "Link over a "+name, f.Link("source", f, name), fs.ErrExist, name)
		}
		refused(t, "Rename over a "+name, f.Rename("source", f, name), fs.ErrExist, name)
		after := lookup(t, f, name)
		if after.Stamp != before.Stamp || after.Kind != kind {
			t.Errorf("the %s changed", name)
		}
	}
	equal(t, "content of the source", read(t, f, "source"), "source")
}

func createOnSymlink(t *testing.T, f disk.FS, _ Options) {
	must(t, f.Symlink("link", "target"))
	_, err := f.Create("link", 0o600)
	refused(t, "Create on a dangling symlink", err, fs.ErrExist, "link")
	refused(t, "Mkdir on a dangling symlink", f.Mkdir("link", 0o700), fs.ErrExist, "link")
	if c, err := f.Lock("link"); err == nil {
		t.Error("a dangling symlink can be locked")
		c.Close()
	}
	wantList(t, f, "link")
}

func symlinkTargets(t *testing.T, f disk.FS, _ Options) {
	targets := []string{"a", "/", "../..", "no/such/thing", "a//b/./", " ", "new\nline", "\xff\xfe", strings.Repeat("t", 255), strings.Repeat("t/", 500)}
	for i, target := range targets {
		name := fmt.Sprint("link-", i)
		must(t, f.Symlink(name, target))
		info := lookup(t, f, name)
		equal(t, "target", info.Target, target)
		equal(t, "kind", info.Kind, varve.Symlink)
		equal(t, "size of a symlink", info.Size, 0)
	}
	refused(t, "Symlink to nothing", f.Symlink("empty", ""), nil, "empty")
}

func mknodPlain(t *testing.T, f disk.FS, opts Options) {
	if opts.ByPath {
		refused(t, "Mknod", f.Mknod("fifo", varve.FIFO, 0o600, varve.Rdev{}), disk.ErrUnsupported, "fifo")
		wantList(t, f)
		return
	}
	for _, kind := range []varve.Kind{varve.FIFO, varve.Socket} {
		for _, mode := range []uint32{0, 0o666, 0o600} {
			name := fmt.Sprintf("%s %o", kind, mode)
			must(t, f.Mknod(name, kind, mode, varve.Rdev{}))
			info := lookup(t, f, name)
			equal(t, "kind", info.Kind, kind)
			equal(t, "mode of "+name, info.Mode, mode)
			equal(t, "device number of "+name, info.Rdev, varve.Rdev{})
			equal(t, "size of "+name, info.Size, 0)
		}
	}
}

func mknodDevices(t *testing.T, f disk.FS, opts Options) {
	lacks(t, opts.ByPath, "special files")
	opts.need(t, opts.Root, "the right to make device nodes")
	for _, kind := range []varve.Kind{varve.CharDevice, varve.BlockDevice} {
		for _, dev := range []varve.Rdev{{}, {Major: 1, Minor: 3}, {Major: 8}, {Major: 259, Minor: 70_000}, {Major: 511, Minor: 1<<18 - 1}} {
			name := fmt.Sprint(kind, " ", dev)
			must(t, f.Mknod(name, kind, 0o660, dev))
			info := lookup(t, f, name)
			equal(t, "kind", info.Kind, kind)
			equal(t, "mode of "+name, info.Mode, 0o660)
			equal(t, "device number", info.Rdev, dev)
		}
	}
}

func mknodOthers(t *testing.T, f disk.FS, _ Options) {
	for _, kind := range []varve.Kind{0, varve.Regular, varve.Dir, varve.Symlink, 99} {
		refused(t, "Mknod of kind "+kind.String(), f.Mknod("node", kind, 0o644, varve.Rdev{}), nil, "node")
	}
	wantList(t, f)
}

func createRace(t *testing.T, f disk.FS, _ Options) {
	const rounds, racers = 20, 8
	var won [rounds]atomic.Int32
	var wait sync.WaitGroup
	for range racers {
		wait.Go(func() {
			for i := range rounds {
				w, err := f.Create(fmt.Sprint("file-", i), 0o600)
				if err != nil {
					refused(t, "a lost race", err, fs.ErrExist, fmt.Sprint("file-", i))
					continue
				}
				won[i].Add(1)
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for i := range won {
		equal(t, "number of winners", won[i].Load(), 1)
	}
	equal(t, "number of files", len(list(t, f)), rounds)
}

func writeWithoutMode(t *testing.T, f disk.FS, _ Options) {
	w, err := f.Create("file", 0)
	must(t, err)
	_, err = w.WriteAt([]byte("hello"), 0)
	must(t, err)
	must(t, w.Set(&varve.Entry{Mode: 0o600}, varve.Mode))
	must(t, w.Close())
	equal(t, "content", read(t, f, "file"), "hello")
}
