package faultfs_test

import (
	"io"
	"io/fs"
	"syscall"
	"testing"

	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
)

func TestShortReadsAndWritesDoHalf(t *testing.T) {
	for _, c := range []struct {
		method string
		fault  faultfs.Fault
		wrote  string
	}{
		{"Writer.WriteAt", faultfs.Fault{Err: syscall.ENOSPC, Effect: faultfs.Half}, "01234"},
		{"Writer.WriteAt", faultfs.Kill(faultfs.Half), "01234"},
		{"Writer.WriteAt", faultfs.Fault{Err: syscall.EIO}, ""},
		{"Writer.WriteAt", faultfs.Fault{Err: syscall.EIO, Effect: faultfs.Whole}, "0123456789"},
	} {
		d := memfs.New(memfs.Options{})
		inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool { return op.Method == c.method }, Fault: c.fault}
		w, err := faultfs.New(d.Root(), inj).Create("file", 0o600)
		must(t, err)
		n, err := w.WriteAt([]byte("0123456789"), 0)
		want(t, c.method, err, c.fault.Err)
		if n != len(c.wrote) {
			t.Errorf("%d bytes are reported", n)
		}
		r, err := d.Root().Open("file")
		must(t, err)
		buf := make([]byte, 20)
		if n, _ := r.ReadAt(buf, 0); string(buf[:n]) != c.wrote {
			t.Errorf("the file holds %q, want %q", buf[:n], c.wrote)
		}
	}
}

func TestAnEarlyEndLooksLikeAShorterFile(t *testing.T) {
	f, inj := memfs.New(memfs.Options{}).Root(), kind(t, "early end").At(1)
	w, err := f.Create("file", 0o600)
	must(t, err)
	_, err = w.WriteAt([]byte("0123456789"), 0)
	must(t, err)
	r, err := faultfs.New(f, inj).Open("file")
	must(t, err)
	data, err := io.ReadAll(io.NewSectionReader(r, 0, 512))
	if err != nil || string(data) != "0123456789"[:len(data)] || len(data) > 10 {
		t.Errorf("read %q, error %v", data, err)
	}
	if n, err := r.ReadAt(make([]byte, 10), 0); n != 10 || err != nil {
		t.Errorf("the second time %d bytes, error %v", n, err)
	}
}

func kind(t *testing.T, name string) faultfs.Kind {
	t.Helper()
	for _, k := range faultfs.Kinds() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("there is no kind %q", name)
	return faultfs.Kind{}
}

func TestAFailedSyncLosesTheContentForGood(t *testing.T) {
	for _, c := range []struct {
		what  string
		fault faultfs.Fault
		sync  func(f disk.FS, w disk.Writer) error
		left  int64
	}{
		{"a file's sync", faultfs.Fault{Err: syscall.EIO}, func(f disk.FS, w disk.Writer) error { return w.Sync() }, 0},
		{"everything's sync", faultfs.Fault{Err: syscall.EIO}, func(f disk.FS, w disk.Writer) error { return f.SyncAll() }, 0},
		{"a sync whose answer is lost", faultfs.Fault{Err: syscall.EIO, Effect: faultfs.Whole}, func(f disk.FS, w disk.Writer) error { return w.Sync() }, 7},
	} {
		d := memfs.New(memfs.Options{})
		f := faultfs.New(d.Root(), &faultfs.Injector{At: 1, Filter: faultfs.Syncs, Fault: c.fault})
		w, err := f.Create("file", 0o600)
		must(t, err)
		_, err = w.WriteAt([]byte("content"), 0)
		must(t, err)
		want(t, c.what, c.sync(f, w), syscall.EIO)
		must(t, w.Sync())
		must(t, f.SyncAll())
		d.Crash(nil)
		if info, err := d.Root().Lookup("file"); err != nil || info.Size != c.left {
			t.Errorf("%s: %d bytes are left, want %d, error %v", c.what, info.Size, c.left, err)
		}
	}
}

