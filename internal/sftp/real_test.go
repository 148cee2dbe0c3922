package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"varve"
)

// content returns n bytes, no two neighbouring stretches of them alike.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*31 ^ byte(i>>16)*17
	}
	return b
}

func TestFilesAreWrittenReadAndClosed(t *testing.T) {
	s, dir := real(t, Options{})
	h := must(t, s, OpenFile("file", FlagWrite|FlagCreate|FlagExclusive, Attrs{Fields: Mode, Mode: 0o600}))
	want := content(3<<20 + 12345)
	if n, err := s.WriteAt(context.Background(), h, want, 0); n != len(want) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if s.Offers(ExtFsync) {
		must(t, s, Fsync(h))
	}
	must(t, s, Close(h))
	if got, err := os.ReadFile(dir + "/file"); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("what was written is not there: %d bytes, %v", len(got), err)
	}
	fails(t, s, OpenFile("file", FlagWrite|FlagCreate|FlagExclusive, Attrs{}), ErrFailure)
	h = must(t, s, OpenFile("file", FlagRead, Attrs{}))
	if a := must(t, s, Fstat(h)); a.Size != int64(len(want)) || a.Kind() != varve.Regular || a.Mode&0o777 != 0o600 || !a.Has(Size|Owner|Mode|Times) {
		t.Errorf("attributes %+v", a)
	}
	readEverySize(t, s, h, want)
	must(t, s, Close(h))
	fails(t, s, Close(h), fs.ErrNotExist)
}

