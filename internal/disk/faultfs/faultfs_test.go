package faultfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/disktest"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
)

func TestCountingChangesNothing(t *testing.T) {
	disktest.Run(t, func(t *testing.T) disk.FS {
		inner := memfs.New(memfs.Options{Reflinks: true}).Root()
		return faultfs.New(faultfs.New(inner, &faultfs.Injector{}), &faultfs.Injector{})
	}, disktest.Options{Root: true, Xattrs: true, Trusted: true, Links: true, Holes: true, Flags: true, Times: true, AnyName: true,
		Reflinks: true, Strict: true})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("%s: error is %v, want one that matches %v", what, err, target)
		}
	}
}

// step is one call of a program.
type step struct {
	method string
	run    func() error
}

// program returns calls of every method; each expects that those before it were made.
func program(f disk.FS) []step {
	var sub disk.FS
	var w disk.Writer
	var r disk.Reader
	var lock io.Closer
	return []step{
		{"FS.Mkdir", func() error { return f.Mkdir("dir", 0o755) }},
		{"FS.OpenDir", func() (err error) { sub, err = f.OpenDir("dir"); return err }},
		{"FS.Lock", func() (err error) { lock, err = f.Lock("lock"); return err }},
		{"FS.Create", func() (err error) { w, err = sub.Create("file", 0o600); return err }},
		{"Writer.WriteAt", func() error { _, err := w.WriteAt([]byte("0123456789"), 0); return err }},
		{"Writer.Truncate", func() error { return w.Truncate(8) }},
		{"Writer.Set", func() error { return w.Set(&varve.Entry{Mode: 0o640}, varve.Mode) }},
		{"Writer.Sync", func() error { return w.Sync() }},
		{"FS.Open", func() (err error) { r, err = sub.Open("file"); return err }},
		{"Reader.Info", func() error { _, err := r.Info(); return err }},
		{"Reader.Holes", func() error { _, err := r.Holes(8, true); return err }},
		{"Reader.ReadAt", func() error { _, err := r.ReadAt(make([]byte, 4), 0); return err }},
		{"Writer.Clone", func() error { return w.Clone(r) }},
		{"Reader.Close", func() error { return r.Close() }},
		{"Writer.Close", func() error { return w.Close() }},
		{"FS.Symlink", func() error { return sub.Symlink("link", "target") }},
		{"FS.Mknod", func() error { return sub.Mknod("fifo", varve.FIFO, 0o600, varve.Rdev{}) }},
		{"FS.Link", func() error { return sub.Link("file", f, "file") }},
		{"FS.Rename", func() error { return sub.Rename("link", f, "moved") }},
		{"FS.Replace", func() error { return sub.Replace("fifo", f, "moved") }},
		{"FS.Set", func() error { return f.Set("file", &varve.Entry{Mode: 0o600}, varve.Mode) }},
		{"FS.Names", func() error { _, err := f.Names(); return err }},
		{"FS.Lookup", func() error { _, err := sub.Lookup("file"); return err }},
		{"FS.Xattrs", func() error { _, err := sub.Xattrs("file"); return err }},
		{"FS.Flags", func() error { _, err := sub.Flags("."); return err }},
		{"FS.Space", func() error { _, err := f.Space(); return err }},
		{"FS.Remove", func() error { return sub.Remove("file") }},
		{"FS.Rmdir", func() error { return f.Rmdir("dir") }},
		{"FS.Sync", func() error { return f.Sync() }},
		{"FS.SyncAll", func() error { return f.SyncAll() }},
		{"Lease.Close", func() error { return lock.Close() }},
		{"FS.Close", func() error { return sub.Close() }},
	}
}

// world is a disk with faults and the program on it.
func world(inj *faultfs.Injector) (*memfs.Disk, disk.FS, []step) {
	d := memfs.New(memfs.Options{Reflinks: true})
	f := faultfs.New(d.Root(), inj)
	return d, f, program(f)
}

func TestEveryCallIsCountedWithItsMethodAndPath(t *testing.T) {
	inj := &faultfs.Injector{}
	_, _, steps := world(inj)
	for _, s := range steps {
		must(t, s.run())
	}
	ops := inj.Ops()
	if len(ops) != len(steps) || inj.Count() != len(steps) {
		t.Fatalf("%d calls are counted of %d", len(ops), len(steps))
	}
	for i, op := range ops {
		if op.Method != steps[i].method || op.N != i+1 {
			t.Errorf("call %d is %+v, want %s", i+1, op, steps[i].method)
		}
	}
	if got, want := ops[17], (faultfs.Op{N: 18, Method: "FS.Link", Name: "dir/file", To: "file"}); got != want {
		t.Errorf("the link is %+v, want %+v", got, want)
	}
	if ops[4].Name != "dir/file" || ops[24].Name != "dir" || ops[0].Name != "dir" {
		t.Errorf("the paths are %q, %q, %q", ops[4].Name, ops[24].Name, ops[0].Name)
	}
}

