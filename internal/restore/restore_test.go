package restore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/faultfs"
	"varve/internal/disk/memfs"
	"varve/internal/place"
	"varve/internal/restore"
	"varve/internal/storetest"
)

func TestAnEmptyTargetBecomesIdentical(t *testing.T) {
	src := sample()
	d := memfs.New(memfs.Options{})
	o := fully(t, d, src, restore.Options{Sync: true})
	identical(t, d, src)
	want := src.Want()
	if n := int64(len(want)); o.Files+o.Dirs != n || o.Created != n-1 {
		t.Errorf("%+v, want %d entries", o.Report, n)
	}
	d.Crash(nil)
	identical(t, d, src)
}

func TestASecondRunFindsEverythingAndChangesNothing(t *testing.T) {
	src := sample()
	for _, path := range []string{"links/flagged", "links/flagged too"} {
		src.Remove(path) // whose flags are set last, without a look
	}
	d := holding(t, src, memfs.Options{})
	inj := &faultfs.Injector{Filter: changes}
	o := into(faultfs.New(d.Root(), inj), src, restore.Options{})
	if !o.exact() || o.Bytes+o.Created+o.Replaced+o.Updated+o.Deleted != 0 {
		t.Errorf("%v, %+v", o.err, o.Report)
	}
	if ops := inj.Ops(); len(ops) > 0 {
		t.Errorf("%d changes: %+v", len(ops), ops[:1])
	}
	identical(t, d, src)
}

func TestADryRunChangesNothingAndSaysWhatARealOneDoes(t *testing.T) {
	for name, have := range map[string]*storetest.Tree{"empty": storetest.NewTree(), "small": small(), "other": other()} {
		for _, remove := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, delete %v", name, remove), func(t *testing.T) {
				d := holding(t, have, memfs.Options{})
				put(t, at(t, d, ""), place.TempName("x"), "left by an interrupted run")
				inj := &faultfs.Injector{Filter: faultfs.Writes}
				dry := into(faultfs.New(d.Root(), inj), other(), restore.Options{DryRun: true, Delete: remove})
				if ops := inj.Ops(); len(ops) > 0 {
					t.Errorf("the dry run makes %d changes: %+v", len(ops), ops[:1])
				}
				must(t, at(t, d, "").Remove(place.TempName("x")))
				real := into(d.Root(), other(), restore.Options{Delete: remove})
				if dry.Bytes = real.Bytes; dry.Report != real.Report {
					t.Errorf("the dry run says %+v, the real one does %+v", dry.Report, real.Report)
				}
				if a, b := told(dry), told(real); !slices.Equal(a, b) {
					t.Errorf("the dry run says\n%q, the real one\n%q", a, b)
				}
			})
		}
	}
}

// told returns what a run told, sorted.
func told(o *outcome) (list []string) {
	for _, e := range o.events {
		aspect := e.Aspect &^ varve.HardLink // which goes away as soon as the other name is dealt with
		list = append(list, fmt.Sprintf("%s /%s (%s)", e.Action, e.Path, aspect))
	}
	slices.Sort(list)
	return list
}

func TestWhateverIsThereTheTargetBecomesIdentical(t *testing.T) {
	rounds := uint64(150)
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(seed, 1))
		have, want := wild(r), wild(r)
		d := holding(t, have, memfs.Options{})
		fully(t, d, want, restore.Options{Delete: true})
		identical(t, d, want)
		fully(t, d, have, restore.Options{Delete: true})
		identical(t, d, have)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// wild returns a random tree of few names, so that two of them have much in common.
func wild(r *rand.Rand) *storetest.Tree {
	t := storetest.NewTree()
	t.Known = true
	dirs := []string{""}
	for range 25 {
		path := varve.Join(dirs[r.IntN(len(dirs))], string(rune('a'+r.IntN(5))))
		if t.At(path) != nil {
			continue
		}
		e := varve.Entry{Kind: varve.Kind(1 + r.IntN(4)), Mode: 0o600 + uint32(r.IntN(2)), UID: r.Uint32N(2),
			MTime: varve.Time{Sec: 1 + r.Int64N(2)}}
		switch files := t.Paths(); {
		case r.IntN(3) == 0 && t.At(files[len(files)-1]).Kind != varve.Dir:
			t.Link(path, files[len(files)-1])
			continue
		case e.Kind == varve.Symlink:
			e.Mode, e.Target = 0o777, string(rune('a'+r.IntN(3)))
		case e.Kind == varve.Dir:
			dirs = append(dirs, path)
		}
		stream := ""
		if e.Kind == varve.Regular {
			stream = storetest.Text(r.IntN(2))
		}
		t.Put(path, e, stream)
	}
	return t
}