func TestAKillLosesNothingThatWasWritten(t *testing.T) {
	d := memfs.New(memfs.Options{})
	f := faultfs.New(d.Root(), &faultfs.Injector{At: 1, Filter: faultfs.Syncs, Fault: faultfs.Kill(faultfs.Nothing)})
	w, err := f.Create("file", 0o600)
	must(t, err)
	_, err = w.WriteAt([]byte("content"), 0)
	must(t, err)
	want(t, "sync", w.Sync(), faultfs.ErrKilled)
	d.Kill()
	must(t, d.Root().SyncAll())
	d.Crash(nil)
	if info, err := d.Root().Lookup("file"); err != nil || info.Size != 7 {
		t.Errorf("the file has %d bytes, error %v", info.Size, err)
	}
}

func TestStickyFaultsStayAndOthersPass(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		inj := &faultfs.Injector{At: 2, Filter: faultfs.Writes, Fault: faultfs.Fault{Err: syscall.EROFS}, Sticky: sticky}
		f := faultfs.New(memfs.New(memfs.Options{}).Root(), inj)
		must(t, f.Mkdir("1", 0o755))
		want(t, "the second", f.Mkdir("2", 0o755), syscall.EROFS)
		_, err := f.Names()
		must(t, err)
		if err := f.Mkdir("3", 0o755); (err != nil) != sticky {
			t.Errorf("sticky %v: the third call says %v", sticky, err)
		}
		if inj.Count() != 3 {
			t.Errorf("%d calls are counted, want 3", inj.Count())
		}
	}
}

func TestTheHookRunsBeforeTheChosenCall(t *testing.T) {
	inner := memfs.New(memfs.Options{}).Root()
	var seen []faultfs.Op
	f := faultfs.New(inner, &faultfs.Injector{At: 2, Do: func(op faultfs.Op) {
		seen = append(seen, op)
		must(t, inner.Mkdir("taken", 0o755))
	}})
	must(t, f.Mkdir("first", 0o755))
	want(t, "the second", f.Mkdir("taken", 0o755), fs.ErrExist)
	must(t, f.Mkdir("third", 0o755))
	if want := (faultfs.Op{N: 2, Method: "FS.Mkdir", Name: "taken"}); len(seen) != 1 || seen[0] != want {
		t.Errorf("the hook saw %+v", seen)
	}
}

func TestClosingGivesTheHandleUpWhateverItSays(t *testing.T) {
	for _, fault := range []faultfs.Fault{{Err: syscall.EIO}, faultfs.Kill(faultfs.Nothing)} {
		d := memfs.New(memfs.Options{})
		inj := &faultfs.Injector{At: 1, Filter: func(op faultfs.Op) bool { return op.Method == "Lease.Close" }, Fault: fault}
		lock, err := faultfs.New(d.Root(), inj).Lock("lock")
		must(t, err)
		want(t, "closing", lock.Close(), fault.Err)
		again, err := d.Root().Lock("lock")
		must(t, err)
		must(t, again.Close())
	}
}

func TestErrorsMatchTheSentinels(t *testing.T) {
	for errno, sentinel := range map[syscall.Errno]error{
		syscall.ENOSPC: disk.ErrNoSpace, syscall.EDQUOT: disk.ErrNoSpace, syscall.EACCES: fs.ErrPermission, syscall.EPERM: fs.ErrPermission,
		syscall.EMLINK: disk.ErrTooManyLinks, syscall.EXDEV: disk.ErrCrossDevice, syscall.EOPNOTSUPP: disk.ErrUnsupported,
		syscall.ENOTEMPTY: disk.ErrNotEmpty, syscall.ENOENT: fs.ErrNotExist, syscall.EEXIST: fs.ErrExist,
	} {
		f := faultfs.New(memfs.New(memfs.Options{}).Root(), &faultfs.Injector{At: 1, Fault: faultfs.Fault{Err: errno}, Sticky: true})
		want(t, errno.Error(), f.Mkdir("dir", 0o755), errno, sentinel)
		want(t, errno.Error(), f.Rename("a", f, "b"), errno, sentinel)
	}
}
