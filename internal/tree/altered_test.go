package tree_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/restore"
	"varve/internal/storetest"
	"varve/internal/walk"
)

// dir opens a directory of the store.
func (b *bed) dir(path string) disk.FS {
	b.Helper()
	dir, err := disk.OpenPath(b.disk.Root(), path)
	must(b.T, err)
	return dir
}

// overwrite writes into a file of the store as no program should, keeping its times.
func (b *bed) overwrite(path, content string) {
	b.Helper()
	e := varve.Entry{Path: path}
	dir := b.dir(e.Parent())
	info, err := dir.Lookup(e.Name())
	must(b.T, err)
	must(b.T, dir.Remove(e.Name()))
	w, err := dir.Create(e.Name(), info.Mode)
	must(b.T, err)
	_, err = w.WriteAt([]byte(content), 0)
	must(b.T, err)
	must(b.T, w.Set(&info.Entry, varve.MTime))
	must(b.T, w.Close())
}

func TestACopyThatWasAlteredIsNotLinkedTo(t *testing.T) {
	alter := map[string]func(dir disk.FS) error{
		"mode":  func(dir disk.FS) error { return dir.Set("file", &varve.Entry{Mode: 0o777}, varve.Mode) },
		"owner": func(dir disk.FS) error { return dir.Set("file", &varve.Entry{UID: 77}, varve.Owner) },
		"mtime": func(dir disk.FS) error { return dir.Set("file", &varve.Entry{}, varve.MTime) },
		"gone":  func(dir disk.FS) error { return dir.Remove("file") },
		"kind":  func(dir disk.FS) error { return errors.Join(dir.Remove("file"), dir.Mkdir("file", 0o604)) },
		"link":  func(dir disk.FS) error { return errors.Join(dir.Remove("file"), dir.Symlink("file", "/etc/passwd")) },
	}
	for name, change := range alter {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			first := b.save(small())
			must(t, change(b.dir(first.Location+"/dir")))
			b.save(small())
			s := b.store()
			defer s.Close()
			b.holds(s, b.snaps[1].ID, b.states[1:])
			findings := damage(t, s)
			for _, f := range findings {
				if !strings.HasPrefix(f, first.Location+"/") {
					t.Errorf("damage outside the altered snapshot: %s", f)
				}
			}
			if len(findings) == 0 {
				t.Error("Verify finds nothing")
			}
		})
	}
}

func TestVerifyFindsWhatWasDoneToAStore(t *testing.T) {
	harm := map[string]func(b *bed, at string) error{
		"rot": func(b *bed, at string) error {
			b.overwrite(at+"/dir/sub/other", "the content of another f1le")
			return nil
		},
		"a file too many": func(b *bed, at string) error { return b.dir(at).Symlink("extra", "x") },
		"one in an empty place": func(b *bed, at string) error {
			info := b.lookup(at + "/empty")
			return errors.Join(b.dir(at+"/empty").Symlink("extra", "x"), b.dir(at).Set("empty", &info.Entry, varve.MTime))
		},
		"xattrs": func(b *bed, at string) error {
			return b.dir(at+"/dir/sub").Set("other", &varve.Entry{}, varve.Xattrs)
		},
		"a directory's mode": func(b *bed, at string) error { return b.dir(at).Set("dir", &varve.Entry{Mode: 0o7}, varve.Mode) },
		"a directory less":   func(b *bed, at string) error { return b.dir(at).Rmdir("empty") },
		"a symlink's target": func(b *bed, at string) error {
			return errors.Join(b.dir(at+"/dir").Remove("link"), b.dir(at+"/dir").Symlink("link", "x"))
		},
		"a hard link parted":    func(b *bed, at string) error { b.overwrite(at+"/zzz", "the content of a file"); return nil },
		"the snapshot renamed":  func(b *bed, at string) error { return b.dir("s").Rename(at[2:], b.dir("s"), "elsewhere") },
		"the manifest cut":      func(b *bed, _ string) error { b.overwrite(b.manifest(), "varve manifest\n"); return nil },
		"the manifest replaced": func(b *bed, _ string) error { b.overwrite(b.manifest(), b.read(b.manifestOf(1))); return nil },
	}
	for name, do := range harm {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, memfs.Options{})
			src := small()
			src.Dir("empty")
			first := b.save(src)
			src.Write("dir/sub/other", "something else")
			b.save(src)
			must(t, do(b, first.Location))
			s := b.store()
			defer s.Close()
			if len(damage(t, s)) == 0 {
				t.Error("Verify finds nothing")
			}
			b.holds(s, b.snaps[1].ID, b.states[1:])
			must(t, b.trySave(s, src))
			b.holds(s, b.snaps[2].ID, b.states[2:])
		})
	}
}

