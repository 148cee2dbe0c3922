package rdiff_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk/osfs"
)

// setXattrs gives a file of the source exactly these attributes.
func (h *history) setXattrs(name string, xattrs ...varve.Xattr) {
	h.t.Helper()
	dir, err := osfs.Open(filepath.Dir(h.at(name)))
	must(h.t, err)
	must(h.t, dir.Set(filepath.Base(name), &varve.Entry{Xattrs: xattrs}, varve.Xattrs))
	must(h.t, dir.Close())
}

// acl encodes an ACL of triples of tag, permissions and ID.
func acl(entries ...[3]uint32) string {
	out := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		out = binary.LittleEndian.AppendUint16(out, uint16(e[0]))
		out = binary.LittleEndian.AppendUint16(out, uint16(e[1]))
		out = binary.LittleEndian.AppendUint32(out, e[2])
	}
	return string(out)
}

const noID = 0xffffffff

var (
	longName  = strings.Repeat("l", 240)
	longerOne = strings.Repeat("m", 250)
	oddNames  = []string{"a;b", "new\nline", `back\slash`, `\n`, "UPPER", "bad\xff", "é", " blank ", "a=b#c", "tab\t", "\x01",
		"x.2001-09-09T01:46:40Z.diff", "x", "y.2001-09-09T01:46:40Z.snapshot.gz", "File .", "# file: x", "%41", ";065"}
)

// populate makes the tree that histories begin with.
func populate(h *history) {
	for _, name := range oddNames {
		h.write(name, "content of "+name)
		h.write("sub/"+name, "more of "+name)
	}
	h.write("list.txt", "beside a directory")
	h.write("list/one", "1")
	h.write("list/two", "2")
	h.write("list-", "sorts before the directory's content")
	h.write(longName, "long")
	h.write(longerOne, "longer")
	h.write("dir.2001-09-09T01:46:40Z.dir/file", "in a directory named like an increment")
	h.write("empty", "")
	h.write("doomed/a/b/c", "goes")
	h.write("turns/file into dir", "a file yet")
	h.write("turns/dir into file/x", "x")
	h.write("moved/from", "stays the same wherever it is")
	for _, dir := range []string{"void", "sub/void", "turns/dir into link"} {
		must(h.t, os.MkdirAll(h.at(dir), 0o750))
	}
	must(h.t, os.Symlink("list/one", h.at("link")))
	must(h.t, os.Symlink("no\\where\nat all", h.at("turns/link into file")))
	must(h.t, syscall.Mkfifo(h.at("fifo"), 0o640))
	must(h.t, syscall.Mknod(h.at("socket"), syscall.S_IFSOCK|0o600, 0))
	h.write("hard/1", "three names")
	must(h.t, os.Link(h.at("hard/1"), h.at("a hard link")))
	must(h.t, os.Link(h.at("hard/1"), h.at("hard.2")))
	h.write("set-id", "x")
	must(h.t, os.Chmod(h.at("set-id"), 0o755|os.ModeSetuid|os.ModeSetgid))
	must(h.t, os.Chmod(h.at("void"), 0o777|os.ModeSticky))
	h.setXattrs("list/one", varve.Xattr{Name: "user.a b=c\\", Value: "\x00\xff"}, varve.Xattr{Name: "user.empty"})
	h.setXattrs("sub/bad\xff", varve.Xattr{Name: "user.x", Value: strings.Repeat("v", 1000)})
	if os.Geteuid() == 0 {
		populateAsRoot(h)
	}
}

// populateAsRoot adds what nobody else can make.
func populateAsRoot(h *history) {
	must(h.t, syscall.Mknod(h.at("char"), syscall.S_IFCHR|0o600, 1<<8|3))
	must(h.t, syscall.Mknod(h.at("block"), syscall.S_IFBLK|0o600, 7<<8|200))
	h.write("locked", "nobody may")
	must(h.t, os.Chmod(h.at("locked"), 0))
	must(h.t, os.Lchown(h.at("list/two"), 65534, 1))
	must(h.t, os.Lchown(h.at("link"), 12345, 54321))
	h.setXattrs("set-id", varve.Xattr{Name: "trusted.t", Value: "root's"})
	access := acl([3]uint32{1, 6, noID}, [3]uint32{2, 4, 2}, [3]uint32{2, 6, 4321}, [3]uint32{4, 4, noID}, [3]uint32{8, 5, 3},
		[3]uint32{16, 6, noID}, [3]uint32{32, 0, noID})
	inherited := acl([3]uint32{1, 7, noID}, [3]uint32{4, 5, noID}, [3]uint32{8, 7, 65534}, [3]uint32{16, 7, noID}, [3]uint32{32, 1, noID})
	h.setXattrs("x", varve.Xattr{Name: "system.posix_acl_access", Value: access}, varve.Xattr{Name: "user.too", Value: "yes"})
	h.setXattrs("void", varve.Xattr{Name: "system.posix_acl_default", Value: inherited})
}