func TestExtrasStayUnlessDeleteIsSet(t *testing.T) {
	src := small()
	d := holding(t, src, memfs.Options{})
	put(t, at(t, d, "dir"), "extra", "x")
	must(t, at(t, d, "dir/sub").Mkdir("extra dir", 0o700))
	put(t, at(t, d, "dir/sub/extra dir"), "below", "y")
	if o := fully(t, d, src, restore.Options{}); o.Deleted != 0 {
		t.Errorf("%+v", o.Report)
	}
	for _, path := range []string{"dir/extra", "dir/sub/extra dir/below"} {
		e := varve.Entry{Path: path}
		if _, err := at(t, d, e.Parent()).Lookup(e.Name()); err != nil {
			t.Error(err)
		}
	}
	if o := fully(t, d, src, restore.Options{Delete: true}); o.Deleted != 2 {
		t.Errorf("%+v", o.Report)
	}
	identical(t, d, src)
}

func TestDeleteSparesPassagesMountPointsAndWhatTheSourceCouldNotRead(t *testing.T) {
	src := small()
	src.At("").Marks = varve.Passage
	src.Dir("mount").Marks = varve.MountPoint
	src.Dir("dir/secret").Trouble.Listing = fs.ErrPermission
	src.File("dir/locked", "").Trouble.Entry = fs.ErrPermission
	src.Dir("dir/closed").Trouble.Entry = fs.ErrPermission
	d := holding(t, small(), memfs.Options{})
	put(t, at(t, d, ""), "extra", "")
	put(t, at(t, d, "dir"), "locked", "")
	for _, dir := range []string{"mount", "dir/secret", "dir/closed"} {
		e := varve.Entry{Path: dir}
		must(t, at(t, d, e.Parent()).Mkdir(e.Name(), 0o700))
		put(t, at(t, d, dir), "extra", "")
	}
	put(t, at(t, d, "dir"), "extra", "")
	into(d.Root(), src, restore.Options{Delete: true})
	for path, stays := range map[string]bool{"extra": true, "mount/extra": true, "dir/secret/extra": true, "dir/locked": true,
		"dir/closed/extra": true, "dir/extra": false} {
		e := varve.Entry{Path: path}
		dir, err := disk.OpenPath(d.Root(), e.Parent())
		if err == nil {
			_, err = dir.Lookup(e.Name())
		}
		if stays != (err == nil) {
			t.Errorf("/%s: %v, want it to stay: %v", path, err, stays)
		}
	}
}

func TestWhatInterruptedRunsLeftIsRemoved(t *testing.T) {
	src := small()
	d := holding(t, src, memfs.Options{})
	put(t, at(t, d, "dir"), place.TempName("file"), "half")
	put(t, at(t, d, ""), place.TempName("gone"), "half")
	fully(t, d, src, restore.Options{})
	identical(t, d, src)
}

func TestSymlinksInTheTargetAreReplacedAndNeverFollowed(t *testing.T) {
	src := small()
	d := memfs.New(memfs.Options{})
	root := at(t, d, "")
	for _, dir := range []string{"target", "outside"} {
		must(t, root.Mkdir(dir, 0o755))
	}
	put(t, at(t, d, "outside"), "file", "precious")
	before := tells(t, d, "outside")
	target := at(t, d, "target")
	for _, name := range []string{"dir", "sparse", "zzz", "fifo"} {
		must(t, target.Symlink(name, "../outside"))
	}
	o := into(target, src, restore.Options{Delete: true})
	if !o.exact() {
		t.Fatalf("%v, %+v", o.err, o.events)
	}
	if after := tells(t, d, "outside"); !slices.Equal(before, after) {
		t.Errorf("outside is %v, was %v", after, before)
	}
	for _, fault := range unlike(t, at(t, d, "target"), src.Want()) {
		t.Error(fault)
	}
}

// tells returns what there is to know of a directory and what lies in it.
func tells(t *testing.T, d *memfs.Disk, path string) (list []string) {
	t.Helper()
	dir := at(t, d, path)
	names, err := dir.Names()
	must(t, err)
	for _, n := range append(names, disk.Name{Name: "."}) {
		info, err := dir.Lookup(n.Name)
		must(t, err)
		list = append(list, fmt.Sprintf("%s %+v", n.Name, info))
	}
	return list
}

func TestADirectoryInThePlaceOfAFileIsRemovedOnlyWhereNothingIsLost(t *testing.T) {
	src := storetest.NewTree()
	src.Known = true
	for _, name := range []string{"empty", "full"} {
		src.File(name, "a file")
		src.Put(name+" fifo", varve.Entry{Kind: varve.FIFO, Mode: 0o600}, "")
		src.File("a first name of "+name, "two names")
		src.Link(name+" link", "a first name of "+name)
	}
	d := memfs.New(memfs.Options{})
	for _, name := range []string{"empty", "full", "empty fifo", "full fifo", "empty link", "full link"} {
		must(t, at(t, d, "").Mkdir(name, 0o700))
		if name[0] == 'f' {
			put(t, at(t, d, name), "precious", "x")
		}
	}
	o := into(d.Root(), src, restore.Options{})
	if want := []string{"full", "full fifo", "full link"}; o.err != nil || !slices.Equal(o.failed(), want) {
		t.Errorf("%v, failed are %q, want %q", o.err, o.failed(), want)
	}
	for _, name := range []string{"full", "full fifo", "full link"} {
		if _, err := at(t, d, name).Lookup("precious"); err != nil {
			t.Error(err)
		}
	}
	fully(t, d, src, restore.Options{Delete: true})
	identical(t, d, src)
}

