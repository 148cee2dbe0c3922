package manifest

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"varve"
	"varve/internal/digest"
)

// goldenEntries are what the files in testdata hold: every field, and every way in which a field can be written.
func goldenEntries() []varve.Entry {
	born := varve.Time{Sec: 1760000000, Nsec: 123456789}
	text := digest.Sum([]byte("hello\n"))
	acl := []varve.Xattr{{Name: "security.capability", Value: "\x01\x00\x00\x02"}, {Name: "user.note", Value: ""}}
	root := owner{user: "root", group: "wheel"}
	ann := owner{uid: 1000, gid: 1 << 31, user: "ann", group: "staff"}
	list := []varve.Entry{
		{Path: "", Kind: varve.Dir, Mode: 0o755, Marks: varve.Passage},
		{Path: "dev", Kind: varve.Dir, Mode: 0o755, MTime: born, BTime: born, Stamp: varve.Stamp{Dev: 2049, Ino: 2, CTime: born}, Marks: varve.MountPoint},
		{Path: "home", Kind: varve.Dir, Mode: 0o1777, MTime: varve.Time{Sec: -1}, Stamp: varve.Stamp{Dev: 2049, Ino: 1 << 63, CTime: varve.Time{Sec: 1 << 40}}},
		{Path: "dev/fifo", Kind: varve.FIFO, Mode: 0o600, MTime: born},
		{Path: "dev/null", Kind: varve.CharDevice, Mode: 0o666, MTime: born, Rdev: varve.Rdev{Major: 1, Minor: 3}, Unkept: varve.Owner | varve.Flags},
		{Path: "dev/sda", Kind: varve.BlockDevice, Mode: 0o660, MTime: born, Rdev: varve.Rdev{Major: 8, Minor: 1 << 19}},
		{Path: "dev/socket", Kind: varve.Socket, MTime: born, BTime: varve.Time{Sec: born.Sec - 1, Nsec: 999999999}},
		{Path: "home/a\xff\n", Kind: varve.Regular, Mode: 0o4755, MTime: born, BTime: born, Size: 6, Digest: text, Xattrs: acl, Flags: 0x10},
		{Path: "home/empty", Kind: varve.Regular, Mode: 0o644, MTime: varve.Time{Sec: -1 << 63}, Xattrs: acl},
		{Path: "home/link", Kind: varve.Symlink, Mode: 0o777, Target: "../dev/null", Stamp: varve.Stamp{Dev: 2050, Ino: 77, CTime: born}, MTime: born, BTime: varve.Time{Sec: born.Sec, Nsec: 123400000}},
		{Path: "home/sparse", Kind: varve.Regular, Mode: 0o644, Size: 1 << 40, Digest: text, Holes: []varve.Extent{{Off: 0, Len: 4096}, {Off: 8192, Len: 1<<40 - 8192}}},
		{Path: "home/twin", Kind: varve.Regular, Mode: 0o4755, MTime: born, BTime: born, Size: 6, Digest: text, SameAs: "home/a\xff\n", Xattrs: acl[:1]},
	}
	for i := range list {
		o := root
		if strings.HasPrefix(list[i].Path, "home/") && i%2 == 1 {
			o = ann
		}
		list[i].UID, list[i].GID, list[i].User, list[i].Group = o.uid, o.gid, o.user, o.group
	}
	return list
}

// golden returns the bytes in a file of testdata.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenPageDecodesAndIsWrittenAgainForEver(t *testing.T) {
	want := golden(t, "page.hex")
	got, err := decodeLeaf(PageID{}, want, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, goldenEntries())
	pages := newMemPages()
	root := write(t, pages, goldenEntries())
	if !bytes.Equal(pages.pages[root.ID], want) {
		t.Fatalf("the page is written as\n%x", pages.pages[root.ID])
	}
}

func TestGoldenReferencesDecodeAndAreWrittenAgainForEver(t *testing.T) {
	want := golden(t, "references.hex")
	refs := []ref{
		{id: PageID{1}, first: "", entries: 300, bytes: 1 << 40},
		{id: PageID{2}, first: "usr/share", entries: 1, bytes: 0},
		{id: PageID{3}, first: "usr/sh\xff/x", entries: 1 << 40, bytes: 1<<63 - 1},
	}
	n, err := decodeNode(PageID{}, want)
	if err != nil || n.level != 2 || len(n.refs) != len(refs) {
		t.Fatalf("%+v, %v", n, err)
	}
	p := &refPage{level: 2}
	p.reset()
	for i, r := range refs {
		if n.refs[i] != r {
			t.Errorf("reference %d: %+v", i, n.refs[i])
		}
		p.add(r)
	}
	if !bytes.Equal(p.buf, want) {
		t.Fatalf("the page is written as\n%x", p.buf)
	}
}

func TestGoldenFileOpensAndIsWrittenAgainForEver(t *testing.T) {
	want := golden(t, "file.hex")
	got, record, err := readFile(want)
	if err != nil || record != `{"id":"00112233445566778899aabbccddeeff"}` {
		t.Fatal(record, err)
	}
	same(t, got, goldenEntries())
	if b := writeFile(t, goldenEntries(), record); !bytes.Equal(b, want) {
		t.Fatalf("the file is written as\n%x", b)
	}
}
