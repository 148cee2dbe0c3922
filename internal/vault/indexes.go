package vault

import (
	"context"
	"iter"

	"varve"
	"varve/internal/backend"
	"varve/internal/seal"
	"varve/internal/table"
)

// wave is how many bytes of index objects are in memory at once, unless one alone has more.
const wave = 16 << 20

// indexObject is an index object that was read.
type indexObject struct {
	name string
	by   seal.SignerID
	body []byte
	err  error // why it could not be
}

// packs yields the packs that it lists.
func (o *indexObject) packs() iter.Seq2[table.Pack, error] {
	if o.err != nil {
		return func(yield func(table.Pack, error) bool) { yield(table.Pack{}, o.err) }
	}
	return table.DecodeIndex(o.body)
}

// indexObjects reads index objects, some at once, and yields them in the order given.
func (s *Store) indexObjects(ctx context.Context, objects []varve.Object) iter.Seq[*indexObject] {
	return func(yield func(*indexObject) bool) {
		for len(objects) > 0 {
			n := firstWave(objects, s.opts.requests())
			read := make([]indexObject, n)
			_ = together(context.WithoutCancel(ctx), n, n, func(i int) error { // each has its own error
				read[i] = s.indexObject(ctx, objects[i].Name)
				return nil
			})
			for i := range read {
				if !yield(&read[i]) {
					return
				}
			}
			objects = objects[n:]
		}
	}
}

// firstWave is how many of these objects, of which there is one, are read at once.
func firstWave(objects []varve.Object, requests int) int {
	n, size := 1, objects[0].Size
	for n < min(len(objects), requests) && size+objects[n].Size <= wave {
		size += objects[n].Size
		n++
	}
	return n
}

// indexObject reads one index object, and opens it.
func (s *Store) indexObject(ctx context.Context, name string) indexObject {
	o := indexObject{name: name}
	var data []byte
	if data, o.err = backend.Load(ctx, s.backend, name); o.err != nil {
		return o
	}
	var h seal.Header
	if h, o.body, o.err = seal.OpenObject(s.keys.opener, data, s.keys.signers); o.err != nil {
		return o
	}
	if o.by = h.Signer; h.Kind != seal.KindIndex || !s.keys.believed(h.Signer) {
		o.err = seal.ErrSigner
	}
	return o
}