func TestTheChosenCallFailsAndNoOther(t *testing.T) {
	_, _, all := world(&faultfs.Injector{})
	for n := range all {
		inj := &faultfs.Injector{At: n + 1, Fault: faultfs.Fault{Err: syscall.EIO}}
		_, _, steps := world(inj)
		for i, s := range steps[:n+1] {
			err := s.run()
			if i < n {
				must(t, err)
				continue
			}
			want(t, s.method, err, syscall.EIO)
			checkNames(t, s.method, err)
		}
		if steps[n].method != "FS.Close" && !strings.HasSuffix(steps[n].method, ".Close") {
			must(t, steps[n].run())
		}
	}
}

func checkNames(t *testing.T, method string, err error) {
	t.Helper()
	var one *fs.PathError
	var two *os.LinkError
	switch {
	case errors.As(err, &one) && one.Op == method && one.Path != "":
	case errors.As(err, &two) && two.Op == method && two.Old != "" && two.New != "":
	default:
		t.Errorf("the error of %s is %#v", method, err)
	}
}

func TestACallWhoseAnswerIsLostHasHappened(t *testing.T) {
	_, _, all := world(&faultfs.Injector{})
	for n := range all {
		plain, _, steps := world(&faultfs.Injector{})
		for _, s := range steps[:n+1] {
			must(t, s.run())
		}
		faulty, _, steps := world(&faultfs.Injector{At: n + 1, Fault: faultfs.Fault{Err: syscall.EIO, Effect: faultfs.Whole}})
		for _, s := range steps[:n] {
			must(t, s.run())
		}
		want(t, steps[n].method, steps[n].run(), syscall.EIO)
		if got, right := sketch(t, faulty.Root()), sketch(t, plain.Root()); got != right {
			t.Errorf("after a lost answer of %s:\n%s\nwant\n%s", steps[n].method, got, right)
		}
	}
}

func TestAKilledProcessDoesNothingMore(t *testing.T) {
	_, _, all := world(&faultfs.Injector{})
	for n := range all {
		for effect, done := range map[faultfs.Effect]int{faultfs.Nothing: n, faultfs.Whole: n + 1} {
			plain, _, steps := world(&faultfs.Injector{})
			for _, s := range steps[:done] {
				must(t, s.run())
			}
			killed, f, steps := world(&faultfs.Injector{At: n + 1, Fault: faultfs.Kill(effect)})
			for _, s := range steps[:n] {
				must(t, s.run())
			}
			want(t, steps[n].method, steps[n].run(), faultfs.ErrKilled)
			want(t, "a later call", f.Mkdir("late", 0o755), faultfs.ErrKilled)
			want(t, "a later call", f.Rename("dir", f, "late"), faultfs.ErrKilled)
			if got, right := sketch(t, killed.Root()), sketch(t, plain.Root()); got != right {
				t.Errorf("killed at %s:\n%s\nwant\n%s", steps[n].method, got, right)
			}
		}
	}
}

// sketch describes everything below f.
func sketch(t *testing.T, f disk.FS) string {
	t.Helper()
	var b strings.Builder
	names, err := f.Names()
	must(t, err)
	for _, n := range names {
		info, err := f.Lookup(n.Name)
		must(t, err)
		fmt.Fprintf(&b, "%q %s %o, %d bytes, target %q", n.Name, info.Kind, info.Mode, info.Size, info.Target)
		if info.Kind == varve.Dir {
			sub, err := f.OpenDir(n.Name)
			must(t, err)
			fmt.Fprintf(&b, " (%s)", sketch(t, sub))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestEveryKindStrikes(t *testing.T) {
	for _, k := range faultfs.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			calls := k.At(0)
			_, _, steps := world(calls)
			for _, s := range steps {
				must(t, s.run())
			}
			if calls.Count() == 0 {
				t.Fatal("no call of the program can fail in this way")
			}
			for n := 1; n <= calls.Count(); n++ {
				_, _, steps := world(k.At(n))
				err := error(nil)
				for i := 0; i < len(steps) && err == nil; i++ {
					err = steps[i].run()
				}
				want(t, calls.Ops()[n-1].Method, err, k.Fault.Err)
			}
		})
	}
}

func TestNothingMovesOutOfTheWrapper(t *testing.T) {
	inner := memfs.New(memfs.Options{Reflinks: true}).Root()
	f := faultfs.New(inner, &faultfs.Injector{})
	w, err := f.Create("file", 0o600)
	must(t, err)
	want(t, "Link", f.Link("file", inner, "other"), disk.ErrCrossDevice)
	want(t, "Rename", f.Rename("file", inner, "other"), disk.ErrCrossDevice)
	want(t, "Replace", f.Replace("file", inner, "other"), disk.ErrCrossDevice)
	r, err := inner.Open("file")
	must(t, err)
	want(t, "Clone", w.Clone(r), disk.ErrUnsupported)
}

func TestOneCallFailsAmongManyAtOnce(t *testing.T) {
	inj := &faultfs.Injector{At: 50, Fault: faultfs.Fault{Err: syscall.EIO}}
	f := faultfs.New(memfs.New(memfs.Options{}).Root(), inj)
	var wait sync.WaitGroup
	failures := make([]int, 8)
	for g := range failures {
		wait.Go(func() {
			for range 25 {
				if _, err := f.Names(); err != nil {
					failures[g]++
				}
			}
		})
	}
	wait.Wait()
	total := 0
	for _, n := range failures {
		total += n
	}
	if total != 1 || inj.Count() != 200 {
		t.Errorf("%d of %d calls failed", total, inj.Count())
	}
}
