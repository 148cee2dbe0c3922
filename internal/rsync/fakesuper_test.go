//go:build linux

package rsync

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"iter"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"varve"
)

// facts returns what of a tree has to survive, by path.
func facts(t *testing.T, dir string) map[string]varve.Entry {
	t.Helper()
	src, held, err := source(dir)
	ok(t, err)
	found := map[string]varve.Entry{}
	for e, err := range src.Entries(t.Context()) {
		ok(t, err)
		found[e.Path] = fact(e)
	}
	ok(t, held.Close())
	return found
}

func fact(e varve.Entry) varve.Entry {
	f := varve.Entry{Path: e.Path, Kind: e.Kind, Mode: e.Mode, UID: e.UID, GID: e.GID, Size: e.Size, Target: e.Target, Rdev: e.Rdev,
		Xattrs: e.Xattrs, SameAs: e.SameAs}
	if e.Kind != varve.Symlink { // what stands for one has the time of its own
		f.MTime = e.MTime
	}
	return f
}

func TestFakeSuperKeepsOwnersModesDevicesACLsAndAllAttributes(t *testing.T) {
	t.Parallel()
	needRoot(t)
	src := sample(t)
	for _, acl := range [][]string{
		{"-m", "u:1000:rwx,g:7:r", src + "/file"},
		{"-m", "u:5:---,m:r", src + "/sub/exec"},
		{"-d", "-m", "g:9:rx,o:-", src + "/sub"},
		{"-d", "-m", "o:-", src + "/empty"},
	} {
		if out, err := exec.CommandContext(t.Context(), "setfacl", acl...).CombinedOutput(); err != nil {
			skip(t, string(out)+err.Error())
		}
	}
	s := newShelf(t)
	s.fake = true
	want := facts(t, src)
	var snaps []string
	for range 2 {
		snap := s.pushWell(t, "-aHAX", "--numeric-ids", src+"/", "host:x")
		got := s.record(t, snap)
		for path, e := range got {
			got[path] = fact(e)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-pushed +recorded):\n%s", snap, diff)
		}
		snaps = append(snaps, snap)
	}
	for _, path := range []string{"/file", "/sub/exec", "/sub/deep/er", "/null", "/sub/link"} {
		if inode(t, snaps[0]+path) != inode(t, snaps[1]+path) {
			t.Errorf("%s is not linked from the older snapshot", path)
		}
	}
}

func TestNobodyNeedsRootToServe(t *testing.T) {
	t.Parallel()
	s, src := nobodysShelf(t)
	write(t, src+"/dir/file", "content")
	s.give(t, src)
	args := []string{"-aHAX", "--delete", "--numeric-ids", src + "/", "host:x"}
	first := s.pushWell(t, args...)
	second := s.pushWell(t, args...)
	if inode(t, first+"/dir/file") != inode(t, second+"/dir/file") {
		t.Error("the file is not linked from the older snapshot")
	}
	if !strings.Contains(s.logged(t), `"--fake-super"`) {
		t.Error("owners were not kept")
	}
}

// aclText encodes an ACL as rsync keeps it.
func aclText(numbers ...uint32) string {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return string(b)
}

func TestAttributesThatRsyncDoesNotWriteAreErrors(t *testing.T) {
	t.Parallel()
	stat := func(s string) varve.Xattr { return varve.Xattr{Name: fakeStat, Value: s} }
	for name, e := range map[string]varve.Entry{
		"empty":        {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("")}},
		"no octal":     {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("100684 0,0 0:0")}},
		"no kind":      {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("644 0,0 0:0")}},
		"large mode":   {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("1100644 0,0 0:0")}},
		"no owner":     {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("100644 0,0")}},
		"no group":     {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("100644 0,0 1")}},
		"large owner":  {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("100644 0,0 4294967296:0")}},
		"zeros":        {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("100644 0,0 01:0")}},
		"plus":         {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("100644 0,0 +1:0")}},
		"more":         {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("100644 0,0 1:0 ")}},
		"file for dir": {Kind: varve.Regular, Xattrs: []varve.Xattr{stat("40755 0,0 1:0")}},
		"dir for file": {Kind: varve.Dir, Xattrs: []varve.Xattr{stat("100644 0,0 1:0")}},
		"short ACL":    {Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: fakeAccessACL, Value: aclText(7, 7, 7)}}},
		"torn ACL":     {Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: fakeAccessACL, Value: aclText(7, 7, 7, 7, 1)}}},
		"wrong rights": {Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: fakeAccessACL, Value: aclText(8, 7, 7, 7)}}},
		"named rights": {Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: fakeAccessACL, Value: aclText(7, 7, 7, 7, 1, 8)}}},
		"twice named":  {Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: fakeAccessACL, Value: aclText(7, 7, 7, 7, 1, 4, 1, 5)}}},
		"default ACL":  {Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: fakeDefaultACL, Value: aclText(7, 7, 0x80, 7)}}},
		"two ACLs": {Kind: varve.Regular, Xattrs: []varve.Xattr{{Name: fakeAccessACL, Value: aclText(7, 7, 7, 7)},
			{Name: fakePrefix + "system.posix_acl_access", Value: "x"}}},
	} {
		if err := unfake(&e); err == nil {
			t.Errorf("%s: no error, but %+v", name, e)
		}
	}
}

