package disktest

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
)

var setPart = []clause{
	{"Set gives modes with set-ID and sticky bits", setModes},
	{"Set gives owners, of symlinks too", setOwners},
	{"owner, then mode, keeps the set-ID bits", ownerThenMode},
	{"Set gives modification times of files, directories and symlinks", setTimes},
	{"Set gives modification times far from today", farTimes},
	{"a modification time that is not kept is refused", unkeptTimes},
	{"Set makes the xattrs exactly those given", setXattrs},
	{"a Reader tells the xattrs of the file that it opened", readerXattrs},
	{"symlinks, FIFOs and devices have xattrs of their own", trustedXattrs},
	{"Set gives flags and takes them away", setFlags},
	{"Set changes one aspect only", oneAspect},
	{"Set refuses what is not an aspect to be set", notSettable},
}

// noDump is FS_NODUMP_FL, which any owner may set and which has no effect.
const noDump = 0x40

// target is one way to reach an object with Set.
type target struct {
	what   string
	set    func(e *varve.Entry, a varve.Aspect) error
	lookup func() disk.Info
	xattrs func() []varve.Xattr
	flags  func() (uint32, error)
}

// targets are a file by name, a file by its Writer, a directory by name and a directory by ".".
func targets(t *testing.T, f disk.FS) []target {
	t.Helper()
	write(t, f, "file", "content")
	w, err := f.Create("written", 0o600)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	must(t, f.Mkdir("dir", 0o755))
	held := mkdir(t, f, "held")
	written := named(t, f, "written")
	written.what, written.set = "a file by its writer", w.Set
	return []target{named(t, f, "file"), written, named(t, f, "dir"), named(t, held, ".")}
}

func named(t *testing.T, f disk.FS, name string) target {
	return target{
		what:   name,
		set:    func(e *varve.Entry, a varve.Aspect) error { return f.Set(name, e, a) },
		lookup: func() disk.Info { return lookup(t, f, name) },
		xattrs: func() []varve.Xattr { return xattrs(t, f, name) },
		flags:  func() (uint32, error) { return f.Flags(name) },
	}
}

// xattrs returns the attributes of name but for the label that a security module may have given it.
func xattrs(t *testing.T, f disk.FS, name string) []varve.Xattr {
	t.Helper()
	list, err := f.Xattrs(name)
	must(t, err)
	return slices.DeleteFunc(list, func(x varve.Xattr) bool { return x.Name == "security.selinux" })
}

// others are a symlink "link" and a FIFO, where these can be set.
func others(t *testing.T, f disk.FS, opts Options) (list []target) {
	t.Helper()
	must(t, f.Symlink("link", "file"))
	if !opts.FixedSymlinks {
		list = append(list, named(t, f, "link"))
	}
	if !opts.ByPath {
		must(t, f.Mknod("fifo", varve.FIFO, 0o600, varve.Rdev{}))
		list = append(list, named(t, f, "fifo"))
	}
	return list
}

func setModes(t *testing.T, f disk.FS, _ Options) {
	for _, g := range targets(t, f) {
		for _, mode := range []uint32{0o7777, 0o4755, 0o2711, 0o1777, 0o600, 0, 0o100000 | 0o644, 0o700} {
			must(t, g.set(&varve.Entry{Mode: mode}, varve.Mode))
			equal(t, fmt.Sprintf("mode of %s", g.what), g.lookup().Mode, mode&0o7777)
		}
	}
}

func setOwners(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Root, "the right to change owners")
	for _, g := range append(targets(t, f), others(t, f, opts)...) {
		before := g.lookup()
		for _, id := range [][2]uint32{{12345, 54321}, {0, 7}, {1<<32 - 2, 1<<32 - 2}, {before.UID, before.GID}} {
			must(t, g.set(&varve.Entry{UID: id[0], GID: id[1]}, varve.Owner))
			info := g.lookup()
			equal(t, "owner of "+g.what, [2]uint32{info.UID, info.GID}, id)
			if g.what == "link" {
				equal(t, "owner of the link's target", lookup(t, f, "file").UID, before.UID)
			}
		}
	}
}