func readEverySize(t *testing.T, s *Session, h Handle, want []byte) {
	t.Helper()
	ctx := context.Background()
	for _, part := range [][2]int{{0, 1}, {0, len(want)}, {5, min(300000, len(want)-5)}, {len(want) - 3, 3}} {
		p := make([]byte, part[1])
		if n, err := s.ReadAt(ctx, h, p, int64(part[0])); n != len(p) || err != nil || !bytes.Equal(p, want[part[0]:part[0]+part[1]]) {
			t.Errorf("read %v: %d, %v", part, n, err)
		}
	}
	p := make([]byte, len(want)+1000)
	if n, err := s.ReadAt(ctx, h, p, 7); n != len(want)-7 || err != io.EOF || !bytes.Equal(p[:n], want[7:]) {
		t.Errorf("read beyond the end: %d, %v", n, err)
	}
	if n, err := s.ReadAt(ctx, h, p, int64(len(want))); n != 0 || err != io.EOF {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	for _, n := range []int64{-1, int64(len(want)) + 5, 1 << 20, 1, 0} {
		r := s.NewReader(ctx, h, 3, n, 0)
		got, err := io.ReadAll(r)
		end := len(want)
		if n >= 0 {
			end = min(end, 3+int(n))
		}
		if err != nil || !bytes.Equal(got, want[3:end]) {
			t.Errorf("reader of %d: %d bytes, %v", n, len(got), err)
		}
		r.Close()
	}
}

func TestAReaderThatIsClosedEarlyLeavesTheSessionGood(t *testing.T) {
	s, dir := real(t, Options{})
	want := content(4 << 20)
	if err := os.WriteFile(dir+"/file", want, 0o600); err != nil {
		t.Fatal(err)
	}
	h := must(t, s, OpenFile("file", FlagRead, Attrs{}))
	r := s.NewReader(context.Background(), h, 0, -1, 1<<20)
	p := make([]byte, 600000)
	if _, err := io.ReadFull(r, p); err != nil || !bytes.Equal(p, want[:len(p)]) {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Read(p); err == nil {
		t.Error("it reads on")
	}
	must(t, s, Close(h))
}

func TestMetadataIsSetAndRead(t *testing.T) {
	s, dir := real(t, Options{})
	if err := os.WriteFile(dir+"/file", []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, s, Symlink("file", "link"))
	if target, err := os.Readlink(dir + "/link"); err != nil || target != "file" {
		t.Errorf("the symlink points to %q, %v", target, err)
	}
	must(t, s, Setstat("link", Attrs{Fields: Mode | Times, Mode: 0o751, ATime: 7, MTime: 1 << 31}))
	a := must(t, s, Stat("link"))
	if a.Mode != 0o100751 || a.ATime != 7 || a.MTime != 1<<31 || a.Size != 5 {
		t.Errorf("stat: %+v", a)
	}
	if a := must(t, s, Lstat("link")); a.Kind() != varve.Symlink {
		t.Errorf("lstat: %+v", a)
	}
	if got := must(t, s, Readlink("link")); got != "file" {
		t.Errorf("readlink: %q", got)
	}
	must(t, s, Lsetstat("link", Attrs{Fields: Times, ATime: 3, MTime: 4}))
	if a := must(t, s, Lstat("link")); a.MTime != 4 {
		t.Errorf("the symlink's time is %d", a.MTime)
	}
	h := must(t, s, OpenFile("file", FlagRead|FlagWrite, Attrs{}))
	must(t, s, Fsetstat(h, Attrs{Fields: Size, Size: 2}))
	must(t, s, Fsetstat(h, Attrs{Fields: Times, ATime: 1, MTime: 1<<32 - 1}))
	if a := must(t, s, Fstat(h)); a.Size != 2 || a.MTime != 1<<32-1 {
		t.Errorf("fstat: %+v", a)
	}
	must(t, s, Fsetstat(h, Attrs{Fields: Owner, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}))
	must(t, s, Close(h))
	fails(t, s, Lstat("gone"), fs.ErrNotExist)
	fails(t, s, Lstat("file/below"), fs.ErrNotExist)
	fails(t, s, Readlink("file"), ErrFailure)
}

func TestNamesAreMadeMovedAndRemoved(t *testing.T) {
	s, dir := real(t, Options{})
	must(t, s, Mkdir("dir", Attrs{Fields: Mode, Mode: 0o700}))
	fails(t, s, Mkdir("dir", Attrs{}), ErrFailure)
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fails(t, s, Rename("a", "b"), ErrFailure)
	must(t, s, Rename("a", "dir/a"))
	must(t, s, PosixRename("dir/a", "b"))
	if got, err := os.ReadFile(dir + "/b"); string(got) != "a" {
		t.Errorf("b holds %q, %v", got, err)
	}
	must(t, s, Hardlink("b", "dir/c"))
	one, _ := os.Stat(dir + "/b")
	if two, err := os.Stat(dir + "/dir/c"); err != nil || !os.SameFile(one, two) {
		t.Errorf("no hard link: %v", err)
	}
	fails(t, s, Hardlink("b", "dir/c"), ErrFailure)
	fails(t, s, Rmdir("dir"), ErrFailure)
	must(t, s, Remove("dir/c"))
	must(t, s, Rmdir("dir"))
	fails(t, s, Remove("dir/c"), fs.ErrNotExist)
	path, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := must(t, s, Realpath(".")); got != path {
		t.Errorf("the session is in %s, not %s", got, path)
	}
}

func TestEveryNameOfADirectoryIsListedOnce(t *testing.T) {
	s, dir := real(t, Options{})
	for _, count := range []int{0, 1, 99, 100, 101, 701} {
		path := fmt.Sprintf("%s/%d", dir, count)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range count {
			want = append(want, fmt.Sprintf("f\n%06d\xff", i))
			if err := os.WriteFile(filepath.Join(path, want[i]), make([]byte, i%7), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for item, err := range s.ListDir(context.Background(), path) {
			if err != nil {
				t.Fatal(err)
			}
			if item.Attrs.Kind() != varve.Regular || item.Attrs.Size > 6 {
				t.Fatalf("attributes %+v", item)
			}
			got = append(got, item.Name)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%d of %d names", len(got), count)
		}
	}
	for _, err := range s.ListDir(context.Background(), "gone") {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	}
}

func TestListingsThatEndEarlyGiveTheirHandlesBack(t *testing.T) {
	s, dir := real(t, Options{})
	for i := range 300 {
		if err := os.WriteFile(fmt.Sprint(dir, "/", i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 300 { // more than a server has handles
		for range s.ListDir(context.Background(), ".") {
			break
		}
	}
	must(t, s, Realpath("."))
}

func TestExtensionsAnswerWhatTheyAreAskedFor(t *testing.T) {
	s, _ := real(t, Options{})
	if space := must(t, s, Statvfs(".")); space.Blocks == 0 || space.NameMax == 0 || space.FragmentSize == 0 || space.Available > space.Blocks {
		t.Errorf("space %+v", space)
	}
	if l := s.Limits(); l.Read != maxContent || l.Write != maxContent || l.Handles == 0 {
		t.Errorf("limits %+v", l)
	}
	if s.Offers(ExtUsersGroups) {
		got := must(t, s, UsersGroups([]uint32{0, 4000000000}, []uint32{4000000000}))
		if !slices.Equal(got.Users, []string{"root", ""}) || !slices.Equal(got.Groups, []string{""}) {
			t.Errorf("names %+v", got)
		}
	}
}

func TestWhatTheServerIsForbiddenIsTold(t *testing.T) {
	s, _ := real(t, Options{}, "-R")
	fails(t, s, Mkdir("dir", Attrs{}), fs.ErrPermission)
	fails(t, s, OpenFile("file", FlagWrite|FlagCreate, Attrs{}), fs.ErrPermission)
}

func TestContentOptionKeepsPacketsSmall(t *testing.T) {
	s, _ := real(t, Options{Content: 10000})
	if l := s.Limits(); l.Read != 10000 || l.Write != 10000 {
		t.Errorf("limits %+v", l)
	}
	h := must(t, s, OpenFile("file", FlagRead|FlagWrite|FlagCreate, Attrs{}))
	want := content(100001)
	if _, err := s.WriteAt(context.Background(), h, want, 0); err != nil {
		t.Fatal(err)
	}
	readEverySize(t, s, h, append(want, 0)[:len(want)])
	if _, err := Do(context.Background(), s, Write(h, 0, want[:10001])); err == nil {
		t.Error("a longer packet was sent")
	}
}
