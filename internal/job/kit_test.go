package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/history"
	"varve/internal/hook"
	"varve/internal/location"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// bed is a machine in memory, with sources in /src, stores in /usb and /box, and what is remembered in /state.
type bed struct {
	*testing.T
	disk   *memfs.Disk
	now    time.Time
	inj    *faultfs.Injector
	config *config.Config
	deps   *Deps

	host    string
	mounted map[string]bool
	slept   []time.Duration
	hooks   []hook.Command
	hookErr map[string]error // by its command line
	events  []string
	warned  []error
	open    func(s *config.Store, p *Place) (*Place, error) // nil opens the store as it is
}

// twoStores is a configuration with all that a test of the order of things wants.
const twoStores = `
[store.usb]
place = "/usb"
keep = { last = 2 }
verify = { every = "never" }
[store.box]
place = "/box"
verify = { every = "never" }
[job.home]
sources = ["/src"]
stores = ["usb", "box"]
schedule = "daily 02:00"
`

func newBed(t *testing.T, text string) *bed {
	t.Helper()
	b := &bed{T: t, now: time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC), host: "host", mounted: map[string]bool{}, hookErr: map[string]error{}}
	b.disk = memfs.New(memfs.Options{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())})
	for _, dir := range []string{"src", "state", "scratch", "usb", "box"} {
		must(t, b.disk.Root().Mkdir(dir, 0o700))
	}
	b.write("src/a", "alpha")
	b.write("src/b", "beta")
	b.parse(text)
	for _, s := range b.config.Stores {
		must(t, location.Init(t.Context(), s.Place, location.Options{OpenDir: b.openDir}))
	}
	b.boot()
	return b
}

func (b *bed) parse(text string) {
	b.Helper()
	c, err := config.Parse("test.toml", []byte(text), config.Options{})
	must(b.T, err)
	b.config = c
}

// boot is the program started anew.
func (b *bed) boot() {
	b.Helper()
	must(b.T, b.tryBoot())
}

func (b *bed) tryBoot() error {
	state, err := b.openDir("/state")
	if err != nil {
		return err
	}
	h, err := history.Open(state, "")
	if err != nil {
		return err
	}
	b.deps = &Deps{Config: b.config, History: h, Now: b.tick, Sleep: b.sleep, Machine: b, Program: "varve test", Open: b.openStore,
		Sources: func(*config.Job) location.Options { return location.Options{OpenDir: b.openDir} }, Hook: b.hook,
		Notify: func(_ context.Context, e Event) error { b.events = append(b.events, string(e.Kind)); return nil },
		Warn:   func(err error) { b.warned = append(b.warned, err) }}
	b.deps.Scratch = func() (disk.FS, func() error, error) {
		dir, err := b.openDir("/scratch")
		return dir, func() error { return dir.Close() }, err
	}
	return nil
}

func (b *bed) tick() time.Time { b.now = b.now.Add(time.Second); return b.now }

func (b *bed) sleep(ctx context.Context, d time.Duration) error {
	b.slept = append(b.slept, d)
	return ctx.Err()
}

func (b *bed) Host() (string, error)             { return b.host, nil }
func (b *bed) Mounted(path string) (bool, error) { return b.mounted[path], nil }
func (b *bed) ReadFile(string) ([]byte, error)   { return nil, fs.ErrNotExist }
func (b *bed) Exists(at string) (bool, error) {
	dir, err := disk.OpenPath(b.disk.Root(), strings.TrimPrefix(path.Dir(at), "/"))
	if err != nil {
		return false, nil
	}
	_, err = dir.Lookup(path.Base(at))
	return err == nil, nil
}

func (b *bed) hook(_ context.Context, c hook.Command) (string, error) {
	b.hooks = append(b.hooks, c)
	return "", b.hookErr[c.Shell]
}

// openDir opens a directory of the machine, through the injector if there is one.
func (b *bed) openDir(at string) (disk.FS, error) {
	root := disk.FS(b.disk.Root())
	if b.inj != nil {
		root = faultfs.New(root, b.inj)
	}
	at = strings.Trim(at, "/")
	if at == "" {
		return root, nil
	}
	defer root.Close()
	return disk.OpenPath(root, at)
}