// manifest is the path of the first snapshot's manifest.
func (b *bed) manifest() string { return b.manifestOf(0) }

func (b *bed) manifestOf(i int) string { return ".varve/manifests/" + b.snaps[i].ID.String() }

func TestADamagedManifestIsToldAndHidesNoOtherSnapshot(t *testing.T) {
	b := newBed(t, memfs.Options{})
	b.save(small())
	b.save(moved())
	whole := b.read(b.manifest())
	for at := 0; at < len(whole); at += 1 + len(whole)/300 {
		b.overwrite(b.manifest(), whole[:at]+string([]byte{whole[at] ^ 0x55})+whole[at+1:])
		s := b.store()
		list, err := s.Snapshots(context.Background())
		if err != nil && !errors.Is(err, varve.ErrDamaged) && !strings.Contains(err.Error(), "format version") {
			t.Errorf("byte %d: the error does not match ErrDamaged: %v", at, err)
		}
		if err != nil && len(list) != 1 || err == nil && len(list) != 2 {
			t.Errorf("byte %d: %d snapshots, error %v", at, len(list), err)
		}
		if len(damage(t, s)) == 0 {
			t.Errorf("byte %d: Verify finds nothing", at)
		}
		b.holds(s, b.snaps[1].ID, b.states[1:2])
		must(t, s.Close())
	}
	must(t, func() error { s := b.store(); defer s.Close(); return b.trySave(s, mixed()) }())
}

func TestWhatAnUnprivilegedStoreCannotHoldIsRestoredByRoot(t *testing.T) {
	src := storetest.Sample()
	b := newBed(t, memfs.Options{UID: 1000, GID: 1000})
	b.save(src)
	b.save(src)
	b.sound()
	s := b.store()
	defer s.Close()
	v, err := s.View(context.Background(), b.snaps[1].ID)
	must(t, err)
	defer v.Close()
	target := memfs.New(memfs.Options{})
	report, err := restore.Run(context.Background(), v, target.Root(), restore.Options{Privileged: true, Progress: func(e restore.Event) {
		if e.Action == restore.Failed || e.Action == restore.Unkept {
			t.Errorf("/%s: %s, %s, %v", e.Path, e.Action, e.Aspect, e.Err)
		}
	}})
	must(t, err)
	if report.Files != b.snaps[1].Files || report.Dirs != b.snaps[1].Dirs {
		t.Errorf("restored %+v, want %+v", report, b.snaps[1])
	}
	found, err := walk.New(target.Root(), []string{""}, walk.Options{})
	must(t, err)
	defer found.Close()
	ignore := varve.Entry{Stamp: varve.Stamp{Ino: 1}, BTime: varve.Time{Sec: 1}, User: "x", Group: "x", Digest: varve.Digest{}}
	want := b.states[1]
	for i := range want {
		want[i].Marks &= varve.Linked
		if want[i].Kind == varve.Symlink {
			want[i].Mode = 0o777
		}
	}
	for _, d := range storetest.Differences(found, want, ignore) {
		t.Error(d)
	}
}
