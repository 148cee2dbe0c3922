package compare

import (
	"io/fs"
	"testing"

	"varve"
)

// file returns a regular file as a manifest holds it.
func file() varve.Entry {
	return varve.Entry{
		Path: "a/f", Kind: varve.Regular, Mode: 0o644, UID: 1, GID: 2, User: "u", Group: "g", MTime: varve.Time{Sec: 10, Nsec: 5},
		Size: 100, Xattrs: []varve.Xattr{{Name: "user.a", Value: "1"}}, Flags: 8, Digest: varve.Digest{1},
		Holes: []varve.Extent{{Off: 0, Len: 10}}, Stamp: varve.Stamp{Dev: 1, Ino: 2, CTime: varve.Time{Sec: 11}},
	}
}

func TestAspectsNamesTheOneSideThatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *varve.Entry)
		want   varve.Aspect
	}{
		"nothing":         {func(*varve.Entry) {}, 0},
		"digest":          {func(e *varve.Entry) { e.Digest[5]++ }, varve.Content},
		"size":            {func(e *varve.Entry) { e.Size++ }, varve.Content},
		"holes":           {func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: 10, Len: 10}} }, varve.Content},
		"kind":            {func(e *varve.Entry) { e.Kind = varve.FIFO }, varve.Type},
		"target":          {func(e *varve.Entry) { e.Target = "x" }, varve.Type},
		"device":          {func(e *varve.Entry) { e.Rdev.Minor = 1 }, varve.Type},
		"hard link":       {func(e *varve.Entry) { e.SameAs = "a/e" }, varve.HardLink},
		"uid":             {func(e *varve.Entry) { e.UID++ }, varve.Owner},
		"gid":             {func(e *varve.Entry) { e.GID++ }, varve.Owner},
		"mode":            {func(e *varve.Entry) { e.Mode |= 0o4000 }, varve.Mode},
		"xattr added":     {func(e *varve.Entry) { e.Xattrs = append(e.Xattrs, varve.Xattr{Name: "user.b"}) }, varve.Xattrs},
		"xattr changed":   {func(e *varve.Entry) { e.Xattrs = []varve.Xattr{{Name: "user.a", Value: "2"}} }, varve.Xattrs},
		"xattrs gone":     {func(e *varve.Entry) { e.Xattrs = nil }, varve.Xattrs},
		"mtime":           {func(e *varve.Entry) { e.MTime.Nsec++ }, varve.MTime},
		"flags":           {func(e *varve.Entry) { e.Flags = 0 }, varve.Flags},
		"several":         {func(e *varve.Entry) { e.UID, e.Mode = 9, 0 }, varve.Owner | varve.Mode},
		"names of owners": {func(e *varve.Entry) { e.User, e.Group = "", "" }, 0},
		"what is not set by a restore": {func(e *varve.Entry) {
			e.Stamp, e.BTime, e.Marks, e.Unkept = varve.Stamp{}, varve.Time{Sec: 1}, varve.Passage, varve.Owner
		}, 0},
		"an error": {func(e *varve.Entry) { *e = varve.Entry{Path: e.Path, Err: fs.ErrPermission} }, varve.Content},
	} {
		before, after := file(), file()
		c.change(&after)
		if got := Aspects(&before, &after); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if got := Aspects(&after, &before); got != c.want {
			t.Errorf("%s, the other way round: got %q, want %q", name, got, c.want)
		}
	}
}

func TestDirectoriesHaveATimeAndNoSize(t *testing.T) {
	before := varve.Entry{Kind: varve.Dir, Size: 4096, MTime: varve.Time{Sec: 1}}
	after := varve.Entry{Kind: varve.Dir, Size: 0, MTime: varve.Time{Sec: 2}}
	if got := Aspects(&before, &after); got != varve.MTime {
		t.Errorf("got %q", got)
	}
}

func TestTheModeOfASymlinkDoesNotCount(t *testing.T) {
	before, after := varve.Entry{Kind: varve.Symlink, Mode: 0o777}, varve.Entry{Kind: varve.Symlink}
	if got := Aspects(&before, &after); got != 0 {
		t.Errorf("got %q", got)
	}
}

