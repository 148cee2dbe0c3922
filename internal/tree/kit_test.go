package tree_test

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
	"varve/internal/tree"
)

// TestMain lets garbage pile up: thousands of runs that hold next to nothing would otherwise collect it all the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(512 << 20)
	os.Exit(m.Run())
}

// lacking skips the test, or fails it where nothing may be skipped.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatalf("this machine lacks %s", what)
	}
	t.Skipf("this machine lacks %s", what)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "root")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counter is a source of IDs that are all different.
type counter struct{ n uint64 }

func (c *counter) Read(p []byte) (int, error) {
	clear(p)
	c.n++
	binary.BigEndian.PutUint64(p, c.n)
	return len(p), nil
}

// bed is a store on a disk in memory, and what it should hold.
type bed struct {
	*testing.T
	disk   *memfs.Disk
	use    tree.Options
	now    time.Time
	snaps  []varve.Snapshot
	states [][]varve.Entry // of the snapshots, in the same order
	events []varve.Event   // of the last save
}

// atOnce lets time pass at once.
func atOnce(time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return c
}

// newBed makes an empty store.
func newBed(t *testing.T, opts memfs.Options) *bed {
	t.Helper()
	b := &bed{T: t, disk: memfs.New(opts), now: time.Date(2024, 2, 28, 12, 0, 0, 0, time.UTC)}
	b.use = tree.Options{UID: opts.UID, GID: opts.GID, Privileged: opts.UID == 0, Workers: 1, Random: &counter{}, After: atOnce}
	root := b.disk.Root()
	must(t, tree.Init(root))
	must(t, root.Close())
	return b
}

// open opens the store on a disk that fails as inj has it; nil for one that does not.
func (b *bed) open(inj *faultfs.Injector) (*tree.Store, error) {
	root := b.disk.Root()
	if inj != nil {
		root = faultfs.New(root, inj)
	}
	return tree.Open(root, b.use)
}

func (b *bed) store() *tree.Store {
	b.Helper()
	s, err := b.open(nil)
	must(b.T, err)
	return s
}

func (b *bed) options() varve.SaveOptions {
	b.events = nil
	return varve.SaveOptions{Series: "s", Host: "host", Now: b.clock, Progress: func(e varve.Event) { b.events = append(b.events, e) }}
}

// clock stands still, so that names of snapshots meet.
func (b *bed) clock() time.Time { return b.now }

// trySave makes a snapshot and, where that succeeds, remembers what it should hold.
func (b *bed) trySave(s *tree.Store, src *storetest.Tree) error {
	snap, err := s.Save(context.Background(), src, b.options())
	if err == nil {
		b.snaps, b.states = append(b.snaps, snap), append(b.states, src.Want())
	}
	return err
}

// save makes a snapshot, which must succeed.
func (b *bed) save(src *storetest.Tree) varve.Snapshot {
	b.Helper()
	s := b.store()
	must(b.T, b.trySave(s, src))
	must(b.T, s.Close())
	return b.snaps[len(b.snaps)-1]
}

// forgot takes a snapshot out of what the store should hold.
func (b *bed) forgot(id varve.SnapshotID) {
	i := slices.IndexFunc(b.snaps, func(s varve.Snapshot) bool { return s.ID == id })
	b.snaps, b.states = slices.Delete(b.snaps, i, i+1), slices.Delete(b.states, i, i+1)
}

// sound checks that every snapshot is there and whole, and that nothing is damaged. Snapshots that are listed beside them are
// compared with what also describes.
func (b *bed) sound(also ...[]varve.Entry) {
	b.Helper()
	s := b.store()
	defer s.Close()
	list, err := s.Snapshots(context.Background())
	must(b.T, err)
	for i, snap := range b.snaps {
		if !slices.ContainsFunc(list, func(l varve.Snapshot) bool { return l.ID == snap.ID }) {
			b.Errorf("snapshot %d is gone", i)
		}
	}
	for _, snap := range list {
		want := also
		if i := slices.IndexFunc(b.snaps, func(o varve.Snapshot) bool { return o.ID == snap.ID }); i >= 0 {
			want = [][]varve.Entry{b.states[i]}
		}
		b.holds(s, snap.ID, want)
	}
	b.verifies(s)
}