func ownerThenMode(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Root, "the right to change owners")
	for _, g := range targets(t, f) {
		must(t, g.set(&varve.Entry{UID: 1234, GID: 1234}, varve.Owner))
		must(t, g.set(&varve.Entry{Mode: 0o6711}, varve.Mode))
		equal(t, "mode of "+g.what, g.lookup().Mode, 0o6711)
	}
}

func setTimes(t *testing.T, f disk.FS, opts Options) {
	for _, g := range append(targets(t, f), others(t, f, opts)...) {
		checkTimes(t, g, varve.Time{Sec: 1_234_567_890}, varve.Time{Sec: 1_700_000_000}, varve.Time{Sec: 1 << 30})
	}
}

func farTimes(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Times, "times before 1970, after 2106, or nanoseconds")
	must(t, f.Symlink("link", "file"))
	for _, g := range append(targets(t, f), named(t, f, "link")) {
		checkTimes(t, g, varve.Time{Sec: -1, Nsec: 999_999_999}, varve.Time{Nsec: 1}, varve.Time{}, varve.Time{Sec: -1 << 31},
			varve.Time{Sec: 1<<32 + 5, Nsec: 123_456_789}, varve.Time{Sec: 13_569_465_600})
	}
}

func unkeptTimes(t *testing.T, f disk.FS, opts Options) {
	must(t, f.Symlink("link", "file"))
	for _, g := range append(targets(t, f), named(t, f, "link")) {
		for _, at := range []varve.Time{{Sec: 1_700_000_001}, {Sec: 1_700_000_000, Nsec: 500_000_000}, {Sec: 1_700_000_000, Nsec: 123_456_700},
			{Sec: 1_700_000_000, Nsec: 123_456_789}, {Sec: 1_700_000_003, Nsec: 1}, {Sec: 1 << 40, Nsec: 1}} {
			err := g.set(&varve.Entry{MTime: at}, varve.MTime)
			if got := g.lookup().MTime; got != at || err != nil {
				refused(t, fmt.Sprintf("%v, which %s kept as %v", at, g.what, got), err, disk.ErrUnsupported, "")
			}
		}
	}
}

func checkTimes(t *testing.T, g target, times ...varve.Time) {
	t.Helper()
	for _, at := range times {
		must(t, g.set(&varve.Entry{MTime: at}, varve.MTime))
		equal(t, "time of "+g.what, g.lookup().MTime, at)
	}
}

func setXattrs(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Xattrs, "xattrs")
	for _, g := range targets(t, f) {
		for _, want := range [][]varve.Xattr{
			{{Name: "user.one", Value: "1"}},
			{{Name: "user.a", Value: ""}, {Name: "user.b", Value: "\x00\xff\n"}, {Name: "user.long", Value: strings.Repeat("v", 1000)}, {Name: "user.one", Value: "changed"}},
			{{Name: "user.b", Value: "longer than before"}, {Name: "user.sp ace\xff", Value: "x"}},
			nil,
		} {
			must(t, g.set(&varve.Entry{Xattrs: want}, varve.Xattrs))
			if got := g.xattrs(); !slices.Equal(got, want) {
				t.Errorf("xattrs of %s are %q, want %q", g.what, got, want)
			}
		}
	}
	must(t, f.Set("file", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.z", Value: "1"}, {Name: "user.y", Value: "2"}}}, varve.Xattrs))
	if got, want := xattrs(t, f, "file"), []varve.Xattr{{Name: "user.y", Value: "2"}, {Name: "user.z", Value: "1"}}; !slices.Equal(got, want) {
		t.Errorf("xattrs given unsorted are %q, want %q", got, want)
	}
}

func readerXattrs(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Xattrs, "xattrs")
	write(t, f, "file", "content")
	r, err := f.Open("file")
	must(t, err)
	defer r.Close()
	for _, want := range [][]varve.Xattr{{{Name: "user.a", Value: "1"}, {Name: "user.b", Value: ""}}, nil, {{Name: "user.c", Value: "2"}}} {
		must(t, f.Set("file", &varve.Entry{Xattrs: want}, varve.Xattrs))
		readerHas(t, r, want)
	}
	write(t, f, "other", "other")
	must(t, f.Set("other", &varve.Entry{Xattrs: []varve.Xattr{{Name: "user.c", Value: "other"}}}, varve.Xattrs))
	must(t, f.Replace("other", f, "file"))
	readerHas(t, r, []varve.Xattr{{Name: "user.c", Value: "2"}})
}