// change makes what the next session is to find, n counting from 1.
func change(h *history, n int, disks [][]byte) {
	switch n {
	case 1:
		h.write(longerOne, "longer and longer")
		must(h.t, os.RemoveAll(h.at("doomed")))
		must(h.t, os.Remove(h.at("turns/file into dir")))
		h.write("turns/file into dir/now", "is in a directory")
		must(h.t, os.RemoveAll(h.at("turns/dir into file")))
		h.write("turns/dir into file", "a file now")
		must(h.t, os.Remove(h.at("turns/link into file")))
		h.write("turns/link into file", "a file now")
		must(h.t, os.Remove(h.at("turns/dir into link")))
		must(h.t, os.Symlink("..", h.at("turns/dir into link")))
		must(h.t, os.Rename(h.at("moved"), h.at("moved to")))
		must(h.t, os.Remove(h.at("a hard link"))) // the one that tells the SHA-1
		h.write("x", "another x")
		h.touch("x", longerOne)
	case 3:
		h.write("doomed/a", "is back as a file")
		h.write("hard.2", "both names that are left")
		h.touch("hard.2")
		must(h.t, os.Remove(h.at("fifo")))
		h.write("fifo", "a file now")
		must(h.t, os.Remove(h.at(longName)))
		h.setXattrs("list/one", varve.Xattr{Name: "user.other", Value: "value"})
		must(h.t, os.Chmod(h.at("list"), 0o700))
	case 4:
		must(h.t, os.RemoveAll(h.at("sub")))
		h.write(longName, "is back")
		must(h.t, os.Link(h.at("hard/1"), h.at("zz")))
	}
	if n < len(disks) {
		h.write("disk.img", string(disks[n]))
		h.write("sub2/disk.jpg", string(disks[n])) // its increments are not compressed
		h.touch("disk.img", "sub2/disk.jpg")
	}
}

// images are the versions of a large file: changed here and there, unchanged, emptied, written anew, its halves swapped.
func images() [][]byte {
	first := noise(400_000)
	second := edit(first)
	fourth := edit(second)
	swapped := slices.Concat(fourth[200_000:], fourth[:200_000])
	return [][]byte{first, second, second, nil, fourth, swapped}
}

func TestEveryVersionIsWhatWasBackedUp(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	populate(h)
	disks := images()
	for n := range disks {
		change(h, n, disks)
		h.session()
	}
	r := h.open()
	if got := r.Times(); len(got) != h.sessions {
		t.Fatalf("%d sessions, want %d: %v", len(got), h.sessions, got)
	}
	for n, at := range r.Times() {
		if !at.Equal(when(n)) {
			t.Errorf("session %d is of %v, want %v", n, at, when(n))
		}
		v := version(t, r, at)
		same(t, "session "+at.String(), onDisk(t, h.copy(n)), all(t, v))
		for _, note := range v.Notes() {
			t.Errorf("session %d: note: %s", n, note)
		}
	}
	if _, aborted := r.Aborted(); aborted {
		t.Error("the repository is said to be aborted")
	}
	if os.Geteuid() == 0 {
		compareWithRestored(t, h, 1)
	}
}

// compareWithRestored holds a version against what rdiff-backup itself makes of it.
func compareWithRestored(t *testing.T, h *history, n int) {
	t.Helper()
	out := filepath.Join(h.dir, "restored")
	run(t, "rdiff-backup", "restore", "--at", when(n).Format("2006-01-02T15:04:05Z"), h.repo(), out)
	want := onDisk(t, out)
	for _, f := range want {
		for i := range f.Entry.Xattrs { // it forgets to undo what it did to odd names
			x := &f.Entry.Xattrs[i]
			x.Name = strings.ReplaceAll(x.Name, `a\040b\075c\134`, `a b=c\`)
		}
	}
	same(t, "restored", want, all(t, version(t, h.open(), when(n))))
}

func TestQuotedNamesAreRead(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.args = []string{"--chars-to-quote", "A-Z:"}
	h.backup = []string{"--no-compression"}
	for _, name := range oddNames {
		h.write(name, "content of "+name)
		h.write("Dir:"+name+"/File", "first "+name)
	}
	h.session()
	for _, name := range oddNames {
		h.write("Dir:"+name+"/File", "changed "+name)
		h.touch("Dir:" + name + "/File")
	}
	must(t, os.Remove(h.at("UPPER")))
	h.session()
	names, err := os.ReadDir(filepath.Join(h.repo()))
	must(t, err)
	if !slices.ContainsFunc(names, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ";068ir;058") }) {
		t.Fatalf("nothing was quoted: %v", names)
	}
	r := h.open()
	for n := range 2 {
		same(t, when(n).String(), onDisk(t, h.copy(n)), all(t, version(t, r, when(n))))
	}
}
