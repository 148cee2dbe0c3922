package rdiff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// segment is a piece of content: where its bytes lie.
type segment struct {
	src int // one of the origins below, or the number of a delta
	off int64
	len int64
}

const (
	fromBase  = -1 // the whole copy that the deltas begin with
	fromSpool = -2
)

// endless is taken for the length of a base whose length is not known before it was read.
const endless = math.MaxInt64

// maxSegments bounds the memory that putting deltas together takes.
const maxSegments = 1 << 21

var errSegments = errors.New("it is put together from too many pieces")

// content is that of a version of a file: segments, in order.
type content struct {
	segments []segment
	ends     []int64 // where each of them ends in the content
	limit    int     // how many there may be
}

// size returns the length of the content in bytes.
func (c *content) size() int64 {
	if len(c.ends) == 0 {
		return 0
	}
	return c.ends[len(c.ends)-1]
}

// add appends a segment, making one of neighbours.
func (c *content) add(s segment) error {
	size := c.size()
	if s.len > endless-size {
		return fmt.Errorf("%w: its result is too long", errDelta)
	}
	if last := len(c.segments) - 1; last >= 0 && c.segments[last].src == s.src && c.segments[last].off+c.segments[last].len == s.off {
		c.segments[last].len += s.len
		c.ends[last] += s.len
		return nil
	}
	if len(c.segments) == c.limit {
		return errSegments
	}
	c.segments = append(c.segments, s)
	c.ends = append(c.ends, size+s.len)
	return nil
}

// whole is the content of a base of so many bytes.
func whole(size int64) *content {
	c := &content{limit: maxSegments}
	if size > 0 {
		_ = c.add(segment{fromBase, 0, size}) // a single one fits
	}
	return c
}

// patch returns what the delta with number src makes of c.
func (c *content) patch(ctx context.Context, src int, delta io.Reader) (*content, error) {
	next := &content{limit: c.limit}
	err := readDelta(ctx, delta, func(cmd command) error {
		if !cmd.copied {
			return next.add(segment{src, cmd.off, cmd.len})
		}
		return c.copyTo(next, cmd.off, cmd.len)
	})
	return next, err
}

// copyTo appends a region of c to next.
func (c *content) copyTo(next *content, off, n int64) error {
	if off+n > c.size() {
		return fmt.Errorf("%w: it takes %d bytes at %d of %d", errDelta, n, off, c.size())
	}
	i, _ := slices.BinarySearch(c.ends, off+1)
	for n > 0 {
		s := c.segments[i]
		skip := off - (c.ends[i] - s.len)
		s.off += skip
		s.len = min(s.len-skip, n)
		if err := next.add(s); err != nil {
			return err
		}
		off += s.len
		n -= s.len
		i++
	}
	return nil
}

// region is a part of one origin, and where it lies in the spool once it is there.
type region struct{ off, len, spooled int64 }

// regions returns the parts of src that the content takes, ascending and apart from one another.
func (c *content) regions(src int) []region {
	var all []region
	for _, s := range c.segments {
		if s.src == src {
			all = append(all, region{off: s.off, len: s.len})
		}
	}
	slices.SortFunc(all, func(a, b region) int { return cmp.Compare(a.off, b.off) })
	merged := all[:0]
	for _, r := range all {
		if last := len(merged) - 1; last >= 0 && r.off <= merged[last].off+merged[last].len {
			merged[last].len = max(merged[last].len, r.off+r.len-merged[last].off)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// forward reports whether the content takes src from its beginning to its end, never going back.
func (c *content) forward(src int) bool {
	var end int64
	for _, s := range c.segments {
		if s.src == src {
			if s.off < end {
				return false
			}
			end = s.off + s.len
		}
	}
	return true
}

// gather moves the parts of src that the content takes into the spool. in is src from its beginning on.
func (c *content) gather(ctx context.Context, src int, in io.Reader, to *spool) error {
	regions := c.regions(src)
	var pos int64
	for i := range regions {
		r := &regions[i]
		if err := pass(ctx, in, r.off-pos, io.Discard); err != nil {
			return err
		}
		r.spooled = to.size
		if err := pass(ctx, in, r.len, to); err != nil {
			return err
		}
		pos = r.off + r.len
	}
	for i := range c.segments {
		s := &c.segments[i]
		if s.src != src {
			continue
		}
		at, found := slices.BinarySearchFunc(regions, s.off, func(r region, off int64) int { return cmp.Compare(r.off, off) })
		if !found {
			at--
		}
		s.src, s.off = fromSpool, regions[at].spooled+s.off-regions[at].off
	}
	return nil
}

// pass moves n bytes on.
func pass(ctx context.Context, from io.Reader, n int64, to io.Writer) error {
	const step = 1 << 22
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := io.CopyN(to, from, min(n, step))
		n -= done
		if err != nil {
			return noEOF(err)
		}
	}
	return nil
}
