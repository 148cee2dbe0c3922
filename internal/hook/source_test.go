//go:build unix

package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/ahead"
	"varve/internal/backend/mem"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
	"varve/internal/tree"
	"varve/internal/vault"
)

var now = time.Unix(1_700_000_000, 0)

func source(t *testing.T, files ...File) *Source {
	t.Helper()
	s, err := NewSource(files, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func paths(t *testing.T, src varve.Source) (list []string) {
	t.Helper()
	for e, err := range src.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Path)
	}
	return list
}

// stores returns a new store of every kind.
func stores(t *testing.T) map[string]varve.Store {
	t.Helper()
	root := memfs.New(memfs.Options{}).Root()
	if err := tree.Init(root); err != nil {
		t.Fatal(err)
	}
	plain, err := tree.Open(root, tree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	storage := mem.New(mem.Options{})
	key, err := vault.Init(t.Context(), storage, vault.InitOptions{Unencrypted: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := vault.Open(t.Context(), storage, vault.Credentials{Key: &key}, vault.Options{Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sealed.Close() })
	return map[string]varve.Store{"tree": plain, "vault": sealed}
}

func options(ahead int) varve.SaveOptions {
	return varve.SaveOptions{Series: "host:job", Host: "host", Program: "test", Now: func() time.Time { return now }, Ahead: ahead}
}

func content(t *testing.T, store varve.Store, id varve.SnapshotID, path string) string {
	t.Helper()
	v, err := store.View(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Path != path {
			continue
		}
		f, err := v.Open(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		if err != nil || e.Size != int64(len(text)) {
			t.Fatalf("%d bytes of %d: %v", len(text), e.Size, err)
		}
		return string(text)
	}
	t.Fatalf("/%s is not in the snapshot", path)
	return ""
}

func TestPathsOfOutputsMustMakeSense(t *testing.T) {
	for _, list := range [][]string{{""}, {"/"}, {"dump"}, {"/a/../b"}, {"/a/"}, {"//a"}, {"/a\x00"}, {"/a", "/a"}, {"/a", "/a/b"}, {"/a/b", "/a"}} {
		var files []File
		for _, p := range list {
			files = append(files, File{Path: p, Command: Command{Shell: "true"}})
		}
		if _, err := NewSource(files, now); err == nil {
			t.Errorf("%q was taken", list)
		}
	}
	if _, err := NewSource([]File{{Path: "/a"}}, now); err == nil {
		t.Error("no command was taken")
	}
	got := paths(t, source(t, File{"/b/x", Command{Shell: "true"}}, File{"/b/c/d", Command{Shell: "true"}}, File{"/a", Command{Shell: "true"}}))
	if want := []string{"", "a", "b", "b/c", "b/x", "b/c/d"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOutputOfCommandsIsSavedBesideFiles(t *testing.T) {
	files := storetest.NewTree()
	files.Dir("dumps")
	files.File("dumps/old", "old")
	files.File("other", "other")
	large := strings.Repeat("many lines, many times\n", 100_000)
	for name, store := range stores(t) {
		for _, opened := range []int{0, 4} {
			t.Run(fmt.Sprintf("%s, %d ahead", name, opened), func(t *testing.T) {
				log := filepath.Join(t.TempDir(), "log")
				begun := func(script string) Command {
					return Command{Argv: []string{"/bin/sh", "-c", "echo x >> \"$0\"; " + script, log}}
				}
				src := source(t, File{"/dumps/small", begun("echo hello")}, File{"/dumps/empty", begun("true")},
					File{"/dumps/large", begun("yes 'many lines, many times' | head -n 100000")})
				snap, err := src.Save(t.Context(), store, files, options(opened))
				if err != nil || snap.State != varve.Complete || snap.Changed != 0 {
					t.Fatalf("%+v, %v", snap, err)
				}
				for path, want := range map[string]string{"dumps/small": "hello\n", "dumps/empty": "", "dumps/large": large, "dumps/old": "old", "other": "other"} {
					if content(t, store, snap.ID, path) != want {
						t.Errorf("/%s is wrong", path)
					}
				}
				if text, _ := os.ReadFile(log); string(text) != "x\nx\nx\n" {
					t.Errorf("commands were run %d times, not 3", len(text)/2)
				}
			})
		}
	}
}

func TestACommandThatFailsMakesNoSnapshot(t *testing.T) {
	files := storetest.NewTree()
	files.File("a", "a")
	files.File("z", "z")
	for name, store := range stores(t) {
		for how, script := range map[string]string{
			"at once": "exit 3", "at the end": "echo dump; exit 3", "after much": "yes | head -c 2000000; exit 3", "cannot start": "",
		} {
			for _, path := range []string{"/a1", "/m/m", "/zz/zz"} {
				for _, with := range []varve.Source{files, nil} {
					c := Command{Name: "dump", Shell: script}
					if script == "" {
						c = Command{Name: "dump", Argv: []string{"/nonexistent/program"}}
					}
					src := source(t, File{"/ok", Command{Shell: "echo fine"}}, File{path, c})
					snap, err := src.Save(t.Context(), store, with, options(0))
					if err == nil || !strings.Contains(err.Error(), "dump: ") || snap.ID != (varve.SnapshotID{}) {
						t.Errorf("%s, %s, %s: %v, %v", name, how, path, snap.ID, err)
					}
				}
			}
		}
		if list, err := store.Snapshots(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%s: %d snapshots, %v", name, len(list), err)
		}
		src := source(t, File{"/m/m", Command{Shell: "echo again"}})
		if snap, err := src.Save(t.Context(), store, files, options(0)); err != nil || content(t, store, snap.ID, "m/m") != "again\n" {
			t.Errorf("%s: the next run: %v", name, err)
		}
	}
}

// deaf is a store that goes on whatever happens to its context.
type deaf struct{ varve.Store }

func (d deaf) Save(ctx context.Context, src varve.Source, opts varve.SaveOptions) (varve.Snapshot, error) {
	return d.Store.Save(context.WithoutCancel(ctx), src, opts)
}

func TestASnapshotOfAFailedCommandIsTakenBackWhateverTheStoreDoes(t *testing.T) {
	for name, store := range stores(t) {
		src := source(t, File{"/dump", Command{Shell: "echo dump; exit 3"}})
		if _, err := src.Save(t.Context(), deaf{store}, nil, options(0)); err == nil {
			t.Errorf("%s: saved", name)
		}
		if list, err := store.Snapshots(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%s: %d snapshots, %v", name, len(list), err)
		}
	}
}

func TestACancelledSaveOfCommandsIsNoFailureOfTheirs(t *testing.T) {
	for name, store := range stores(t) {
		ctx, cancel := context.WithCancel(t.Context())
		fifo := filepath.Join(t.TempDir(), "fifo")
		src := source(t, File{"/dump", Command{Argv: []string{"/bin/sh", "-c", "mkfifo \"$0\"; echo x; sleep 1000", fifo}}})
		opts := options(0)
		done := make(chan error)
		go func() { _, err := src.Save(ctx, store, nil, opts); done <- err }()
		for _, err := os.Stat(fifo); err != nil; _, err = os.Stat(fifo) {
			time.Sleep(time.Millisecond)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || src.Err() != nil {
			t.Errorf("%s: %v, %v", name, err, src.Err())
		}
	}
}

func TestAnOutputThatWasBarelyReadIsOpenedAgainWithoutRunningTwice(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	src := source(t, File{"/dump", Command{Argv: []string{"/bin/sh", "-c", "echo x >> \"$0\"; seq 1 400000", log}}})
	e := varve.Entry{Path: "dump", Kind: varve.Regular}
	var want strings.Builder
	for i := range 400_000 {
		fmt.Fprintln(&want, i+1)
	}
	for i, n := range []int{0, 10, 500_000, 100, want.Len()} {
		f, err := src.Open(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, n)
		if _, err := io.ReadFull(f, got); err != nil || string(got) != want.String()[:n] {
			t.Fatalf("%d: %d bytes: %v", i, n, err)
		}
		if n == want.Len() {
			if _, err := f.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := os.ReadFile(log); string(text) != "x\n" {
		t.Errorf("it was run %d times", len(text)/2)
	}
	src.Close()
	if _, err := src.Open(t.Context(), e); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("opened after Close: %v", err)
	}
}

func TestReadingAheadOfCommandsLeavesNothingBehind(t *testing.T) {
	src := source(t, File{"/dump", Command{Shell: "yes"}})
	a := ahead.New(t.Context(), src, 2)
	for e, err := range src.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		a.Want(e)
	}
	if err := errors.Join(a.Close(), src.Close(), src.Err()); err != nil {
		t.Error(err)
	}
}