func TestHardLinksAreMadePartedAndRegrouped(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	file := varve.Entry{Kind: varve.Regular, Mode: 0o600, MTime: varve.Time{Sec: 1}}
	var trees []*storetest.Tree
	for _, groups := range []string{"0123", "0000", "0011", "0101", "0110", "0111", "0010"} {
		tree := storetest.NewTree()
		tree.Known = true
		for i, name := range names {
			if first := slices.Index([]byte(groups), groups[i]); first < i {
				tree.Link(name, names[first])
			} else {
				tree.Put(name, file, "the same")
			}
		}
		trees = append(trees, tree)
	}
	for i, have := range trees {
		for j, want := range trees {
			d := holding(t, have, memfs.Options{})
			fully(t, d, want, restore.Options{})
			if identical(t, d, want); t.Failed() {
				t.Fatalf("from %d to %d", i, j)
			}
		}
	}
}

func TestContentThatIsDamagedIsNotRestored(t *testing.T) {
	src := small()
	for _, have := range []*storetest.Tree{storetest.NewTree(), other()} {
		d := holding(t, have, memfs.Options{})
		before := unlike(t, d.Root(), have.Want())
		o := into(d.Root(), lying{src, "zzz"}, restore.Options{})
		if !slices.Equal(o.failed(), []string{"zzz"}) || o.err != nil {
			t.Errorf("%v, failed are %q", o.err, o.failed())
		}
		if !slices.ContainsFunc(o.events, func(e restore.Event) bool { return errors.Is(e.Err, varve.ErrDamaged) }) {
			t.Error("no event tells of damage")
		}
		f, err := at(t, d, "").Open("zzz")
		if have.At("zzz") == nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something lies under the name: %v", err)
			}
			continue
		}
		must(t, err)
		content := make([]byte, len(have.At("zzz").Stream))
		if _, err := f.ReadAt(content, 0); string(content) != have.At("zzz").Stream {
			t.Errorf("what was there became %q, %v", content, err)
		}
		if len(before) > 0 {
			t.Error(before)
		}
	}
}

// lying is a Tree that gives one file other content than its digest says.
type lying struct {
	*storetest.Tree
	path string
}

func (l lying) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	if e.Path != l.path {
		return l.Tree.Open(ctx, e)
	}
	wrong := storetest.NewTree()
	wrong.File(e.Path, storetest.Text(int(e.Size)))
	return wrong.Open(ctx, e)
}

func TestASourceThatIsNoTreeIsRefused(t *testing.T) {
	rootless := storetest.NewTree()
	rootless.Remove("")
	odd := storetest.NewTree()
	odd.At("").Kind = varve.FIFO
	climbing := small()
	climbing.File("dir/..", "x")
	climbing.File("dir/.", "x")
	climbing.File("dir/a\x00b", "x")
	root, dir := varve.Entry{Kind: varve.Dir}, varve.Entry{Path: "a", Kind: varve.Dir}
	link := varve.Entry{Path: "a", Kind: varve.Symlink, Target: "/tmp"}
	below := varve.Entry{Path: "a/b", Kind: varve.Dir}
	for name, src := range map[string]varve.Source{"rootless": rootless, "odd": odd, "climbing": climbing,
		"orphan": list{root, below}, "below a symlink": list{root, link, below}, "twice": list{root, dir, dir}, "empty": list{},
		"below one that is left": list{root, dir, {Path: "b", Kind: varve.Dir}, {Path: "b/c", Kind: varve.Dir}, below}} {
		if o := into(memfs.New(memfs.Options{}).Root(), src, restore.Options{}); o.exact() {
			t.Errorf("%s: %+v", name, o.Report)
		}
	}
}

// list is a Source of entries without content, in any order.
type list []varve.Entry

func (l list) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range l {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l list) Open(context.Context, varve.Entry) (varve.File, error) { return nil, fs.ErrNotExist }

func TestFilesThatCannotBeChangedAreToldOf(t *testing.T) {
	src := small()
	src.Edit("dir/sub/other", func(o *storetest.Object) { o.Flags = 0x10 })
	d := holding(t, src, memfs.Options{})
	identical(t, d, src)
	fully(t, d, src, restore.Options{Delete: true})
	src.Write("dir/sub/other", "this cannot be written")
	if o := into(d.Root(), src, restore.Options{}); !slices.Equal(o.failed(), []string{"dir/sub/other"}) {
		t.Errorf("%v, %+v", o.err, o.events)
	}
}

func TestACancelledRestoreSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	src := sample()
	src.Watch = func(n int) error {
		if n == 300 {
			cancel()
		}
		return nil
	}
	if _, err := restore.Run(ctx, src, memfs.New(memfs.Options{}).Root(), restore.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
