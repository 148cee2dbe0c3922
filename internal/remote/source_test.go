package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/storetest"
)

// openSource opens the files that a client's far side serves, and has them listed once, since no others can be opened.
func openSource(t testing.TB, l *link, basis Basis) *Source {
	t.Helper()
	src, err := l.Source(t.Context(), SourceRequest{}, basis)
	must(t, err)
	t.Cleanup(func() { src.Close() })
	for _, err := range src.Entries(t.Context()) {
		must(t, err)
	}
	return src
}

func TestFarFilesAreWhatTheyAre(t *testing.T) {
	sample := storetest.Sample()
	src := openSource(t, connect(t, serving(sample)), nil)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for _, d := range storetest.Differences(src, sample.Want(), varve.Entry{}) {
				t.Error(d)
			}
		})
	}
	wg.Wait()
}

func TestTheRequestArrivesAndWhatWasLeftOutIsToldAtTheEnd(t *testing.T) {
	want := SourceRequest{Sources: []string{"/a\xff", "~/b"}, Excludes: []Exclude{{Text: "*.o"}, {Text: "x\n\xfe", Name: "/etc/rules"}},
		IgnoreFile: ".ignore", OneFileSystem: true, IfPresent: []Marker{{Name: "m", Header: "\x00"}}, LargerThan: 7}
	var got SourceRequest
	var closed atomic.Int64
	svc := Service{Role: Full, OpenSource: func(_ context.Context, r SourceRequest) (Walk, []string, error) {
		got = r
		return walked{storetest.NewTree(), []string{"/proc\xff"}, []error{errors.New("bad \x1b line")}, &closed}, []string{"/a\xff"}, nil
	}}
	l := connect(t, svc)
	src, err := l.Source(t.Context(), want, nil)
	must(t, err)
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(src.Sources(), []string{"/a\xff"}) {
		t.Errorf("asked for %+v, opened %q", got, src.Sources())
	}
	for _, err := range src.Entries(t.Context()) {
		must(t, err)
	}
	if !reflect.DeepEqual(src.LeftOut(), []string{"/proc\xff"}) || fmt.Sprint(src.Complaints()) != `[bad \x1b line]` {
		t.Errorf("left out %q, complaints %v", src.LeftOut(), src.Complaints())
	}
	must(t, src.Close())
	l.close()
	if closed.Load() != 1 {
		t.Errorf("the far side closed the files %d times", closed.Load())
	}
}

func TestHowManyMoreWereLeftOutIsTold(t *testing.T) {
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("/mnt/%0100d", i))
	}
	svc := Service{Role: Full, OpenSource: func(context.Context, SourceRequest) (Walk, []string, error) {
		return walked{Source: storetest.NewTree(), left: many}, nil, nil
	}}
	src := openSource(t, connect(t, svc), nil)
	for _, err := range src.Entries(t.Context()) {
		must(t, err)
	}
	got := src.LeftOut()
	last := got[len(got)-1]
	if want := fmt.Sprintf("and %d more", len(many)-len(got)+1); len(got) < 1000 || !strings.HasSuffix(last, want) {
		t.Errorf("%d are told, the last is %q, want %q", len(got), last, want)
	}
}