func (b *bed) openStore(ctx context.Context, s *config.Store, cold bool) (*Place, error) {
	p, err := OpenPlace(ctx, s.Place, location.Options{OpenDir: b.openDir})
	if err != nil || b.open == nil {
		return p, err
	}
	return b.open(s, p)
}

// write puts a file on the machine in the place of what was there.
func (b *bed) write(at, text string) {
	b.Helper()
	dir, err := disk.OpenPath(b.disk.Root(), varve.Parent(at))
	must(b.T, err)
	name := path.Base(at)
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.Fatal(err)
	}
	w, err := dir.Create(name, 0o600)
	must(b.T, err)
	_, err = w.WriteAt([]byte(text), 0)
	must(b.T, errors.Join(err, w.Sync(), w.Close(), dir.Sync()))
}

// run runs the job home a day later.
func (b *bed) run() *Report {
	b.Helper()
	b.now = b.now.Add(24 * time.Hour)
	return Run(b.Context(), b.config.Job("home"), How{}, b.deps)
}

// list returns the snapshots in a store.
func (b *bed) list(name string) []varve.Snapshot {
	b.Helper()
	p, err := OpenPlace(b.Context(), b.config.Store(name).Place, location.Options{OpenDir: b.openDir})
	must(b.T, err)
	list, err := p.Store.Snapshots(b.Context())
	must(b.T, errors.Join(err, p.Close()))
	return list
}

// want checks a result and the number of snapshots in the stores.
func (b *bed) want(r *Report, result history.Result, usb, box int) {
	b.Helper()
	if r.Result != result || len(b.list("usb")) != usb || len(b.list("box")) != box {
		b.Fatalf("%s, %d and %d snapshots; want %s, %d and %d\nerror: %v\nnotes: %q", r.Result, len(b.list("usb")), len(b.list("box")), result,
			usb, box, r.Err, r.Notes)
	}
}

// job returns what is remembered of the job home.
func (b *bed) job() history.Job {
	b.Helper()
	h, err := b.deps.History.Job("home")
	must(b.T, err)
	return h
}

func (b *bed) ran() (names []string) {
	for _, c := range b.hooks {
		names = append(names, c.Shell)
	}
	return names
}

func sameIDs(a, b []varve.Snapshot) bool {
	return slices.EqualFunc(a, b, func(x, y varve.Snapshot) bool { return x.ID == y.ID })
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q does not say %q", text, part)
	}
}

var errBad = fmt.Errorf("bad")

// usedPerSnapshot makes every snapshot take so many bytes.
func usedPerSnapshot(bytes int64, asked *int) func(s *config.Store, p *Place) (*Place, error) {
	return func(_ *config.Store, p *Place) (*Place, error) {
		p.Used = func(ctx context.Context, without []varve.SnapshotID) (Usage, error) {
			*asked++
			list, err := p.Store.Snapshots(ctx)
			return Usage{Bytes: bytes * int64(len(list)-len(without))}, err
		}
		return p, nil
	}
}

// coldOnly opens stores and tells whether that was asked for cold.
func coldOnly(b *bed, cold *bool) func(ctx context.Context, s *config.Store, c bool) (*Place, error) {
	return func(ctx context.Context, s *config.Store, c bool) (*Place, error) {
		*cold = c
		return b.openStore(ctx, s, c)
	}
}

// listed is a source that has entries and no content.
type listed []varve.Entry

func (l listed) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range l {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (listed) Open(context.Context, varve.Entry) (varve.File, error) { return nil, errBad }

// manyFiles are files of which the 7th is the newest, the 42nd the oldest, the last the largest, and some that are no use in a drill.
func manyFiles(n int) listed {
	l := listed{{Kind: varve.Dir}, {Path: "empty", Kind: varve.Regular}, {Path: "err", Kind: varve.Regular, Size: 1, Err: errBad}}
	for i := range n {
		e := varve.Entry{Path: fmt.Sprintf("f%03d", i), Kind: varve.Regular, Size: 10, MTime: varve.Time{Sec: 1000 + int64(i)}, Digest: varve.Digest{1}}
		switch i {
		case 7:
			e.MTime.Sec = 5000
		case 42:
			e.MTime.Sec = -5
		case n - 1:
			e.Size = 11
		}
		l = append(l, e)
	}
	return append(l, varve.Entry{Path: "g", Kind: varve.Regular, Size: 10, SameAs: "f001", Digest: varve.Digest{1}})
}
