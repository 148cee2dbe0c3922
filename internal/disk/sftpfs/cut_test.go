package sftpfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

// deed is one operation with what has to be there before and after, whatever happens to the line meanwhile.
type deed struct {
	name    string
	prepare func(t *testing.T, dir string)
	do      func(f disk.FS) error
	want    error // nil for success
	check   func(t *testing.T, dir string)
}

// text is the content of a file that takes several requests.
var text = bytes.Repeat([]byte("0123456789abcde\n"), 8_000)

func file(name, content string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
}

func folder(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, name), 0o755)) }
}

func both(one, two func(*testing.T, string)) func(*testing.T, string) {
	return func(t *testing.T, dir string) { one(t, dir); two(t, dir) }
}

// has checks that a directory holds these names and no others.
func has(names ...string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		entries, err := os.ReadDir(dir)
		must(t, err)
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if fmt.Sprint(got) != fmt.Sprint(names) {
			t.Errorf("there is %q, want %q", got, names)
		}
	}
}

// holds checks the content of a file.
func holds(name, content string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if got := onDisk(t, filepath.Join(dir, name)); got != content {
			t.Errorf("%s holds %d bytes that are not the %d wanted", name, len(got), len(content))
		}
	}
}

func put(f disk.FS, name string, sync bool) error {
	w, err := f.Create(name, 0o640)
	if err != nil {
		return err
	}
	for off := 0; off < len(text) && err == nil; off += 50_000 {
		_, err = w.WriteAt(text[off:min(off+50_000, len(text))], int64(off))
	}
	if err == nil {
		err = w.Set(&varve.Entry{MTime: varve.Time{Sec: 1_234_567_890}}, varve.MTime)
	}
	if err == nil && sync {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

func wasPut(t *testing.T, dir string) {
	holds("new", string(text))(t, dir)
	info, err := os.Stat(filepath.Join(dir, "new"))
	must(t, err)
	if info.Mode() != 0o640 || info.ModTime().Unix() != 1_234_567_890 {
		t.Errorf("mode %v, time %v", info.Mode(), info.ModTime())
	}
}

func get(f disk.FS, name string) error {
	r, err := f.Open(name)
	if err != nil {
		return err
	}
	if _, err = r.Info(); err != nil {
		return errors.Join(err, r.Close())
	}
	got, err := io.ReadAll(struct{ io.Reader }{io.NewSectionReader(r, 0, 1<<40)})
	if err == nil && !bytes.Equal(got, text) {
		err = fmt.Errorf("%d bytes read are not the %d there", len(got), len(text))
	}
	return errors.Join(err, r.Close())
}

func deeds() []deed {
	nothing := func(*testing.T, string) {}
	return []deed{
		{"list", both(file("a", ""), folder("b")), func(f disk.FS) error {
			names, err := f.Names()
			if err == nil && len(names) != 2 {
				err = fmt.Errorf("%d names", len(names))
			}
			return err
		}, nil, nothing},
		{"look up", file("a", "123"), func(f disk.FS) error {
			info, err := f.Lookup("a")
			if err == nil && info.Size != 3 {
				err = fmt.Errorf("size %d", info.Size)
			}
			return err
		}, nil, nothing},
		{"look up nothing", nothing, func(f disk.FS) error { _, err := f.Lookup("a"); return err }, fs.ErrNotExist, nothing},
		{"open a directory", folder("a"), func(f disk.FS) error { _, err := f.OpenDir("a"); return err }, nil, nothing},
		{"read", file("a", string(text)), func(f disk.FS) error { return get(f, "a") }, nil, nothing},
		{"write", nothing, func(f disk.FS) error { return put(f, "new", false) }, nil, both(has("new"), wasPut)},
		{"write and sync", nothing, func(f disk.FS) error { return put(f, "new", true) }, nil, both(has("new"), wasPut)},
		{"write over", file("new", "old"), func(f disk.FS) error { return put(f, "new", true) }, fs.ErrExist, holds("new", "old")},
		{"truncate", nothing, func(f disk.FS) error {
			w, err := f.Create("a", 0o600)
			if err != nil {
				return err
			}
			_, err = w.WriteAt([]byte("0123456789"), 0)
			return errors.Join(err, w.Truncate(20), w.Close())
		}, nil, holds("a", "0123456789\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
		{"make a directory", nothing, func(f disk.FS) error { return f.Mkdir("a", 0o777) }, nil, func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, "a"))
			must(t, err)
			if info.Mode() != fs.ModeDir|0o777 {
				t.Errorf("mode %v", info.Mode())
			}
		}},
		{"make a directory over a file", file("a", "x"), func(f disk.FS) error { return f.Mkdir("a", 0o700) }, fs.ErrExist, holds("a", "x")},
		{"make a symlink", nothing, func(f disk.FS) error { return f.Symlink("a", "to/nowhere") }, nil, has("a")},
		{"make a symlink over another", func(t *testing.T, dir string) { must(t, os.Symlink("else", filepath.Join(dir, "a"))) },
			func(f disk.FS) error { return f.Symlink("a", "to/nowhere") }, fs.ErrExist, has("a")},
		{"link", file("a", "x"), func(f disk.FS) error { return f.Link("a", f, "b") }, nil, both(has("a", "b"), holds("b", "x"))},
		{"link over", both(file("a", "x"), file("b", "yy")), func(f disk.FS) error { return f.Link("a", f, "b") }, fs.ErrExist, holds("b", "yy")},
		{"rename", file("a", "x"), func(f disk.FS) error { return f.Rename("a", f, "b") }, nil, both(has("b"), holds("b", "x"))},
		{"rename a new file", nothing, func(f disk.FS) error {
			return errors.Join(put(f, "new", false), f.Rename("new", f, "b"))
		}, nil, both(has("b"), holds("b", string(text)))},
		{"rename a file while it is written", nothing, func(f disk.FS) error {
			w, err := f.Create("a", 0o640)
			if err != nil {
				return err
			}
			_, one := w.WriteAt([]byte("one "), 0)
			err = f.Rename("a", f, "b")
			_, two := w.WriteAt([]byte("two"), 4)
			return errors.Join(one, err, two, w.Sync(), w.Close())
		}, nil, both(has("b"), holds("b", "one two"))},
		{"rename a directory", folder("a"), func(f disk.FS) error { return f.Rename("a", f, "b") }, nil, has("b")},
		{"rename over", both(file("a", "x"), file("b", "y")), func(f disk.FS) error { return f.Rename("a", f, "b") }, fs.ErrExist,
			both(holds("a", "x"), holds("b", "y"))},
		{"replace", both(file("a", "x"), file("b", "y")), func(f disk.FS) error { return f.Replace("a", f, "b") }, nil, both(has("b"), holds("b", "x"))},
		{"remove", file("a", "x"), func(f disk.FS) error { return f.Remove("a") }, nil, has()},
		{"remove a directory", folder("a"), func(f disk.FS) error { return f.Remove("a") }, disk.ErrKind, has("a")},
		{"rmdir", folder("a"), func(f disk.FS) error { return f.Rmdir("a") }, nil, has()},
		{"rmdir of what is not empty", both(folder("a"), file("a/b", "")), func(f disk.FS) error { return f.Rmdir("a") }, disk.ErrNotEmpty, has("a")},
		{"set", file("a", "x"), func(f disk.FS) error {
			e := &varve.Entry{Mode: 0o4711, MTime: varve.Time{Sec: 99}}
			return errors.Join(f.Set("a", e, varve.Mode), f.Set("a", e, varve.MTime))
		}, nil, func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, "a"))
			must(t, err)
			if info.Mode() != fs.ModeSetuid|0o711 || !info.ModTime().Equal(time.Unix(99, 0)) {
				t.Errorf("mode %v, time %v", info.Mode(), info.ModTime())
			}
		}},
		{"space", nothing, func(f disk.FS) error { _, err := f.Space(); return err }, nil, nothing},
		{"lock", nothing, func(f disk.FS) error {
			l, err := f.Lock("a")
			if err != nil {
				return err
			}
			_, err = f.Lock("a")
			if !errors.Is(err, varve.ErrBusy) {
				return errors.Join(fmt.Errorf("the second lock: %w", err), l.Close())
			}
			return l.Close()
		}, nil, has()},
	}
}

