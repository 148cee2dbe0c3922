package manifest

import (
	"io"
	"sort"

	"varve"
)

// Cursor goes through the entries of a manifest. It is for one goroutine at a time.
type Cursor struct {
	r *Reader
	// above are the pages of references from the root down to the leaf, each with the reference that is followed.
	above []step
	// leaf is the page at hand, at the next entry in it, base the position of its first. None is at hand before the first call.
	leaf    []varve.Entry
	at      int
	base    Pos
	begun   bool
	scratch []varve.Entry // memory for a page that is not shared
	err     error         // what broke the Cursor, until the next Seek
}

type step struct {
	node  *node
	place place
	at    int
}

// Next returns the next entry; io.EOF at the end. The entry is valid until the next call and must not be changed. After another
// error, only a Seek can help.
func (c *Cursor) Next() (*varve.Entry, error) {
	for c.at == len(c.leaf) {
		if err := c.turn(); err != nil {
			return nil, err
		}
	}
	c.at++
	return &c.leaf[c.at-1], nil
}

// Pos returns the position of the entry that the next call of Next returns.
func (c *Cursor) Pos() Pos { return c.base + Pos(c.at) }

// Seek goes to the first entry that is path or comes after it in listing order, forwards or backwards; path need not be valid.
func (c *Cursor) Seek(path string) error {
	if !c.holds(path) {
		err := c.begin(true, func(n *node, _ Pos) int {
			return sort.Search(len(n.refs), func(i int) bool { return varve.ComparePaths(n.refs[i].first, path) > 0 }) - 1
		})
		if err != nil {
			return err
		}
	}
	c.at = sort.Search(len(c.leaf), func(i int) bool { return varve.ComparePaths(c.leaf[i].Path, path) >= 0 })
	return nil
}

// holds reports whether path lies in the page at hand.
func (c *Cursor) holds(path string) bool {
	n := len(c.leaf)
	return n > 0 && c.err == nil && varve.ComparePaths(c.leaf[0].Path, path) <= 0 && varve.ComparePaths(path, c.leaf[n-1].Path) <= 0
}

// SeekPos goes to the entry at pos, or to the end where there is none.
func (c *Cursor) SeekPos(pos Pos) error {
	if c.err != nil || pos < c.base || pos-c.base >= Pos(len(c.leaf)) {
		err := c.begin(true, func(n *node, base Pos) (i int) {
			for ; i < len(n.refs)-1 && base+Pos(n.refs[i].entries) <= pos; i++ {
				base += Pos(n.refs[i].entries)
			}
			return i
		})
		if err != nil {
			return err
		}
	}
	c.at = int(min(pos-c.base, Pos(len(c.leaf))))
	return nil
}

// begin goes down from the root to a leaf. choose picks the reference to follow in a page whose first entry is at base; less than
// the first stands for the first. keep says that the leaf is likely to be wanted again.
func (c *Cursor) begin(keep bool, choose func(n *node, base Pos) int) error {
	c.above, c.leaf, c.at, c.base, c.begun, c.err = c.above[:0], nil, 0, 0, true, nil
	top, err := c.r.top()
	if err == nil {
		err = c.descend(top, keep, choose)
	}
	return c.broke(err)
}

// descend goes from the page at p to a leaf.
func (c *Cursor) descend(p place, keep bool, choose func(*node, Pos) int) (err error) {
	for p.level > 0 {
		s := step{place: p}
		if s.node, err = c.r.node(&p); err != nil {
			return err
		}
		s.at = max(choose(s.node, c.base), 0)
		for _, r := range s.node.refs[:s.at] {
			c.base += Pos(r.entries)
		}
		c.above = append(c.above, s)
		p = s.below()
	}
	if keep {
		c.leaf, err = c.r.leaf(&p)
		return err
	}
	c.leaf, err = c.r.leafInto(&p, c.scratch)
	c.scratch = c.leaf
	return err
}

// below is the place of the page that s refers to.
func (s *step) below() place {
	p := place{ref: s.node.refs[s.at], level: s.place.level - 1, bound: s.place.bound}
	if s.at+1 < len(s.node.refs) {
		p.bound = s.node.refs[s.at+1].first
	}
	return p
}

func first(*node, Pos) int { return 0 }

// turn goes to the next leaf, where there is one.
func (c *Cursor) turn() error {
	if c.err != nil {
		return c.err
	}
	if !c.begun {
		return c.begin(false, first)
	}
	level := len(c.above) - 1
	for level >= 0 && c.above[level].at == len(c.above[level].node.refs)-1 {
		level--
	}
	if level < 0 {
		return io.EOF
	}
	c.base += Pos(len(c.leaf))
	c.above = c.above[:level+1]
	c.above[level].at++
	c.leaf, c.at = nil, 0
	return c.broke(c.descend(c.above[level].below(), false, first))
}

// broke notes err.
func (c *Cursor) broke(err error) error {
	if err != nil {
		c.leaf, c.at, c.err = nil, 0, err
	}
	return err
}