// holds checks that a snapshot is one of the trees in want.
func (b *bed) holds(s *tree.Store, id varve.SnapshotID, want [][]varve.Entry) {
	b.Helper()
	v, err := s.View(context.Background(), id)
	must(b.T, err)
	defer v.Close()
	var faults []string
	for _, w := range want {
		if faults = storetest.Differences(v, w, varve.Entry{}); len(faults) == 0 {
			return
		}
	}
	b.Errorf("snapshot %s is not what was saved: %s", id.Short(), strings.Join(faults, "\n"))
}

// verifies checks that Verify finds nothing.
func (b *bed) verifies(s *tree.Store) {
	b.Helper()
	for _, finding := range damage(b.T, s) {
		b.Error(finding)
	}
}

// damage returns what Verify finds.
func damage(t *testing.T, s varve.Store) (findings []string) {
	t.Helper()
	report, err := s.Verify(context.Background(), varve.VerifyOptions{Progress: func(e varve.Event) {
		if e.Kind == varve.Damage {
			findings = append(findings, e.Path+": "+e.Err.Error())
		}
	}})
	must(t, err)
	if report.Damage != int64(len(findings)) {
		t.Errorf("%d findings were counted, and %d told", report.Damage, len(findings))
	}
	return findings
}

// names returns the sorted names in the directory at path of the store.
func (b *bed) names(path string) (list []string) {
	b.Helper()
	dir, err := disk.OpenPath(b.disk.Root(), path)
	must(b.T, err)
	names, err := dir.Names()
	must(b.T, err)
	for _, n := range names {
		list = append(list, n.Name)
	}
	slices.Sort(list)
	return list
}

// tidy checks that the store holds its snapshots and nothing else, and that latest is the last.
func (b *bed) tidy() { b.Helper(); b.tidyBeside() }

// tidyBeside is tidy where the store's directory holds something else, too.
func (b *bed) tidyBeside(others ...string) {
	b.Helper()
	var ids, dirs []string
	for _, snap := range b.snaps {
		ids = append(ids, snap.ID.String())
		dirs = append(dirs, strings.TrimPrefix(snap.Location, "s/"))
	}
	latest, err := disk.OpenPath(b.disk.Root(), "s")
	must(b.T, err)
	info, err := latest.Lookup("latest")
	must(b.T, err)
	if info.Target != dirs[len(dirs)-1] {
		b.Errorf("latest is %s, want %s", info.Target, dirs[len(dirs)-1])
	}
	control := []string{"format", "locks", "manifests", "partial", "trash"}
	if slices.Contains(b.names(".varve"), "kept") {
		control = slices.Insert(control, 1, "kept")
	}
	slices.Sort(ids)
	dirs = append(dirs, "latest")
	slices.Sort(dirs)
	top := append([]string{".varve", "s"}, others...)
	slices.Sort(top)
	for path, want := range map[string][]string{"": top, "s": dirs, ".varve/manifests": ids, ".varve/partial": nil,
		".varve/trash": nil, ".varve": control} {
		if got := b.names(path); !slices.Equal(got, want) {
			b.Errorf("/%s holds %q, want %q", path, got, want)
		}
	}
	for _, name := range b.names(".varve/locks") {
		if name != "s" && name != farFile {
			b.Errorf("among the locks is %q", name)
		}
	}
}

// read returns the content of the file at path in the store.
func (b *bed) read(path string) string {
	b.Helper()
	dir, err := disk.OpenPath(b.disk.Root(), varve.Parent(path))
	must(b.T, err)
	e := varve.Entry{Path: path}
	f, err := dir.Open(e.Name())
	must(b.T, err)
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	must(b.T, err)
	return string(data)
}

// lookup returns what the store has at path.
func (b *bed) lookup(path string) disk.Info {
	b.Helper()
	dir, err := disk.OpenPath(b.disk.Root(), varve.Parent(path))
	must(b.T, err)
	e := varve.Entry{Path: path}
	info, err := dir.Lookup(e.Name())
	must(b.T, err)
	return info
}
