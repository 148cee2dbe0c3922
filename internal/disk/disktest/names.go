package disktest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
)

var namesPart = []clause{
	{"names that are not one element are refused everywhere", badNames},
	{"a dot stands for the directory only where the contract says so", dots},
	{"any other name is kept byte for byte", anyName},
	{"a name of 256 bytes is refused", longName},
	{"Names lists every kind, and lists again", everyKindListed},
	{"thousands of names are listed once each", manyNames},
	{"Names works from several goroutines", parallelNames},
}

// calls are all methods that take a name that must be an element, with that name.
func calls(f disk.FS) map[string]func(name string) error {
	entry := &varve.Entry{}
	return map[string]func(string) error{
		"OpenDir":    func(n string) error { _, err := f.OpenDir(n); return err },
		"Open":       func(n string) error { _, err := f.Open(n); return err },
		"Create":     func(n string) error { _, err := f.Create(n, 0o600); return err },
		"Mkdir":      func(n string) error { return f.Mkdir(n, 0o700) },
		"Symlink":    func(n string) error { return f.Symlink(n, "x") },
		"Mknod":      func(n string) error { return f.Mknod(n, varve.FIFO, 0o600, varve.Rdev{}) },
		"Link":       func(n string) error { return f.Link(n, f, "new") },
		"Link to":    func(n string) error { return f.Link("there", f, n) },
		"Rename":     func(n string) error { return f.Rename(n, f, "new") },
		"Rename to":  func(n string) error { return f.Rename("there", f, n) },
		"Replace":    func(n string) error { return f.Replace(n, f, "new") },
		"Replace to": func(n string) error { return f.Replace("there", f, n) },
		"Remove":     func(n string) error { return f.Remove(n) },
		"Rmdir":      func(n string) error { return f.Rmdir(n) },
		"Lock":       func(n string) error { _, err := f.Lock(n); return err },
		"Lookup":     func(n string) error { _, err := f.Lookup(n); return err },
		"Xattrs":     func(n string) error { _, err := f.Xattrs(n); return err },
		"Flags":      func(n string) error { _, err := f.Flags(n); return err },
		"Set owner":  func(n string) error { return f.Set(n, entry, varve.Owner) },
		"Set mode":   func(n string) error { return f.Set(n, entry, varve.Mode) },
		"Set xattrs": func(n string) error { return f.Set(n, entry, varve.Xattrs) },
		"Set mtime":  func(n string) error { return f.Set(n, entry, varve.MTime) },
		"Set flags":  func(n string) error { return f.Set(n, entry, varve.Flags) },
	}
}

func takesDot(method string) bool {
	return method == "Lookup" || method == "Xattrs" || method == "Flags" || strings.HasPrefix(method, "Set")
}

func badNames(t *testing.T, f disk.FS, _ Options) {
	write(t, f, "there", "")
	write(t, mkdir(t, f, "sub"), "file", "")
	for _, name := range []string{"", "..", "/", "//", "./there", "sub/file", "sub/", "/there", "there\x00", "a\x00b", "../there", "sub/.."} {
		for method, call := range calls(f) {
			refused(t, fmt.Sprintf("%s %q", method, name), call(name), disk.ErrName, "")
		}
	}
	wantList(t, f, "there", "sub")
	equal(t, "what lies in the subdirectory", len(list(t, openDir(t, f, "sub"))), 1)
}

func dots(t *testing.T, f disk.FS, _ Options) {
	write(t, f, "there", "")
	for method, call := range calls(f) {
		if !takesDot(method) {
			refused(t, method+` "."`, call("."), disk.ErrName, "")
		}
	}
	wantList(t, f, "there")
	sub := mkdir(t, f, "sub")
	if got, want := lookup(t, sub, ".").Stamp.Ino, lookup(t, f, "sub").Stamp.Ino; got != want {
		t.Errorf("inode of the held directory is %d, under its name %d", got, want)
	}
	equal(t, `path of "."`, lookup(t, sub, ".").Path, "")
	equal(t, `kind of "."`, lookup(t, sub, ".").Kind, varve.Dir)
}

func anyName(t *testing.T, f disk.FS, opts Options) {
	names := []string{" ", "  two  ", "...", ".hidden", "-rf", "*", "a\\b", "~", "$x", "'", strings.Repeat("n", 255)}
	if opts.AnyName {
		names = append(names, "new\nline", "\xff\xfe", "a\x80b", "\x01\x1b[31m", "\u00e9", "e\u0301", "A", "a", "\r", strings.Repeat("\xf0", 255))
	}
	for _, n := range names {
		write(t, f, n, "content of "+n)
	}
	wantList(t, f, names...)
	for _, n := range names {
		equal(t, fmt.Sprintf("content of %q", n), read(t, f, n), "content of "+n)
		equal(t, "path", lookup(t, f, n).Path, n)
	}
	for i, n := range names {
		must(t, f.Rename(n, f, fmt.Sprint("renamed ", i)))
		must(t, f.Remove(fmt.Sprint("renamed ", i)))
	}
	wantList(t, f)
	opts.need(t, opts.AnyName, "names of any bytes")
}

// looksFor reports whether a method of the place looks for what it is given the name of.
func (o Options) looksFor(method string) bool {
	return !o.ByPath || method != "Xattrs" && method != "Flags" && (method != "Link" || o.Links)
}

func longName(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "there", "")
	name := strings.Repeat("x", 256)
	for method, call := range calls(f) {
		if method != "Lock" && opts.looksFor(method) {
			refused(t, method, call(name), nil, "")
		}
	}
	wantList(t, f, "there")
}

func everyKindListed(t *testing.T, f disk.FS, opts Options) {
	wantList(t, f)
	var want []string
	for kind, mk := range makers(opts) {
		must(t, mk(f, kind.String()))
		want = append(want, kind.String())
		wantList(t, f, want...)
	}
	names, err := f.Names()
	must(t, err)
	for _, n := range names {
		info := lookup(t, f, n.Name)
		equal(t, "kind of "+n.Name, info.Kind.String(), n.Name)
		if n.Kind != 0 && n.Kind != info.Kind {
			t.Errorf("%s is listed as %s", n.Name, n.Kind)
		}
		if n.Ino != 0 && n.Ino != info.Stamp.Ino {
			t.Errorf("%s is listed with the inode number %d but has %d", n.Name, n.Ino, info.Stamp.Ino)
		}
	}
}

func manyNames(t *testing.T, f disk.FS, opts Options) {
	var want []string
	count := 5000
	if opts.ByPath { // each call is a message to a server
		count = 1500
	}
	for i := range count {
		name := fmt.Sprintf("%d-%s", i, strings.Repeat("n", i%50))
		must(t, f.Symlink(name, "x"))
		want = append(want, name)
	}
	wantList(t, f, want...)
	for _, name := range want {
		must(t, f.Remove(name))
	}
	wantList(t, f)
}

func parallelNames(t *testing.T, f disk.FS, _ Options) {
	for i := range 500 {
		must(t, f.Symlink(fmt.Sprint("old-", i), "x"))
	}
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 20 {
				if err := f.Symlink(fmt.Sprint("new-", g, "-", i), "x"); err != nil {
					t.Error(err)
				}
				names, err := f.Names()
				old := 0
				for _, n := range names {
					if strings.HasPrefix(n.Name, "old-") {
						old++
					}
				}
				if err != nil || old != 500 {
					t.Errorf("a listing has %d of 500 names, error %v", old, err)
				}
			}
		})
	}
	wait.Wait()
	equal(t, "number of names", len(list(t, f)), 580)
}
