package faulty_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/faulty"
	"varve/internal/backend/mem"
)

func TestTheContractHoldsWithoutFaults(t *testing.T) {
	backendtest.Run(t, func(*testing.T) varve.Backend {
		return faulty.New(mem.New(mem.Options{}), &faulty.Injector{})
	}, backendtest.Options{Big: 1 << 20})
}

const content = "0123456789"

// run does one operation of each kind and returns what each said, then what the storage holds and lists.
func run(t *testing.T, fault faulty.Fault, method string) (said, there string, err error) {
	t.Helper()
	m := mem.New(mem.Options{})
	old, other := backend.NameOf(backend.Data, []byte("old")), backend.NameOf(backend.Data, []byte("other"))
	for _, name := range []string{old, other} {
		if err := m.Put(t.Context(), name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	b := faulty.New(m, &faulty.Injector{At: 1, Fault: fault, Filter: func(op faulty.Op) bool { return op.Method == method }})
	name := backend.NameOf(backend.Data, []byte("new"))
	switch method {
	case "Put":
		err = b.Put(t.Context(), name, []byte(content))
	case "Get":
		var data []byte
		data, err = b.Get(t.Context(), old, 0, -1)
		said = string(data)
	case "List":
		count := 0
		for _, err = range b.List(t.Context(), "data/") {
			if err == nil {
				count++
			}
		}
		said = fmt.Sprint(count)
	case "Delete":
		err = b.Delete(t.Context(), old)
	}
	for _, name := range []string{name, old} {
		data, err := m.Get(t.Context(), name, 0, -1)
		if err != nil {
			data = []byte("-")
		}
		there += string(data) + " "
	}
	return said, there, err
}

func TestEveryFaultDoesWhatItSays(t *testing.T) {
	lost := faulty.ErrFault
	for _, c := range []struct {
		method string
		fault  faulty.Fault
		said   string
		there  string
	}{
		{"Put", faulty.Fault{Err: lost}, "", "- 0123456789 "},
		{"Put", faulty.Fault{Err: lost, Effect: faulty.Half}, "", "01234 0123456789 "},
		{"Put", faulty.Fault{Err: lost, Effect: faulty.Whole}, "", "0123456789 0123456789 "},
		{"Put", faulty.Fault{Err: fs.ErrExist}, "", "- 0123456789 "},
		{"Put", faulty.Fault{}, "", "- 0123456789 "},
		{"Put", faulty.Fault{Effect: faulty.Half}, "", "01234 0123456789 "},
		{"Put", faulty.Fault{Effect: faulty.Flipped}, "", "0123446789 0123456789 "},
		{"Get", faulty.Fault{Err: lost}, "", "- 0123456789 "},
		{"Get", faulty.Fault{}, "", "- 0123456789 "},
		{"Get", faulty.Fault{Effect: faulty.Half}, "01234", "- 0123456789 "},
		{"Get", faulty.Fault{Effect: faulty.Flipped}, "0123446789", "- 0123456789 "},
		{"List", faulty.Fault{Err: lost}, "0", "- 0123456789 "},
		{"List", faulty.Fault{Err: lost, Effect: faulty.Half}, "1", "- 0123456789 "},
		{"List", faulty.Fault{Err: lost, Effect: faulty.Whole}, "2", "- 0123456789 "},
		{"List", faulty.Fault{Effect: faulty.Half}, "1", "- 0123456789 "},
		{"List", faulty.Fault{Effect: faulty.Doubled}, "4", "- 0123456789 "},
		{"List", faulty.Fault{}, "0", "- 0123456789 "},
		{"Delete", faulty.Fault{Err: lost}, "", "- 0123456789 "},
		{"Delete", faulty.Fault{Err: lost, Effect: faulty.Whole}, "", "- - "},
		{"Delete", faulty.Fault{}, "", "- 0123456789 "},
	} {
		said, there, err := run(t, c.fault, c.method)
		if said != c.said || !errors.Is(err, c.fault.Err) || (err == nil) != (c.fault.Err == nil) || there != c.there {
			t.Errorf("%s with %+v: says %q, error %v, and there is %q", c.method, c.fault, said, err, there)
		}
	}
}

func TestNothingIsDoneAfterAKill(t *testing.T) {
	m := mem.New(mem.Options{})
	b := faulty.New(m, &faulty.Injector{At: 2, Fault: faulty.Kill(faulty.Whole)})
	first, err := backend.Save(t.Context(), b, backend.Data, []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"2", "3"} {
		if _, err := backend.Save(t.Context(), b, backend.Data, []byte(data)); !errors.Is(err, faulty.ErrKilled) || !errors.Is(err, fs.ErrClosed) {
			t.Errorf("put %s: %v", data, err)
		}
	}
	if err := b.Delete(t.Context(), first); !errors.Is(err, faulty.ErrKilled) {
		t.Errorf("delete: %v", err)
	}
	if _, err := b.Get(t.Context(), first, 0, -1); !errors.Is(err, faulty.ErrKilled) {
		t.Errorf("get: %v", err)
	}
	if _, err := backend.Objects(t.Context(), b, backend.Data); !errors.Is(err, faulty.ErrKilled) {
		t.Errorf("list: %v", err)
	}
	if objects, err := backend.Objects(t.Context(), m, backend.Data); len(objects) != 2 || err != nil {
		t.Errorf("there is %v, error %v: want what was put before and in the killed operation", objects, err)
	}
}

func TestOperationsAreCountedAndStruckInOrder(t *testing.T) {
	var at []faulty.Op
	inj := &faulty.Injector{At: 2, Fault: faulty.Fault{Err: faulty.ErrFault}, Sticky: true, Do: func(op faulty.Op) { at = append(at, op) }}
	b := faulty.New(mem.New(mem.Options{}), inj)
	for n := range 4 {
		_, err := backend.Save(t.Context(), b, backend.Data, []byte{byte(n)})
		if (n >= 1) != errors.Is(err, faulty.ErrFault) {
			t.Errorf("operation %d: %v", n+1, err)
		}
	}
	if inj.Count() != 4 || len(at) != 1 || at[0].N != 2 || at[0] != inj.Ops()[1] {
		t.Errorf("%d operations, struck at %v", inj.Count(), at)
	}
}

func TestEveryKindStrikes(t *testing.T) {
	for _, k := range faulty.Kinds() {
		inj := k.At(1)
		b := faulty.New(mem.New(mem.Options{}), inj)
		for range 2 { // the second time the object is there
			name, _ := backend.Save(t.Context(), b, backend.Data, []byte(content))
			_, _ = b.Get(t.Context(), name, 0, -1)
			for range b.List(t.Context(), "") {
				continue
			}
			_ = b.Delete(t.Context(), name)
		}
		if inj.Count() == 0 {
			t.Errorf("%s concerns no operation", k.Name)
		}
		for _, op := range inj.Ops() {
			if k.On != "" && op.Method != k.On {
				t.Errorf("%s struck %s", k.Name, op.Method)
			}
		}
	}
}