func readerHas(t *testing.T, r disk.Reader, want []varve.Xattr) {
	t.Helper()
	got, err := r.Xattrs()
	must(t, err)
	got = slices.DeleteFunc(got, func(x varve.Xattr) bool { return x.Name == "security.selinux" })
	if !slices.Equal(got, want) {
		t.Errorf("the reader tells the xattrs %q, want %q", got, want)
	}
}

func trustedXattrs(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Root && opts.Trusted, "trusted xattrs")
	for kind, mk := range makers(opts) {
		name := kind.String()
		must(t, mk(f, name))
		equal(t, "number of xattrs of a new "+name, len(xattrs(t, f, name)), 0)
		want := []varve.Xattr{{Name: "trusted.varve", Value: name}}
		must(t, f.Set(name, &varve.Entry{Xattrs: want}, varve.Xattrs))
		if got := xattrs(t, f, name); !slices.Equal(got, want) {
			t.Errorf("xattrs of the %s are %q, want %q", name, got, want)
		}
		must(t, f.Set(name, &varve.Entry{}, varve.Xattrs))
		equal(t, "number of xattrs left on a "+name, len(xattrs(t, f, name)), 0)
	}
}

func setFlags(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Flags, "inode flags")
	for _, g := range targets(t, f) {
		for _, want := range []uint32{noDump, 0, noDump} {
			must(t, g.set(&varve.Entry{Flags: want}, varve.Flags))
			got, err := g.flags()
			must(t, err)
			equal(t, "flag of "+g.what, got&noDump, want)
		}
	}
}

func oneAspect(t *testing.T, f disk.FS, opts Options) {
	e := &varve.Entry{Mode: 0o711, MTime: varve.Time{Sec: 99}, UID: 77, GID: 88, Flags: noDump, Xattrs: []varve.Xattr{{Name: "user.x", Value: "y"}}}
	for _, g := range targets(t, f) {
		before := g.lookup()
		must(t, g.set(e, varve.Mode))
		after := g.lookup()
		if after.MTime != before.MTime || after.UID != before.UID || after.GID != before.GID || len(g.xattrs()) != 0 {
			t.Errorf("setting the mode of %s changed %+v to %+v", g.what, before, after)
		}
		must(t, g.set(e, varve.MTime))
		after = g.lookup()
		if after.Mode != 0o711 || after.UID != before.UID || after.Size != before.Size {
			t.Errorf("setting the time of %s changed %+v to %+v", g.what, before, after)
		}
		if opts.Xattrs {
			must(t, g.set(e, varve.Xattrs))
			equal(t, "time of "+g.what, g.lookup().MTime, e.MTime)
			equal(t, "mode of "+g.what, g.lookup().Mode, e.Mode)
		}
	}
}

func notSettable(t *testing.T, f disk.FS, _ Options) {
	for _, g := range targets(t, f) {
		for _, a := range []varve.Aspect{0, varve.Content, varve.Type, varve.HardLink, varve.Mode | varve.MTime} {
			refused(t, fmt.Sprintf("Set %q of %s", a, g.what), g.set(&varve.Entry{}, a), nil, "")
		}
	}
	for _, a := range []varve.Aspect{varve.Mode, varve.MTime, varve.Xattrs, varve.Flags, varve.Owner} {
		refused(t, "Set on nothing", f.Set("absent", &varve.Entry{}, a), fs.ErrNotExist, "absent")
	}
}
