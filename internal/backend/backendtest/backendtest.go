// Package backendtest is the contract of varve.Backend as a test that every implementation and every wrapper passes.
//
// Beyond what varve.Backend says, it fixes this: names that are none are refused with backend.ErrName; a Get that begins at or beyond the
// end of an object returns no bytes and no error; one with a negative offset matches fs.ErrInvalid; a List with a prefix that no name has
// yields nothing; a List that ends without an error has yielded all; a caller may use the storage while it ranges over a List, and
// may stop at any time; what the context interrupts matches its error, and what begins after its end does nothing.
//
// It asks nothing about durability, which cannot be seen without a crash. Objects have the names that their bytes hash to, so that a
// storage which checks them passes too.
package backendtest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"varve"
	"varve/internal/backend"
)

// Options say what to ask. The zero value asks everything.
type Options struct {
	// Big is the length of the longest object in bytes; 0 stands for 16 MiB, a pack.
	Big int
}

// Run tests the implementation behind open, which returns an empty storage whenever it is called. Run closes it.
func Run(t *testing.T, open func(t *testing.T) varve.Backend, opts Options) {
	if opts.Big <= 0 {
		opts.Big = 16 << 20
	}
	for _, part := range [][]clause{objectPart, listPart, contextPart, togetherPart} {
		for _, c := range part {
			t.Run(c.name, func(t *testing.T) {
				r := &rig{T: t, Backend: open(t), ctx: t.Context(), opts: opts, rng: rand.NewChaCha8([32]byte{1})}
				c.check(r)
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// clause is one thing that the contract says.
type clause struct {
	name  string
	check func(r *rig)
}

// rig is a storage under test.
type rig struct {
	*testing.T
	varve.Backend
	ctx  context.Context
	opts Options
	rng  *rand.ChaCha8
}

// bytes returns n random bytes.
func (r *rig) bytes(n int) []byte {
	data := make([]byte, n)
	r.rng.Read(data) // it never fails
	return data
}

// put puts data as an object of kind k.
func (r *rig) put(k backend.Kind, data []byte) string {
	r.Helper()
	name := backend.NameOf(k, data)
	if err := r.Put(r.ctx, name, data); err != nil {
		r.Fatal(err)
	}
	return name
}

// fill puts several objects of every kind and returns their lengths by name.
func (r *rig) fill() map[string]int64 {
	r.Helper()
	sizes := map[string]int64{}
	for _, k := range backend.Kinds() {
		for n := range 5 {
			if k == backend.Config && n > 0 {
				break
			}
			sizes[r.put(k, r.bytes(n*100))] = int64(n * 100)
		}
	}
	return sizes
}

// holds checks that the object name is data.
func (r *rig) holds(name string, data []byte) {
	r.Helper()
	got, err := r.Get(r.ctx, name, 0, -1)
	if err != nil {
		r.Fatal(err)
	}
	if string(got) != string(data) {
		r.Fatalf("%s holds %d bytes that are not the %d that were put", name, len(got), len(data))
	}
}

// list returns what is listed, name to length, and fails where a name is listed twice.
func (r *rig) list(prefix string) map[string]int64 {
	r.Helper()
	sizes := map[string]int64{}
	for o, err := range r.List(r.ctx, prefix) {
		if err != nil {
			r.Fatal(err)
		}
		if _, twice := sizes[o.Name]; twice {
			r.Errorf("%s is listed twice", o.Name)
		}
		sizes[o.Name] = o.Size
	}
	return sizes
}

// lists checks that exactly these objects are listed.
func (r *rig) lists(prefix string, want map[string]int64) {
	r.Helper()
	if got := r.list(prefix); !maps.Equal(got, want) {
		r.Errorf("listed with prefix %q:\n%v\nwant\n%v", prefix, lines(got), lines(want))
	}
}

func lines(sizes map[string]int64) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		all = append(all, fmt.Sprint(name, " ", sizes[name]))
	}
	return all
}
