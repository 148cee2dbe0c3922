package part

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/place"
)

// view is a snapshot in memory. What is in broken cannot be listed.
type view struct {
	entries []varve.Entry // in listing order
	broken  map[string]error
	read    []string // paths that Below has yielded
	opened  []varve.Entry
}

func (v *view) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range v.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (v *view) Below(_ context.Context, path string) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		if !slices.ContainsFunc(v.entries, func(e varve.Entry) bool { return e.Path == path && e.Kind == varve.Dir }) {
			yield(varve.Entry{}, fs.ErrNotExist)
			return
		}
		for _, e := range v.entries {
			if e.Path == path || !varve.Within(e.Path, path) {
				continue
			}
			if err := v.broken[e.Parent()]; err != nil {
				yield(varve.Entry{}, err)
				return
			}
			v.read = append(v.read, e.Path)
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (v *view) Open(_ context.Context, e varve.Entry) (varve.File, error) {
	v.opened = append(v.opened, e)
	for _, have := range v.entries {
		if have.Path == e.Path {
			return memFile{strings.NewReader(have.Path), have}, nil
		}
	}
	return nil, fs.ErrNotExist
}

func (v *view) Close() error { return nil }

// memFile is a file whose content is its path in the view.
type memFile struct {
	io.Reader
	entry varve.Entry
}

func (f memFile) Close() error                { return nil }
func (f memFile) Sum() (varve.Digest, bool)   { return varve.Digest{7}, true }
func (f memFile) Entry() (varve.Entry, error) { return f.entry, nil }

// snapshot makes a view: "a/" is a directory, "a=b" a hard link to b, anything else a file. Every entry has a UID of its own.
func snapshot(paths ...string) *view {
	v := &view{}
	for i, path := range paths {
		e := varve.Entry{Kind: varve.Regular, UID: uint32(i)}
		e.Path, e.SameAs, _ = strings.Cut(path, "=")
		if dir, ok := strings.CutSuffix(path, "/"); ok {
			e.Path, e.Kind = dir, varve.Dir
		}
		v.entries = append(v.entries, e)
	}
	return v
}

// collect returns the entries of s as snapshot takes them.
func collect(t *testing.T, s varve.Source) (paths []string, err error) {
	t.Helper()
	for e, err := range s.Entries(t.Context()) {
		if err != nil {
			return paths, err
		}
		path := e.Path
		if e.SameAs != "" {
			path += "=" + e.SameAs
		}
		if e.Kind == varve.Dir {
			path += "/"
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func wantEntries(t *testing.T, s varve.Source, want ...string) {
	t.Helper()
	if got, err := collect(t, s); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func mustOf(t *testing.T, v varve.View, path string) (varve.Source, varve.Entry) {
	t.Helper()
	s, e, err := Of(t.Context(), v, path)
	if err != nil {
		t.Fatal(err)
	}
	return s, e
}

func TestADirectoryIsTheRootOfItsPart(t *testing.T) {
	v := snapshot("/", "a/", "ab/", "b", "a/x/", "a/y", "a/z/", "a/x/deep/", "a/x/f", "a/x/deep/g", "a/z/h", "ab/no")
	s, e := mustOf(t, v, "a")
	if e.Path != "a" || e.UID != 1 {
		t.Errorf("the entry is %v", e)
	}
	wantEntries(t, s, "/", "x/", "y", "z/", "x/deep/", "x/f", "x/deep/g", "z/h")
	wantEntries(t, s, "/", "x/", "y", "z/", "x/deep/", "x/f", "x/deep/g", "z/h")
	for e := range s.Entries(t.Context()) {
		if e.UID != 1 || e.Marks != 0 {
			t.Errorf("the root is %v", e)
		}
		break
	}
	deep, _ := mustOf(t, v, "a/x/deep")
	wantEntries(t, deep, "/", "g")
}

func TestTheEmptyPathIsTheWholeSnapshot(t *testing.T) {
	v := snapshot("/", "a/", "a/x")
	s, e := mustOf(t, v, "")
	if s != varve.Source(v) || e.Path != "" || e.Kind != varve.Dir {
		t.Errorf("got %v, %v", s, e)
	}
}

func TestAFileLiesInARootUnderItsName(t *testing.T) {
	v := snapshot("/", "a/", "top", "a/b/", "a/b/e", "a/b/f=a/b/e", "a/b/g")
	s, e := mustOf(t, v, "a/b/f")
	if e.Path != "a/b/f" || e.SameAs != "a/b/e" {
		t.Errorf("the entry is %v", e)
	}
	wantEntries(t, s, "/", "f")
	for root := range s.Entries(t.Context()) {
		if root.UID != 3 || root.Marks != varve.Passage || root.Kind != varve.Dir {
			t.Errorf("the root is %v", root)
		}
		break
	}
	top, _ := mustOf(t, v, "top")
	wantEntries(t, top, "/", "top")
}

func TestHardLinksOutOfThePartAreLinkedAmongThemselves(t *testing.T) {
	v := snapshot("/", "a/", "o1", "o2", "a/d/", "a/in", "a/p=o1", "a/q=o2", "a/r=a/in", "a/s=o1", "a/d/t=o1", "a/d/u=a/in", "a/d/v=o2")
	s, _ := mustOf(t, v, "a")
	for range 2 { // each sequence counts on its own
		wantEntries(t, s, "/", "d/", "in", "p", "q", "r=in", "s=p", "d/t=p", "d/u=in", "d/v=q")
	}
	for e := range s.Entries(t.Context()) {
		if first := e.Path == "p" || e.Path == "q"; first != (e.Marks == varve.Linked) {
			t.Errorf("%q has marks %b", e.Path, e.Marks)
		}
	}
}

func TestAPathThatDoesNotExistIsNamed(t *testing.T) {
	v := snapshot("/", "a/", "f", "a/x")
	for _, path := range []string{"b", "a/y", "f/x", "b/c/d", "/a", "a/", "a//x", ".", "..", "a/../f", "A"} {
		s, _, err := Of(t.Context(), v, path)
		if s != nil || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `"`+path+`"`) {
			t.Errorf("%q: got %v, %v", path, s, err)
		}
	}
}

func TestOpenLeadsBackToTheView(t *testing.T) {
	v := snapshot("/", "a/", "top", "a/d/", "a/x", "a/d/f", "a/d/g=a/x")
	for _, c := range []struct{ part, open, sameAs, want string }{
		{"a", "d/f", "", "a/d/f"}, {"a", "d/g", "x", "a/d/g"}, {"a/d", "g", "", "a/d/g"}, {"a/d/f", "f", "", "a/d/f"}, {"top", "top", "", "top"},
	} {
		s, _ := mustOf(t, v, c.part)
		f, err := s.Open(t.Context(), varve.Entry{Path: c.open, SameAs: c.sameAs, Kind: varve.Regular})
		if err != nil {
			t.Fatal(err)
		}
		content, readErr := io.ReadAll(f)
		e, err := f.Entry()
		if string(content) != c.want || readErr != nil || err != nil || e.Path != c.open || e.SameAs != c.sameAs || f.Close() != nil {
			t.Errorf("%s in %s: got %q, %v, %v, %v", c.open, c.part, content, readErr, e, err)
		}
	}
	s, _ := mustOf(t, v, "a")
	f, err := s.Open(t.Context(), varve.Entry{Path: "x", Kind: varve.Regular})
	if err != nil {
		t.Fatal(err)
	}
	if d, known := f.(place.Summed).Sum(); !known || d != (varve.Digest{7}) {
		t.Error("the digest that the view knows is lost")
	}
	if got := v.opened[1].SameAs; got != "a/x" {
		t.Errorf("the view was asked for a link to %q", got)
	}
	if f, err := s.Open(t.Context(), varve.Entry{Path: "gone"}); f != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, %v", f, err)
	}
}

func TestWhatLiesInThePartAndNothingElseIsReadOnce(t *testing.T) {
	v := snapshot("/", "a/", "b/", "a/x/", "a/y/", "b/no/", "a/x/z/")
	s, _ := mustOf(t, v, "a")
	v.read = nil
	got, err := collect(t, s)
	if err != nil || len(v.read) != len(got)-1 {
		t.Errorf("%q is read for %q, %v", v.read, got, err)
	}
	v.read = nil
	for e := range s.Entries(t.Context()) {
		if e.Path == "y" {
			break
		}
	}
	if last := v.read[len(v.read)-1]; last != "a/y" {
		t.Errorf("%q is read ahead of need", last)
	}
}

func TestAListingThatFailsBreaksTheSequenceOff(t *testing.T) {
	v := snapshot("/", "a/", "a/x/", "a/y", "a/x/z")
	v.broken = map[string]error{"a/x": varve.ErrDamaged}
	s, _ := mustOf(t, v, "a")
	got, err := collect(t, s)
	if !errors.Is(err, varve.ErrDamaged) || !strings.Contains(err.Error(), `"a"`) || !slices.Equal(got, []string{"/", "x/", "y"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, _, err := Of(t.Context(), v, "a/x/z"); !errors.Is(err, varve.ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestACancelledContextBreaksTheSequenceOff(t *testing.T) {
	s, _ := mustOf(t, snapshot("/", "a/", "a/x"), "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, last = range s.Entries(ctx) {
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v", last)
	}
}

// liar is a view that has below "a" what a test says.
type liar struct {
	*view
	listing []varve.Entry
}

func (l liar) Below(ctx context.Context, path string) iter.Seq2[varve.Entry, error] {
	if path != "a" {
		return l.view.Below(ctx, path)
	}
	return func(yield func(varve.Entry, error) bool) {
		for _, e := range l.listing {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestListingsThatCannotBeAreDamage(t *testing.T) {
	for _, listing := range [][]string{{"b"}, {"a/"}, {""}, {"a/x/y"}, {"ab"}, {"a/x", "a/x"}, {"a/y", "a/x"}, {"x"}} {
		l := liar{view: snapshot("/", "a/")}
		for _, path := range listing {
			l.listing = append(l.listing, varve.Entry{Path: path, Kind: varve.Dir})
		}
		s, _ := mustOf(t, l, "a")
		if got, err := collect(t, s); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%q: got %q, %v", listing, got, err)
		}
	}
	name := varve.Entry{Path: "a//", Kind: varve.Dir}
	s, _ := mustOf(t, liar{snapshot("/", "a/"), []varve.Entry{name}}, "a")
	if got, err := collect(t, s); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestASnapshotWithoutARootIsDamaged(t *testing.T) {
	for _, v := range []*view{{}, snapshot("a")} {
		for _, path := range []string{"", "a"} {
			if _, _, err := Of(t.Context(), v, path); err == nil {
				t.Errorf("%v, %q: no error", v.entries, path)
			}
		}
		if _, _, err := Of(t.Context(), v, ""); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%v: got %v", v.entries, err)
		}
	}
}

func TestEveryPartIsWhatTheWholeHasBelowItsPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, dirs := drawView(t)
		base := rapid.SampledFrom(dirs).Draw(t, "part")
		s, _, err := Of(context.Background(), v, base)
		if err != nil {
			t.Fatal(err)
		}
		var want []varve.Entry
		for _, e := range v.entries {
			if varve.Within(e.Path, base) {
				want = append(want, e)
			}
		}
		object := map[string]string{} // by path in the part, the object in the view
		n := 0
		for e, err := range s.Entries(context.Background()) {
			if err != nil || n == len(want) {
				t.Fatalf("entry %d of %d: %v, %v", n, len(want), e, err)
			}
			w := want[n]
			n++
			if e.UID != w.UID || strings.Trim(varve.Join(base, e.Path), "/") != w.Path {
				t.Fatalf("got %v, want %v", e, w)
			}
			identity := w.SameAs
			if identity == "" {
				identity = w.Path
			}
			object[e.Path] = identity
			if e.SameAs != "" && object[e.SameAs] != identity {
				t.Fatalf("%q is linked to %q, the object %q", e.Path, e.SameAs, object[e.SameAs])
			}
			for path, other := range object {
				if path != e.Path && other == identity && e.SameAs == "" {
					t.Fatalf("%q is not linked to %q any more", e.Path, path)
				}
			}
		}
		if n != len(want) {
			t.Fatalf("%d entries, want %d", n, len(want))
		}
	})
}

// drawView draws a snapshot with hard links, and returns its directories too.
func drawView(t *rapid.T) (*view, []string) {
	kinds, dirs := map[string]varve.Kind{"": varve.Dir}, []string{""}
	for range rapid.IntRange(0, 25).Draw(t, "n") {
		name := rapid.SampledFrom([]string{"a", "b", "a-", "c", "\xff", "ab", "\x01"}).Draw(t, "name")
		path := varve.Join(rapid.SampledFrom(dirs).Draw(t, "dir"), name)
		if kinds[path] != 0 {
			continue
		}
		kinds[path] = varve.Regular
		if rapid.Bool().Draw(t, "is dir") {
			kinds[path] = varve.Dir
			dirs = append(dirs, path)
		}
	}
	v, objects := &view{}, []string{}
	for i, path := range slices.SortedFunc(maps.Keys(kinds), varve.ComparePaths) {
		e := varve.Entry{Path: path, Kind: kinds[path], UID: uint32(i)}
		if e.Kind == varve.Regular {
			if len(objects) > 0 && rapid.Bool().Draw(t, "is link") {
				e.SameAs = rapid.SampledFrom(objects).Draw(t, "same as")
			} else {
				objects = append(objects, path)
			}
		}
		v.entries = append(v.entries, e)
	}
	return v, dirs
}
