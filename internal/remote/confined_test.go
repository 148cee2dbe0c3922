package remote

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/digest"
	"varve/internal/disk/memfs"
	"varve/internal/match"
	"varve/internal/storetest"
	"varve/internal/walk"
)

// offering returns a service that walks the directory home/ann of a disk and leaves out what ends in .key.
func offering(t testing.TB) Service {
	t.Helper()
	d := memfs.New(memfs.Options{})
	for dir, names := range map[string][]string{"ann": {"letter", "private.key"}, "ben": {"letter"}} {
		at := d.Root()
		for _, name := range []string{"home", dir} {
			if err := at.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				t.Fatal(err)
			}
			next, err := at.OpenDir(name)
			must(t, err)
			must(t, at.Close())
			at = next
		}
		for _, name := range names {
			f, err := at.Create(name, 0o644)
			must(t, err)
			_, err = f.WriteAt([]byte(dir+" "+name), 0)
			must(t, errors.Join(err, f.Close()))
		}
		must(t, at.Close())
	}
	rules, err := match.ParseExcludeFile("rules", []byte("*.key\n"))
	must(t, err)
	return Service{Role: Read, OpenSource: func(context.Context, SourceRequest) (Walk, []string, error) {
		sources := []string{"home/ann"}
		src, err := walk.New(d.Root(), sources, walk.Options{Match: match.New(rules, sources)})
		return src, []string{"/home/ann"}, err
	}}
}

func TestAClientThatReadsFilesOpensNoneButThoseItWasToldOf(t *testing.T) {
	v := evilClient(t, offering(t))
	src := v.ask(t, msgRequest, jsonOf(t, &request{Op: opSource, Source: &sourceRequest{}}))
	_, _, err := src.receive()
	must(t, err)
	open := func(path string) error {
		c := v.ask(t, msgOpen, (&openRequest{id: src.ID(), entry: fileEntry(path, 10)}).append(nil))
		defer c.Close()
		_, _, err := c.receive()
		return err
	}
	refused := func(when string, paths ...string) {
		t.Helper()
		for _, path := range paths {
			if err := open(path); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s, open %s: %v", when, path, err)
			}
		}
	}
	refused("before anything was listed", "home/ann/letter", "home/ann/private.key", "home/ben/letter")
	v.listed(t, src.ID())
	refused("once all was listed", "home/ann/private.key", "home/ben/letter", "home/ann/absent")
	if err := open("home/ann/letter"); err != nil {
		t.Errorf("open what was listed: %v", err)
	}
}

func TestAClientHasFewFileTreesOpenAtATime(t *testing.T) {
	l := connect(t, offering(t))
	for i := range maxTrees + 1 {
		src, err := l.Source(t.Context(), SourceRequest{}, nil)
		if i == maxTrees {
			if !errors.Is(err, varve.ErrBusy) {
				t.Errorf("one too many: %v", err)
			}
			break
		}
		must(t, err)
		defer src.Close()
	}
}

// boastful is a Source whose files claim to know what only a store can know.
type boastful struct{ *storetest.Tree }

func (b boastful) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for e, err := range b.Tree.Entries(ctx) {
			if e.Kind == varve.Regular {
				b.claim(&e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (boastful) claim(e *varve.Entry) {
	e.Digest, e.Chunks, e.Unkept = digest.Sum([]byte("another")), []varve.Digest{digest.Sum([]byte("another"))}, varve.Owner
}

func (b boastful) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	f, err := b.Tree.Open(ctx, e)
	return boastfulFile{f, b}, err
}

type boastfulFile struct {
	varve.File
	tree boastful
}

func (f boastfulFile) Entry() (varve.Entry, error) {
	e, err := f.File.Entry()
	f.tree.claim(&e)
	return e, err
}

func TestFilesOfAnotherMachineAreNotBelievedWhatOnlyAStoreKnows(t *testing.T) {
	tree := storetest.NewTree()
	tree.File("f", "content")
	src := openSource(t, connect(t, serving(boastful{tree})), nil)
	believed := func(e varve.Entry) bool { return e.Digest != varve.Digest{} || e.Chunks != nil || e.Unkept != 0 }
	for e, err := range src.Entries(t.Context()) {
		must(t, err)
		if believed(e) {
			t.Errorf("listed as %+v", e)
		}
		if e.Kind != varve.Regular {
			continue
		}
		f, err := src.Open(t.Context(), e)
		must(t, err)
		before, err := f.Entry()
		must(t, err)
		_, err = io.Copy(io.Discard, f)
		must(t, err)
		after, err := f.Entry()
		must(t, err)
		if believed(before) || believed(after) {
			t.Errorf("opened as %+v, closed as %+v", before, after)
		}
		must(t, f.Close())
	}
}

// crowded is a store whose only snapshot counts how many listings are made at a time.
type crowded struct {
	varve.Store
	now, most atomic.Int64
	goOn      chan struct{}
}

func (c *crowded) View(context.Context, varve.SnapshotID) (varve.View, error) {
	return crowdedView{c: c}, nil
}

type crowdedView struct {
	varve.View
	c *crowded
}

func (v crowdedView) Close() error { return nil }

func (v crowdedView) Below(context.Context, string) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		n := v.c.now.Add(1)
		for most := v.c.most.Load(); n > most && !v.c.most.CompareAndSwap(most, n); most = v.c.most.Load() {
		}
		<-v.c.goOn
		v.c.now.Add(-1)
		yield(varve.Entry{Path: "f", Kind: varve.FIFO}, nil)
	}
}

func TestFewDirectoriesAreListedAtATime(t *testing.T) {
	const all = 50
	far := &crowded{goOn: make(chan struct{})}
	v, err := connect(t, Service{Role: Full, Store: far}).Store().View(t.Context(), varve.SnapshotID{})
	must(t, err)
	defer v.Close()
	var wg sync.WaitGroup
	for range all {
		wg.Go(func() {
			if list, err := storetest.ReadDir(t.Context(), v, ""); err != nil || len(list) != 1 {
				t.Errorf("%v, error %v", list, err)
			}
		})
	}
	for range all { // each lets one go on
		far.goOn <- struct{}{}
	}
	wg.Wait()
	if most := far.most.Load(); most > maxListings {
		t.Errorf("%d directories were listed at a time", most)
	}
}
