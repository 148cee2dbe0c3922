package rdiff

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk/memfs"
)

// apply is what a delta makes of base, written as plainly as can be; false where it is no delta.
func apply(base, delta []byte) ([]byte, bool) {
	if !bytes.HasPrefix(delta, []byte("rs\x026")) {
		return nil, false
	}
	delta = delta[4:]
	var out []byte
	number := func(size int) uint64 {
		if size > len(delta) {
			delta = nil
			return math.MaxUint64
		}
		var n [8]byte
		copy(n[8-size:], delta[:size])
		delta = delta[size:]
		return binary.BigEndian.Uint64(n[:])
	}
	for len(delta) > 0 {
		op := int(number(1))
		var n uint64
		switch {
		case op == 0:
			return out, len(delta) == 0
		case op <= 64:
			n = uint64(op)
		case op <= 68:
			n = number(1 << (op - 65))
		case op <= 84:
			off := number(1 << ((op - 69) / 4))
			n := number(1 << ((op - 69) % 4))
			if n == 0 || off > uint64(len(base)) || n > uint64(len(base))-off {
				return nil, false
			}
			out = append(out, base[off:off+n]...)
			continue
		}
		if n == 0 || n > uint64(len(delta)) {
			return nil, false
		}
		out = append(out, delta[:n]...)
		delta = delta[n:]
	}
	return nil, false
}

