package manifest

import "varve"

// Visitor is told of the pages of a manifest.
type Visitor struct {
	// Enter is told of a page before it is read, and reports whether to go on into it: what is below a page that was visited in
	// another manifest is the same.
	Enter func(id PageID) (bool, error)
	// Leaf is given the entries of a page, valid until it returns.
	Leaf func(entries []varve.Entry) error
	// Lost is told why a page cannot be read, and returns nil to go on without what is below it. Nil stands for a function that
	// returns its argument.
	Lost func(id PageID, err error) error
}

// Walk visits the pages from the root on, each before those below it.
func (r *Reader) Walk(v Visitor) error {
	top, err := r.top()
	if err != nil {
		return err
	}
	w := walker{r: r, v: v}
	return w.page(&top)
}

type walker struct {
	r       *Reader
	v       Visitor
	scratch []varve.Entry
}

func (w *walker) page(p *place) error {
	if on, err := w.v.Enter(p.id); !on || err != nil {
		return err
	}
	if p.level == 0 {
		entries, err := w.r.leafInto(p, w.scratch)
		if err != nil {
			return w.lost(p, err)
		}
		w.scratch = entries
		return w.v.Leaf(entries)
	}
	s := step{place: *p}
	var err error
	if s.node, err = w.r.node(p); err != nil {
		return w.lost(p, err)
	}
	for ; s.at < len(s.node.refs); s.at++ {
		below := s.below()
		if err := w.page(&below); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) lost(p *place, err error) error {
	if w.v.Lost == nil {
		return err
	}
	return w.v.Lost(p.id, err)
}
