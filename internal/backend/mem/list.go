package mem

import (
	"context"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"varve"
)

// List is varve.Backend's, except that it may be stale, see Options. It yields what there is to list when it is ranged over, sorted by
// name.
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		objects, err := m.list(ctx, prefix)
		for _, o := range objects {
			if err = ctx.Err(); err != nil {
				break
			}
			if !yield(o, nil) {
				return
			}
		}
		if err != nil {
			yield(varve.Object{}, &fs.PathError{Op: "list", Path: prefix, Err: err})
		}
	}
}

func (m *Mem) list(ctx context.Context, prefix string) ([]varve.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(ctx, "List", prefix); err != nil {
		return nil, err
	}
	var objects []varve.Object
	for name, o := range m.listed {
		if strings.HasPrefix(name, prefix) {
			objects = append(objects, varve.Object{Name: name, Size: int64(len(o.data)), Time: o.time})
		}
	}
	slices.SortFunc(objects, func(a, b varve.Object) int { return strings.Compare(a.Name, b.Name) })
	return objects, nil
}

// announce lets c become visible, now or later. Changes of one name become visible in their order.
func (m *Mem) announce(c change) {
	if m.opts.Stale <= 0 {
		return
	}
	c.at = m.count + rand.New(m.rng).IntN(m.opts.Stale+1) + 1
	for _, p := range m.pending {
		if p.name == c.name {
			c.at = max(c.at, p.at)
		}
	}
	m.pending = append(m.pending, c)
}

// settle makes visible what is due with the operation numbered now.
func (m *Mem) settle(now int) {
	m.pending = slices.DeleteFunc(m.pending, func(c change) bool {
		if c.at > now {
			return false
		}
		if c.put {
			m.listed[c.name] = c.object
		} else {
			delete(m.listed, c.name)
		}
		return true
	})
}

// Settle makes everything visible that is not listed yet, as if time had passed.
func (m *Mem) Settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(m.count + m.opts.Stale + 1)
}

// Ops returns the operations so far, if Options.Record is set.
func (m *Mem) Ops() []Op {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.ops)
}

// Count returns the number of operations so far.
func (m *Mem) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}

// Clone returns a storage that holds the same, with an empty record, and goes on by itself. What is not listed yet becomes visible
// after as many operations.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := New(m.opts)
	*c.rng = *m.rng
	c.objects = maps.Clone(m.objects)
	c.count = m.count
	c.pending = slices.Clone(m.pending)
	if m.opts.Stale > 0 {
		c.listed = maps.Clone(m.listed)
	} else {
		c.listed = c.objects
	}
	return c
}

// Set puts data under name whatever is there, without counting; nil takes the object away. It serves to damage what is stored.
func (m *Mem) Set(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = slices.DeleteFunc(m.pending, func(c change) bool { return c.name == name })
	if data == nil {
		delete(m.objects, name)
		delete(m.listed, name)
		return
	}
	o := object{slices.Clone(data), m.opts.Now()}
	m.objects[name], m.listed[name] = o, o
}
