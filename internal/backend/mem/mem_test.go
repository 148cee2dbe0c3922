package mem_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/mem"
)

func TestTheContractHolds(t *testing.T) {
	backendtest.Run(t, func(*testing.T) varve.Backend { return mem.New(mem.Options{}) }, backendtest.Options{})
}

func put(t *testing.T, b varve.Backend, data string) string {
	t.Helper()
	name, err := backend.Save(t.Context(), b, backend.Locks, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func listed(t *testing.T, b varve.Backend) []string {
	t.Helper()
	objects, err := backend.Objects(t.Context(), b, backend.Locks)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.Name)
	}
	return names
}

func TestAStaleListingLagsBehindByABoundedNumberOfOperations(t *testing.T) {
	const stale = 5
	late, gone := 0, 0
	for seed := range uint64(100) {
		m := mem.New(mem.Options{Stale: stale, Seed: seed})
		name := put(t, m, "a")
		first := listed(t, m)
		if len(first) == 0 {
			late++
		}
		for range stale {
			if _, err := m.Get(t.Context(), name, 0, -1); err != nil {
				t.Fatal("Get is never stale:", err)
			}
		}
		if got := listed(t, m); !slices.Equal(got, []string{name}) {
			t.Fatalf("seed %d: listed after enough operations: %v", seed, got)
		}
		if err := m.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if len(listed(t, m)) > 0 {
			gone++
		}
		m.Settle()
		if got := listed(t, m); len(got) > 0 {
			t.Fatalf("seed %d: listed after everything settled: %v", seed, got)
		}
	}
	if late == 0 || late == 100 || gone == 0 || gone == 100 {
		t.Errorf("of 100 listings %d lacked what was put, and %d had what was deleted: both should happen sometimes", late, gone)
	}
}

func TestAStaleListingEndsUpRightWhateverTheOrder(t *testing.T) {
	for seed := range uint64(50) {
		m := mem.New(mem.Options{Stale: 9, Seed: seed})
		name := put(t, m, "a")
		for range 3 {
			if err := m.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			if err := m.Put(t.Context(), name, []byte("a")); err != nil {
				t.Fatal(err)
			}
		}
		m.Settle()
		if got := listed(t, m); len(got) != 1 {
			t.Fatalf("seed %d: %v", seed, got)
		}
	}
}

func TestTheSameSeedGivesTheSameStaleness(t *testing.T) {
	run := func() (trace string) {
		m := mem.New(mem.Options{Stale: 7, Seed: 42})
		for n := range 20 {
			put(t, m, fmt.Sprint(n))
			trace += fmt.Sprint(len(listed(t, m)), " ")
		}
		return trace
	}
	if a, b := run(), run(); a != b {
		t.Errorf("%s\n%s", a, b)
	}
}

func TestACloneGoesOnByItself(t *testing.T) {
	for _, stale := range []int{0, 3} {
		m := mem.New(mem.Options{Stale: stale, Record: true})
		one := put(t, m, "one")
		c := m.Clone()
		two := put(t, m, "two")
		three := put(t, c, "three")
		if err := c.Delete(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		m.Settle()
		c.Settle()
		if got, want := listed(t, m), sorted(one, two); !slices.Equal(got, want) {
			t.Errorf("stale %d: the original lists %v, want %v", stale, got, want)
		}
		if got := listed(t, c); !slices.Equal(got, []string{three}) {
			t.Errorf("stale %d: the clone lists %v", stale, got)
		}
	}
}

func sorted(names ...string) []string {
	slices.Sort(names)
	return names
}

func TestOperationsAreRecordedInOrder(t *testing.T) {
	m := mem.New(mem.Options{Record: true})
	name := put(t, m, "a")
	listed(t, m)
	if _, err := m.Get(t.Context(), name, 0, 1); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	want := []mem.Op{{Method: "Put", Name: name}, {Method: "List", Name: "locks/"}, {Method: "Get", Name: name}, {Method: "Delete", Name: name}}
	if got := m.Ops(); !slices.Equal(got, want) || m.Count() != 4 {
		t.Errorf("%d operations: %v", m.Count(), got)
	}
}

func TestAnObjectIsListedWithTheTimeOfItsPut(t *testing.T) {
	now := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	m := mem.New(mem.Options{Now: func() time.Time { return now }})
	put(t, m, "a")
	for o, err := range m.List(context.Background(), "") {
		if err != nil || !o.Time.Equal(now) {
			t.Errorf("%v, error %v", o, err)
		}
	}
}

func TestDamageReplacesWhatIsStored(t *testing.T) {
	for _, stale := range []int{0, 3} {
		m := mem.New(mem.Options{Stale: stale})
		name := put(t, m, "right")
		m.Set(name, []byte("wrong"))
		if got, err := m.Get(t.Context(), name, 0, -1); err != nil || !bytes.Equal(got, []byte("wrong")) {
			t.Errorf("got %q, error %v", got, err)
		}
		m.Set(name, nil)
		m.Settle()
		if got := listed(t, m); len(got) > 0 {
			t.Errorf("listed after it was taken away: %v", got)
		}
	}
}