func TestALostLineAtAnyPacketEndsEveryOperationAsItShould(t *testing.T) {
	t.Parallel()
	s := &scissors{}
	top := sshtest.Dir(t, -1)
	d := open(t, top, swift(sftpfs.Options{Durable: true, Connections: 1, GiveUp: 24 * time.Hour, Dial: dialCut(t, s, sshtest.SFTPOptions{})}))
	root := d.Root()
	must(t, errors.Join(root.Mkdir("probe", 0o700), root.Rename("probe", root, "probed"))) // learns how the server renames
	cuts := 0
	for _, c := range deeds() {
		for _, answers := range []bool{false, true} {
			for n, cut := 1, true; cut; n++ {
				name := fmt.Sprintf("%d-%s", cuts, c.name)
				dir := filepath.Join(top, name)
				must(t, os.Mkdir(dir, 0o755))
				c.prepare(t, dir)
				f, err := root.OpenDir(name)
				must(t, err)
				s.set(answers, n)
				err = c.do(f)
				if cut = s.unset(); cut {
					cuts++
				}
				if !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("%s, lost at %s %d: error %v, want %v", c.name, kindOf(answers), n, err, c.want)
				}
				c.check(t, dir)
				if t.Failed() {
					t.Fatalf("in %s, lost at %s %d", c.name, kindOf(answers), n)
				}
				must(t, f.Close())
				must(t, os.RemoveAll(dir))
			}
		}
	}
	t.Logf("%d cuts", cuts)
	if cuts < 100 {
		t.Errorf("%d cuts only", cuts)
	}
}

func TestAFileLargerThanWhatALineLetsThroughArrives(t *testing.T) {
	t.Parallel()
	dir := sshtest.Dir(t, -1)
	d := open(t, dir, swift(sftpfs.Options{Connections: 1, Dial: func(context.Context) (io.ReadWriteCloser, error) {
		return sshtest.Faulty(sshtest.SFTPServer(t, sshtest.SFTPOptions{}), sshtest.Faults{CutAfter: 64 << 10}), nil
	}}))
	w, err := d.Root().Create("a", 0o640)
	must(t, err)
	_, err = w.WriteAt(bytes.Repeat(text, 5), 0)
	must(t, err)
	// Everything written is still under way, and only a part of it arrives each time.
	must(t, errors.Join(w.Set(&varve.Entry{MTime: varve.Time{Sec: 99}}, varve.MTime), w.Close()))
	holds("a", string(bytes.Repeat(text, 5)))(t, dir)
}

func kindOf(answers bool) string {
	if answers {
		return "answer"
	}
	return "request"
}