// collect reads the content that two deltas, applied one after the other, make of base.
func collect(t *testing.T, base []byte, deltas ...[]byte) ([]byte, error) {
	t.Helper()
	f := &file{content: whole(int64(len(base))), direct: bytes.NewReader(base)}
	var err error
	for n, d := range deltas {
		if f.content, err = f.content.patch(t.Context(), n, bytes.NewReader(d)); err != nil {
			return nil, err
		}
	}
	for n, d := range deltas {
		if err := f.content.gather(t.Context(), n, bytes.NewReader(d), &f.spool); err != nil {
			return nil, err
		}
	}
	var out []byte
	part := make([]byte, 7)
	for {
		n, err := f.read(part)
		out = append(out, part[:n]...)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func FuzzDeltasGiveWhatTheirCommandsSay(f *testing.F) {
	f.Add([]byte("base of some bytes"), []byte("rs\x026\x03abc\x45\x02\x05\x00"), []byte("rs\x026\x45\x01\x04\x45\x00\x03\x00"))
	f.Add([]byte{}, []byte("rs\x026\x41\x02ab\x00"), []byte("rs\x026\x42\x00\x01x\x46\x01\x00\x01\x00"))
	f.Add([]byte("x"), []byte("rs\x026\x54\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00"), []byte("rs\x026\x55"))
	f.Fuzz(func(t *testing.T, base, first, second []byte) {
		if max(len(base), len(first), len(second)) > 300 { // copies of copies would take long
			return
		}
		want, ok := apply(base, first)
		if ok {
			want, ok = apply(want, second)
		}
		got, err := collect(t, base, first, second)
		if ok != (err == nil) || ok && !bytes.Equal(got, want) {
			t.Errorf("%q, %v; want %q, %v", got, err, want, ok)
		}
	})
}

// write makes a file in memory.
func write(t *testing.T, d *memfs.Disk, name, text string) {
	t.Helper()
	root := d.Root()
	_ = root.Mkdir(dataDir, 0o755) // it may be there
	at, err := root.OpenDir(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := at.Create(name, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), at.Close(), root.Close()); err != nil {
		t.Fatal(err)
	}
}

func FuzzMetadataGiveAnOrderedTreeOrAnError(f *testing.F) {
	const older, newer = "2001-09-09T01:46:40Z", "2001-09-10T01:46:40Z"
	f.Add("File .\n  Type dir\nFile a\n  Type reg\n  Size 3\nFile a.b/c\n  Type sym\n  SymData x\n", "File a\n  Type None\n",
		"# file: a\nuser.x=0seA==\n", "# file: .\nuser::rwx\nuser:me:r--\ngroup::r--\nmask::r--\nother::---\n")
	f.Add("File x/y\n  Type reg\n  NumHardLinks 2\n  Inode 1\n  DeviceLoc 1\nFile x/z\n  Type reg\n  NumHardLinks 2\n  Inode 1\n  DeviceLoc 1\n",
		"File x\n  Type dev\n  DeviceNum c 1 3\n", "", "")
	f.Fuzz(func(t *testing.T, snapshot, diff, eas, acls string) {
		d := memfs.New(memfs.Options{})
		write(t, d, "current_mirror."+newer+".data", "")
		write(t, d, "mirror_metadata."+newer+".snapshot", snapshot)
		write(t, d, "mirror_metadata."+older+".diff", diff)
		write(t, d, "extended_attributes."+older+".snapshot", eas)
		write(t, d, "access_control_lists."+older+".snapshot", acls)
		r, err := Open(d.Root(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for _, at := range r.Times() {
			v, err := r.At(t.Context(), at)
			if err != nil {
				continue
			}
			checkTree(t, v)
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// checkTree checks what every source promises.
func checkTree(t *testing.T, v *Version) {
	t.Helper()
	kinds := map[string]varve.Kind{}
	last := ""
	for e, err := range v.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case len(kinds) == 0 && (e.Path != "" || e.Kind != varve.Dir):
			t.Fatalf("begins with %q, %v", e.Path, e.Kind)
		case len(kinds) > 0 && varve.ComparePaths(last, e.Path) >= 0:
			t.Fatalf("%q after %q", e.Path, last)
		case e.Path != "" && kinds[e.Parent()] != varve.Dir:
			t.Fatalf("%q lies in a %v", e.Path, kinds[e.Parent()])
		case e.SameAs != "" && (kinds[e.SameAs] != varve.Regular || e.Kind != varve.Regular):
			t.Fatalf("%q is a link to %q", e.Path, e.SameAs)
		case e.Err == nil && (e.Kind == 0 || e.Mode > 0o7777 || (e.Kind == varve.Symlink) != (e.Target != "")):
			t.Fatalf("%+v", e)
		}
		if !slices.IsSortedFunc(e.Xattrs, func(a, b varve.Xattr) int { return strings.Compare(a.Name, b.Name) }) {
			t.Fatalf("%q", e.Xattrs)
		}
		kinds[e.Path], last = e.Kind, e.Path
		if e.Kind == varve.Regular && e.Err == nil {
			if f, err := v.Open(context.Background(), e); err == nil {
				t.Errorf("%q has content", f)
			}
		}
	}
	if len(kinds) == 0 {
		t.Fatal("no root")
	}
}

func FuzzACLsAreWhatTheKernelTakes(f *testing.F) {
	f.Add("user::rw-\nuser:joe:r--\ngroup::r--\ngroup:7:--x\t#effective:---\nmask::rw-\nother::---\ndefault:user::rwx\n" +
		"default:group::---\ndefault:other::r--\n")
	f.Add("user::rwx\nuser:a:b:r--\ngroup::---\nmask::---\nother::---\n")
	f.Fuzz(func(t *testing.T, text string) {
		known := func(name string) (uint32, bool) { return uint32(len(name)), len(name)%2 == 1 }
		xattrs, err := parseACL(text, known, known)
		if err != nil && !errors.Is(err, errUnknownOwner) && xattrs != nil {
			t.Fatalf("%q besides %v", xattrs, err)
		}
		for _, x := range xattrs {
			b := []byte(x.Value)
			if len(b) < 4+3*8 || (len(b)-4)%8 != 0 || binary.LittleEndian.Uint32(b) != 2 {
				t.Fatalf("%q", x.Value)
			}
			last := uint64(0)
			for b = b[4:]; len(b) > 0; b = b[8:] {
				tag, perm, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])
				key := uint64(tag)<<32 | uint64(id)
				if key <= last || perm > 7 || (tag == 2 || tag == 8) == (id == math.MaxUint32) {
					t.Fatalf("%q: tag %d, id %d", x.Value, tag, id)
				}
				last = key
			}
		}
	})
}