func TestContentThatWasNotReadIsTheSameOnlyWithEqualStamps(t *testing.T) {
	for name, c := range map[string]struct {
		change func(live *varve.Entry)
		same   bool
	}{
		"equal stamps":          {func(*varve.Entry) {}, true},
		"another device number": {func(e *varve.Entry) { e.Stamp.Dev++ }, true},
		"another inode":         {func(e *varve.Entry) { e.Stamp.Ino++ }, false},
		"another change time":   {func(e *varve.Entry) { e.Stamp.CTime.Nsec++ }, false},
		"another mtime":         {func(e *varve.Entry) { e.MTime.Nsec++ }, false},
		"another size":          {func(e *varve.Entry) { e.Size++ }, false},
		"no stamp":              {func(e *varve.Entry) { e.Stamp = varve.Stamp{} }, false},
		"no change time":        {func(e *varve.Entry) { e.Stamp.CTime = varve.Time{} }, false},
	} {
		stored, live := file(), file()
		live.Digest, live.Holes = varve.Digest{}, nil
		c.change(&live)
		if got := Aspects(&stored, &live)&varve.Content == 0; got != c.same {
			t.Errorf("%s: content the same: %v", name, got)
		}
		if got := Unchanged(&stored, &live); got != c.same {
			t.Errorf("%s: unchanged: %v", name, got)
		}
	}
}

func TestZeroStampsAreNeverEqual(t *testing.T) {
	a := file()
	for _, stamp := range []varve.Stamp{{}, {Dev: 1}, {Ino: 2}, {CTime: varve.Time{Sec: 1}}} {
		a.Stamp = stamp
		b := a
		if Unchanged(&a, &b) {
			t.Errorf("unchanged with stamp %v", stamp)
		}
	}
}

func TestAFileOnAFarMachineIsUnchangedBySizeAndTimeAlone(t *testing.T) {
	far := func(change func(e *varve.Entry)) *varve.Entry {
		e := file()
		change(&e)
		e.Stamp = FarStamp(e.MTime)
		return &e
	}
	local, young := file(), file()
	young.Stamp = varve.Stamp{}
	for name, c := range map[string]struct {
		base, e *varve.Entry
		want    bool
	}{
		"the same":               {far(func(*varve.Entry) {}), far(func(*varve.Entry) {}), true},
		"the beginning of time":  {far(func(e *varve.Entry) { e.MTime = varve.Time{} }), far(func(e *varve.Entry) { e.MTime = varve.Time{} }), true},
		"another size":           {far(func(*varve.Entry) {}), far(func(e *varve.Entry) { e.Size++ }), false},
		"another time":           {far(func(*varve.Entry) {}), far(func(e *varve.Entry) { e.MTime.Sec++ }), false},
		"too young before":       {&young, far(func(*varve.Entry) {}), false},
		"too young now":          {far(func(*varve.Entry) {}), &young, false},
		"read on a disk before":  {&local, far(func(*varve.Entry) {}), false},
		"read on a disk now":     {far(func(*varve.Entry) {}), &local, false},
		"a directory by now":     {far(func(*varve.Entry) {}), far(func(e *varve.Entry) { e.Kind = varve.Dir }), false},
		"an error on the way":    {far(func(*varve.Entry) {}), far(func(e *varve.Entry) { e.Err = fs.ErrPermission }), false},
		"a stamp of other times": {far(func(e *varve.Entry) { e.MTime.Sec++ }), far(func(*varve.Entry) {}), false},
	} {
		if got := Unchanged(c.base, c.e); got != c.want {
			t.Errorf("%s: unchanged %v", name, got)
		}
	}
}

func TestOnlyReadableRegularFilesAreUnchanged(t *testing.T) {
	for name, change := range map[string]func(e *varve.Entry){
		"a directory": func(e *varve.Entry) { e.Kind = varve.Dir },
		"a symlink":   func(e *varve.Entry) { e.Kind = varve.Symlink },
		"an error":    func(e *varve.Entry) { e.Err = fs.ErrPermission },
	} {
		a, b := file(), file()
		change(&a)
		if Unchanged(&a, &b) || Unchanged(&b, &a) {
			t.Errorf("%s and a file are unchanged", name)
		}
		change(&b)
		if Unchanged(&a, &b) {
			t.Errorf("%s is unchanged", name)
		}
	}
}

func TestContentWithoutDataIsKnown(t *testing.T) {
	empty := varve.Entry{Kind: varve.Regular}
	other := varve.Entry{Kind: varve.Regular}
	if got := Aspects(&empty, &other); got != 0 {
		t.Errorf("two empty files differ in %q", got)
	}
	sparse := varve.Entry{Kind: varve.Regular, Size: 10, Holes: []varve.Extent{{Off: 0, Len: 4}, {Off: 4, Len: 6}}}
	again := sparse
	if got := Aspects(&sparse, &again); got != 0 {
		t.Errorf("two files of holes differ in %q", got)
	}
	unread := varve.Entry{Kind: varve.Regular, Size: 10}
	if got := Aspects(&sparse, &unread); got != varve.Content {
		t.Errorf("a file of holes and an unread one differ in %q", got)
	}
}
