package backend_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/faulty"
	"varve/internal/backend/mem"
)

var emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestObjectsAreNamedByTheHashOfTheirBytes(t *testing.T) {
	for k, want := range map[backend.Kind]string{
		backend.Config: "config", backend.Data: "data/" + emptyHash, backend.Index: "index/" + emptyHash, backend.Keys: "keys/" + emptyHash,
		backend.Snapshots: "snapshots/" + emptyHash, backend.Locks: "locks/" + emptyHash,
	} {
		if got := backend.NameOf(k, nil); got != want || !strings.HasPrefix(got, k.Prefix()) {
			t.Errorf("%s: %s", k, got)
		}
		kind, sum, err := backend.Parse(want)
		if err != nil || kind != k || kind.Name(sum) != want {
			t.Errorf("%s parsed: %s %x, error %v", want, kind, sum, err)
		}
		if err := backend.Check(want, nil); err != nil {
			t.Error(err)
		}
		if err := backend.Check(want, []byte("x")); (k == backend.Config) != (err == nil) || (err != nil && !errors.Is(err, varve.ErrDamaged)) {
			t.Errorf("%s checked against other bytes: %v", want, err)
		}
	}
}

func FuzzANameThatIsTakenIsTheOneThatIsWritten(f *testing.F) {
	f.Add("config")
	f.Add("data/" + emptyHash)
	f.Add("data/" + strings.ToUpper(emptyHash))
	f.Add("locks/" + emptyHash + "/")
	f.Add("config/" + emptyHash)
	f.Fuzz(func(t *testing.T, name string) {
		k, sum, err := backend.Parse(name)
		if err != nil {
			if !errors.Is(err, backend.ErrName) || len(err.Error()) > 1000 {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		if k.Name(sum) != name {
			t.Errorf("%q is taken for %q", name, k.Name(sum))
		}
	})
}

func TestWhatIsThereAlreadyCountsAsSavedIfItIsAsLong(t *testing.T) {
	data := []byte("something")
	name := backend.NameOf(backend.Data, data)
	for what, c := range map[string]struct {
		there string
		want  error
	}{
		"the same": {"something", nil}, "shorter": {"some", varve.ErrDamaged},
		"longer": {"something else", varve.ErrDamaged}, "empty": {"", varve.ErrDamaged},
	} {
		for _, hidden := range []int{0, 1000} { // where it is not listed its bytes are compared
			m := mem.New(mem.Options{Stale: hidden})
			if err := m.Put(t.Context(), name, []byte(c.there)); err != nil {
				t.Fatal(err)
			}
			if got, err := backend.Save(t.Context(), m, backend.Data, data); got != name || !errors.Is(err, c.want) {
				t.Errorf("%s, hidden %d: %s, error %v", what, hidden, got, err)
			}
		}
	}
}

func TestSaveDoesNotBelieveThatSomethingExistsWhichIsNotThere(t *testing.T) {
	inj := &faulty.Injector{At: 1, Fault: faulty.Fault{Err: fs.ErrExist}}
	_, err := backend.Save(t.Context(), faulty.New(mem.New(mem.Options{}), inj), backend.Data, []byte("x"))
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestAnyFailureWhileSavingIsAnErrorOrTheObjectIsThere(t *testing.T) {
	data := []byte("some bytes")
	for _, kind := range faulty.Kinds() {
		for n := 1; n <= 4 && !strings.HasPrefix(kind.Name, "put "); n++ { // those acknowledge what they did not keep
			m := mem.New(mem.Options{})
			inj := kind.At(n)
			b := faulty.New(m, inj)
			_, err := backend.Save(t.Context(), b, backend.Data, data)
			if err == nil {
				_, err = backend.Save(t.Context(), b, backend.Data, data)
			}
			there, _ := m.Get(t.Context(), backend.NameOf(backend.Data, data), 0, -1)
			if err == nil && string(there) != string(data) {
				t.Errorf("%s at %d: saved, and %q is there", kind.Name, n, there)
			}
		}
	}
}

func TestConfigIsNeverSavedTwice(t *testing.T) {
	m := mem.New(mem.Options{})
	if name, err := backend.Save(t.Context(), m, backend.Config, []byte("one")); name != "config" || err != nil {
		t.Fatal(name, err)
	}
	if _, err := backend.Save(t.Context(), m, backend.Config, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	if got, err := backend.Load(t.Context(), m, "config"); string(got) != "one" || err != nil {
		t.Errorf("config is %q, error %v", got, err)
	}
}

func TestWhatIsDamagedOnItsWayIsReadOnceMore(t *testing.T) {
	for _, effect := range []faulty.Effect{faulty.Half, faulty.Flipped, faulty.Nothing} {
		for _, sticky := range []bool{false, true} {
			m := mem.New(mem.Options{})
			name, err := backend.Save(t.Context(), m, backend.Index, []byte("some bytes"))
			if err != nil {
				t.Fatal(err)
			}
			inj := &faulty.Injector{At: 1, Fault: faulty.Fault{Effect: effect}, Sticky: sticky}
			got, err := backend.Load(t.Context(), faulty.New(m, inj), name)
			switch {
			case inj.Count() != 2:
				t.Errorf("effect %d: got %d times", effect, inj.Count())
			case sticky && (got != nil || !errors.Is(err, varve.ErrDamaged)):
				t.Errorf("effect %d twice: %q, error %v", effect, got, err)
			case !sticky && (string(got) != "some bytes" || err != nil):
				t.Errorf("effect %d once: %q, error %v", effect, got, err)
			}
		}
	}
}

func TestLoadTellsWhatIsAbsentFromWhatIsDamaged(t *testing.T) {
	m := mem.New(mem.Options{})
	name := backend.NameOf(backend.Keys, nil)
	if _, err := backend.Load(t.Context(), m, name); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, varve.ErrDamaged) {
		t.Errorf("absent: %v", err)
	}
	if _, err := backend.Load(t.Context(), m, "keys/"); !errors.Is(err, backend.ErrName) {
		t.Errorf("no name: %v", err)
	}
}

// endless is a storage whose objects never end.
type endless struct {
	varve.Backend
	most int64
}

func (e *endless) Get(_ context.Context, _ string, _, n int64) ([]byte, error) {
	e.most = max(e.most, n)
	return make([]byte, n), nil
}

func TestObjectsThatNeverEndAreRefused(t *testing.T) {
	for _, k := range backend.Kinds() {
		e := &endless{}
		if _, err := backend.Load(t.Context(), e, backend.NameOf(k, nil)); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %v", k, err)
		}
		if e.most != k.MaxSize()+1 {
			t.Errorf("%s: asked for %d bytes", k, e.most)
		}
	}
	if _, err := backend.Save(t.Context(), mem.New(mem.Options{}), backend.Data, make([]byte, 16<<20+1)); err == nil {
		t.Error("what could not be loaded can be saved")
	}
}

func TestARangeIsExactOrDamaged(t *testing.T) {
	m := mem.New(mem.Options{})
	name, err := backend.Save(t.Context(), m, backend.Data, []byte("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		off, n int64
		want   string
		err    error
	}{
		{0, 10, "0123456789", nil}, {3, 4, "3456", nil}, {10, 0, "", nil}, {0, 11, "", varve.ErrDamaged}, {9, 2, "", varve.ErrDamaged},
		{20, 1, "", varve.ErrDamaged}, {-1, 2, "", fs.ErrInvalid}, {0, -1, "", fs.ErrInvalid},
	} {
		got, err := backend.Range(t.Context(), m, name, c.off, c.n)
		if string(got) != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%d bytes at %d: %q, error %v", c.n, c.off, got, err)
		}
	}
}

// foreign is a storage that lists whatever it was given, each with one byte.
type foreign struct {
	varve.Backend
	names []string
	err   error
}

func (f *foreign) List(context.Context, string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		for _, name := range f.names {
			if !yield(varve.Object{Name: name, Size: 1}, nil) {
				return
			}
		}
		if f.err != nil {
			yield(varve.Object{}, f.err)
		}
	}
}

func TestObjectsAreListedOnceAndForeignNamesNotAtAll(t *testing.T) {
	a, b := backend.NameOf(backend.Data, []byte("a")), backend.NameOf(backend.Data, []byte("c"))
	if a > b {
		a, b = b, a
	}
	f := &foreign{names: []string{b, "data/../x", a, "index/" + emptyHash, "config", b, "", "data/" + emptyHash + "\x1b[2J", a, b}}
	objects, err := backend.Objects(t.Context(), f, backend.Data)
	if err != nil || len(objects) != 2 || objects[0].Name != a || objects[1].Name != b {
		t.Errorf("%v, error %v", objects, err)
	}
	f.err = faulty.ErrFault
	if objects, err := backend.Objects(t.Context(), f, backend.Data); objects != nil || !errors.Is(err, faulty.ErrFault) {
		t.Errorf("of a listing that broke off: %v, error %v", objects, err)
	}
}

func TestAnotherNameThanTheOneAskedForConfirmsNothing(t *testing.T) {
	m := mem.New(mem.Options{})
	data := []byte("x")
	name := backend.NameOf(backend.Data, data)
	if err := m.Put(t.Context(), name, []byte("torn to pieces")); err != nil {
		t.Fatal(err)
	}
	f := &foreign{Backend: m, names: []string{name + "0", "config"}}
	if _, err := backend.Save(t.Context(), f, backend.Data, data); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("error %v", err)
	}
}

func TestRemovingWhatIsNotThereIsNoError(t *testing.T) {
	m := mem.New(mem.Options{})
	name, err := backend.Save(t.Context(), m, backend.Locks, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := backend.Remove(t.Context(), m, name); err != nil {
			t.Error(err)
		}
	}
	inj := &faulty.Injector{At: 1, Fault: faulty.Fault{Err: fs.ErrPermission}}
	if err := backend.Remove(t.Context(), faulty.New(m, inj), name); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
}
