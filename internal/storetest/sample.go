package storetest

import (
	"fmt"
	"strings"

	"varve"
)

// The flags of inodes that Sample sets, FS_*_FL of ioctl_iflags(2).
const (
	flagImmutable = 0x10
	flagNoDump    = 0x40
)

// highestID is the highest number that a user or group can have.
const highestID = 1<<32 - 2

// Sample returns a tree with everything that a file system can hold.
func Sample() *Tree {
	t := NewTree()
	t.Edit("", func(o *Object) { o.Mode, o.UID, o.GID = 0o711, 3, 4 })
	sampleKinds(t)
	sampleContent(t)
	sampleNames(t)
	sampleMetadata(t)
	sampleLinks(t)
	return t
}

func sampleKinds(t *Tree) {
	t.Dir("kinds")
	t.File("kinds/file", "plain")
	t.Dir("kinds/empty directory")
	t.Put("kinds/fifo", varve.Entry{Kind: varve.FIFO, Mode: 0o620, UID: 5}, "")
	t.Put("kinds/socket", varve.Entry{Kind: varve.Socket, Mode: 0o755}, "")
	t.Put("kinds/null", varve.Entry{Kind: varve.CharDevice, Mode: 0o666, Rdev: varve.Rdev{Major: 1, Minor: 3}}, "")
	t.Put("kinds/loop", varve.Entry{Kind: varve.BlockDevice, Mode: 0o660, GID: 6, Rdev: varve.Rdev{Major: 7, Minor: 300}}, "")
	for name, target := range map[string]string{"symlink": "file", "dangling": "../../nowhere", "absolute": "/etc/passwd",
		"odd": "a\nb\xff//../", "long": strings.Repeat("x/", 2000), "loop link": "loop link", "to directory": "empty directory"} {
		t.Put("kinds/"+name, varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: target, UID: 7, GID: 8}, "")
	}
}

func sampleContent(t *Tree) {
	t.Dir("content")
	t.File("content/empty", "")
	t.File("content/zeros", strings.Repeat("\x00", 10_000)+"end")
	for _, n := range []int{1, 4095, 4096, 4097, 262_143, 262_144, 262_145, 600_000} {
		t.File(fmt.Sprintf("content/%d", n), Text(n))
	}
	sparse := func(name string, stream string, holes ...varve.Extent) {
		t.Put("content/"+name, varve.Entry{Kind: varve.Regular, Mode: 0o600, Holes: holes}, stream)
	}
	sparse("hole", "", varve.Extent{Off: 0, Len: 1 << 20})
	sparse("hole in front", Text(4096), varve.Extent{Off: 0, Len: 65536})
	sparse("hole behind", Text(8192), varve.Extent{Off: 8192, Len: 65536})
	sparse("hole with an odd end", Text(4096), varve.Extent{Off: 4096, Len: 5000})
	sparse("islands", Text(4096+4096+100), varve.Extent{Off: 4096, Len: 1 << 30}, varve.Extent{Off: 1<<30 + 8192, Len: 1<<40 - 8192})
}

// Text returns n bytes that do not repeat soon and hold no block of zeros.
func Text(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d of %d.\n", i, n)
	}
	return b.String()[:n]
}

func sampleNames(t *Tree) {
	t.Dir("names")
	for c := 1; c < 256; c++ {
		if c != '/' && c != '.' {
			t.File("names/"+string([]byte{byte(c)}), fmt.Sprint(c))
		}
	}
	for _, name := range []string{"...", "..x", "-rf", " ", "a\nb", "\xff\xfe", "caf\u00e9", "cafe\u0301", "\u202eexe", strings.Repeat("n", 255),
		"%2F", "latest", ".varve", "tmp-1"} {
		t.File("names/"+name+"~"[:min(1, 255-len(name))], name)
	}
	// Names around the byte that parts the elements of paths: listing order is not the order of paths as strings.
	for _, dir := range []string{"order", "order!", "order0", "order/a", "order/a!", "order!/a"} {
		t.Dir(dir)
		t.File(dir+"/file", dir)
	}
	deep := "deep"
	t.Dir(deep)
	for range 300 {
		deep += "/d"
		t.Dir(deep)
	}
	t.File(deep+"/file", "at the bottom")
}