func TestNegativeNumbersInAttributesAreIDs(t *testing.T) {
	t.Parallel()
	e := varve.Entry{Kind: varve.Regular, User: "u", Group: "g", Xattrs: []varve.Xattr{{Name: fakeStat, Value: "104755 0,0 -2:4294967294"}}}
	ok(t, unfake(&e))
	want := varve.Entry{Kind: varve.Regular, Mode: 0o4755, UID: 1<<32 - 2, GID: 1<<32 - 2}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
}

// held is a source with one file.
type held struct {
	entry varve.Entry
	text  string
}

func (h held) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		_ = yield(varve.Entry{Kind: varve.Dir}, nil) && yield(h.entry, nil)
	}
}

func (h held) Open(context.Context, varve.Entry) (varve.File, error) {
	return heldFile{io.NopCloser(strings.NewReader(h.text)), h.entry}, nil
}

type heldFile struct {
	io.ReadCloser
	entry varve.Entry
}

func (f heldFile) Entry() (varve.Entry, error) { return f.entry, nil }

func TestWhatStandsForASymlinkHoldsATarget(t *testing.T) {
	t.Parallel()
	link := varve.Entry{Path: "l", Kind: varve.Regular, Size: 3, Xattrs: []varve.Xattr{{Name: fakeStat, Value: "120777 0,0 0:0"}}}
	for text, good := range map[string]bool{"a/b": true, "": false, "a\x00b": false, strings.Repeat("x", maxTarget+1): false} {
		r := &received{Source: held{link, text}, fakes: true}
		var last varve.Entry
		var failed error
		for e, err := range r.Entries(t.Context()) {
			last, failed = e, err
		}
		if (failed == nil) != good {
			t.Errorf("%.10q: %v", text, failed)
		}
		if good && (last.Kind != varve.Symlink || last.Target != text || last.Size != 0 || last.Mode != 0o777) {
			t.Errorf("%+v", last)
		}
	}
}

func TestOpenFilesTellTheSameAsTheirEntries(t *testing.T) {
	t.Parallel()
	file := varve.Entry{Path: "f", Kind: varve.Regular, Size: 1, Xattrs: []varve.Xattr{{Name: fakeStat, Value: "100600 0,0 5:6"}}}
	r := &received{Source: held{file, "x"}, fakes: true}
	f, err := r.Open(t.Context(), file)
	ok(t, err)
	e, err := f.Entry()
	ok(t, err)
	if e.UID != 5 || e.GID != 6 || e.Mode != 0o600 || len(e.Xattrs) != 0 {
		t.Errorf("%+v", e)
	}
	text, err := io.ReadAll(f)
	ok(t, err)
	if !bytes.Equal(text, []byte("x")) {
		t.Errorf("%q", text)
	}
}

func FuzzUnfake(f *testing.F) {
	f.Add("100644 0,0 1000:1000", aclText(7, 0x80, 5, 0x80, 3, 4|isUser), uint8(varve.Regular))
	f.Add("40755 0,0 0:0", aclText(7, 5, 5, 5), uint8(varve.Dir))
	f.Add("20644 1,3 0:0", "", uint8(varve.Regular))
	f.Fuzz(func(t *testing.T, stat, acl string, kind uint8) {
		e := varve.Entry{Kind: varve.Kind(kind), Xattrs: []varve.Xattr{{Name: fakeAccessACL, Value: acl}, {Name: fakeStat, Value: stat}}}
		if unfake(&e) != nil {
			return
		}
		for _, x := range e.Xattrs {
			if strings.HasPrefix(x.Name, fakePrefix) || len(x.Value)%8 != 4 {
				t.Errorf("%q: %q", x.Name, x.Value)
			}
		}
		if e.Mode > 0o7777 || e.Kind == 0 || e.Kind > varve.BlockDevice {
			t.Errorf("%q: %+v", stat, e)
		}
	})
}