func TestErrorsOfFarFilesKeepTheirKindAndTheirText(t *testing.T) {
	tree := storetest.NewTree()
	for name, err := range map[string]error{"gone": fs.ErrNotExist, "locked": fs.ErrPermission, "broken": varve.ErrUnreadable} {
		tree.File("entry "+name, "x").Trouble.Entry = fmt.Errorf("entry\n: %w", err)
		tree.File("open "+name, "x").Trouble.Open = fmt.Errorf("open: %w", err)
		tree.File("read "+name, "xxxx").Trouble.Read = fmt.Errorf("read: %w", err)
	}
	tree.File("open fails", "x").Trouble.Open = errors.New("the disk is gone")
	src := openSource(t, connect(t, serving(tree)), nil)
	kinds := map[string]error{"gone": fs.ErrNotExist, "locked": fs.ErrPermission, "broken": varve.ErrUnreadable}
	for e, err := range src.Entries(t.Context()) {
		must(t, err)
		how, what, _ := strings.Cut(e.Path, " ")
		got := e.Err
		if e.Kind == varve.Regular && got == nil {
			got = readAll(src, e)
		}
		if what == "fails" {
			if got == nil || concernsOneFile(got) {
				t.Errorf("a source that fails: %v", got)
			}
			continue
		}
		if e.Path != "" && (!errors.Is(got, kinds[what]) || !strings.Contains(got.Error(), how) || strings.Contains(got.Error(), "\n")) {
			t.Errorf("%s: %v", e.Path, got)
		}
		for name, kind := range kinds {
			if e.Path != "" && errors.Is(got, kind) != (name == what) && !(name == "broken" && how == "read") {
				t.Errorf("%s also matches %v", e.Path, kind)
			}
		}
	}
}

// readAll reads a file and returns what is wrong with it.
func readAll(src varve.Source, e varve.Entry) error {
	f, err := src.Open(context.Background(), e)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

func TestAFileTellsWhatItIsBeforeWithinAndAfter(t *testing.T) {
	tree := storetest.NewTree()
	tree.File("changes", storetest.Text(300_000)).Trouble.Changes = true
	tree.File("empty", "")
	src := openSource(t, connect(t, serving(tree)), nil)
	var list []varve.Entry
	for e, err := range src.Entries(t.Context()) {
		must(t, err)
		list = append(list, e)
	}
	for _, e := range list[1:] {
		f, err := src.Open(t.Context(), e)
		must(t, err)
		before, err := f.Entry()
		must(t, err)
		if _, err := f.Entry(); err != nil { // asked for on the way
			t.Error(err)
		}
		if _, err := io.CopyN(io.Discard, f, e.Size); err != nil { // not up to io.EOF
			t.Error(err)
		}
		after, err := f.Entry()
		must(t, err)
		if reflect.DeepEqual(before, after) == (e.Path == "changes") || before.Path != e.Path {
			t.Errorf("%s: %+v before, %+v after", e.Path, before, after)
		}
		if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%s goes on: %d, %v", e.Path, n, err)
		}
		must(t, f.Close())
	}
}

func TestManyFilesAreOpenAtATime(t *testing.T) {
	tree := storetest.NewTree()
	for i := range 3 * Ahead {
		tree.File(fmt.Sprintf("file %03d", i), storetest.Text(100+i))
	}
	src := openSource(t, connect(t, serving(tree)), nil)
	var files []varve.File
	for _, e := range tree.Want()[1 : 1+Ahead] {
		f, err := src.Open(t.Context(), e)
		must(t, err)
		files = append(files, f)
	}
	for i := range files {
		f := files[len(files)-1-i]
		data, err := io.ReadAll(f)
		e, _ := f.Entry()
		if err != nil || string(data) != tree.At(e.Path).Stream {
			t.Errorf("%s: %d bytes, error %v", e.Path, len(data), err)
		}
		must(t, f.Close())
	}
}

func TestACancelledReadEnds(t *testing.T) {
	tree := storetest.NewTree()
	tree.File("big", storetest.Text(1<<20))
	l := connect(t, serving(tree))
	src := openSource(t, l, nil)
	ctx, cancel := context.WithCancel(t.Context())
	f, err := src.Open(ctx, tree.Want()[1])
	must(t, err)
	defer f.Close()
	cancel()
	if _, err := io.Copy(io.Discard, f); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if _, err := src.Open(ctx, tree.Want()[1]); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	for _, err := range src.Entries(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("entries: %v", err)
		}
	}
	if _, err := l.Source(ctx, SourceRequest{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("source: %v", err)
	}
}