func sampleMetadata(t *Tree) {
	t.Dir("metadata")
	put := func(name string, e varve.Entry) {
		if e.Kind == 0 {
			e.Kind = varve.Regular
		}
		stream := ""
		if e.Kind == varve.Regular {
			stream = "content of " + name
		}
		t.Put("metadata/"+name, e, stream)
	}
	for _, mode := range []uint32{0, 0o4755, 0o2755, 0o1644, 0o7777, 0o200, 0o044} {
		put(fmt.Sprintf("file %04o", mode), varve.Entry{Mode: mode, UID: 9})
		put(fmt.Sprintf("dir %04o", mode), varve.Entry{Kind: varve.Dir, Mode: mode, UID: 9})
	}
	for _, sec := range []int64{-1, -2_000_000_000, 1, 1<<31 + 5, 1<<32 + 5, 5_000_000_000} {
		put(fmt.Sprintf("time %d", sec), varve.Entry{MTime: varve.Time{Sec: sec, Nsec: 999_999_999}})
		put(fmt.Sprintf("dir time %d", sec), varve.Entry{Kind: varve.Dir, Mode: 0o755, MTime: varve.Time{Sec: sec, Nsec: 1}})
	}
	put("owner", varve.Entry{Mode: 0o640, UID: highestID, GID: highestID, User: "nob\u00f6dy", Group: "no group"})
	put("owner dir", varve.Entry{Kind: varve.Dir, Mode: 0o2770, UID: highestID, GID: 12, User: "x"})
	put("birth", varve.Entry{Mode: 0o600, BTime: varve.Time{Sec: 12, Nsec: 34}})
	put("nodump", varve.Entry{Mode: 0o600, Flags: flagNoDump})
	put("immutable", varve.Entry{Mode: 0o600, Flags: flagImmutable})
	put("immutable dir", varve.Entry{Kind: varve.Dir, Mode: 0o700, Flags: flagImmutable})
	t.File("metadata/immutable dir/file", "cannot be removed")
	put("passage", varve.Entry{Kind: varve.Dir, Mode: 0o755, Marks: varve.Passage})
	put("mount", varve.Entry{Kind: varve.Dir, Mode: 0o555, Marks: varve.MountPoint})
	put("xattrs", varve.Entry{Mode: 0o400, Xattrs: []varve.Xattr{{Name: "trusted.hidden", Value: "t"}, {Name: "user.a", Value: ""},
		{Name: "user.b\xff", Value: "\x00\xff"}}})
	put("acl", varve.Entry{Mode: 0o670, Xattrs: []varve.Xattr{{Name: "system.posix_acl_access", Value: acl}}})
	put("acl dir", varve.Entry{Kind: varve.Dir, Mode: 0o2775, Xattrs: []varve.Xattr{{Name: "system.posix_acl_default", Value: acl}}})
	t.File("metadata/acl dir/without", "does not inherit")
	t.Dir("metadata/acl dir/dir without")
	put("capable", varve.Entry{Mode: 0o755, UID: 13, Xattrs: []varve.Xattr{{Name: "security.capability", Value: capability}}})
}

// acl gives user 1000 rwx, the owner rw, the group nothing, others nothing, under a mask of rwx, as the kernel encodes it. The
// mode that goes with it is 0670.
const acl = "\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\xe8\x03\x00\x00" + "\x04\x00\x00\x00\xff\xff\xff\xff" +
	"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"

// capability is CAP_NET_BIND_SERVICE, permitted and effective, as the kernel encodes it.
const capability = "\x01\x00\x00\x02" + "\x00\x04\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

func sampleLinks(t *Tree) {
	t.Dir("links")
	t.Dir("links/z")
	t.File("links/first", "shared")
	t.Link("links/second", "links/first")
	t.Link("links/z/third", "links/first")
	t.Put("links/fifo", varve.Entry{Kind: varve.FIFO, Mode: 0o600}, "")
	t.Link("links/fifo too", "links/fifo")
	t.Put("links/symlink", varve.Entry{Kind: varve.Symlink, Mode: 0o777, Target: "first"}, "")
	t.Link("links/z/symlink", "links/symlink")
	t.Put("links/flagged", varve.Entry{Kind: varve.Regular, Mode: 0o600, Flags: flagImmutable}, "of stone")
	t.Link("links/flagged too", "links/flagged")
}
