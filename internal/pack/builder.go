package pack

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"varve/internal/seal"
	"varve/internal/table"
)

const (
	// openPacks is how many packs a Builder fills at a time. With a choice of two, few bytes are left over.
	openPacks = 2
	// leftOver is how many free bytes of a pack are not worth waiting for a blob that fits.
	leftOver = 64 << 10
)

// Put stores a finished pack: data are all its bytes, valid until it returns, and p is its table, with Name, Size and Signer. It may
// be called from several goroutines.
type Put func(ctx context.Context, p table.Pack, data []byte) error

// Builder fills packs with blobs. Several goroutines may use it. Its memory is at most table.MaxPack for each of two packs being
// filled, and for each being put; no more are begun while so many are put that this makes Writer.Puts more than two, or three.
type Builder struct {
	writer  *Writer
	session []byte
	put     Put

	mu     sync.Mutex
	open   []*filling
	spare  [][]byte // of capacity table.MaxPack
	used   int      // buffers that are not spare
	freed  sync.Cond
	failed error
	puts   sync.WaitGroup // those under way on goroutines of their own
}

// NewBuilder returns a builder that gives finished packs to put.
func (w *Writer) NewBuilder(put Put) *Builder {
	b := &Builder{writer: w, session: w.session(), put: put}
	b.freed.L = &b.mu
	return b
}

// Add copies s into a pack, and puts the packs that are full then: before it returns, or with Writer.Puts meanwhile. Once a put failed,
// all calls fail: what was added before may be lost. That a pack was put is known from the put function alone.
func (b *Builder) Add(ctx context.Context, s Sealed) error {
	if err := check(&s); err != nil {
		return err
	}
	for {
		full, placed, err := b.place(&s)
		if err = errors.Join(err, b.putAll(ctx, full, false)); placed || err != nil {
			return err
		}
	}
}

// Finish puts the packs that are not full, and waits for all puts. It is called after all calls of Add have returned; then more may be
// added.
func (b *Builder) Finish(ctx context.Context) error {
	b.mu.Lock()
	rest := b.open
	b.open = nil
	b.mu.Unlock()
	err := b.putAll(ctx, rest, true)
	b.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		err = b.failed
	}
	return err
}

// Wait returns once no put is under way any more. It is for who gives up, after all calls of Add have returned; Finish does it too.
func (b *Builder) Wait() { b.puts.Wait() }

// check says what is wrong with s that would not show before its pack is finished.
func check(s *Sealed) error {
	switch {
	case len(s.Data) != int(s.Blob.Sealed), len(s.Data) > table.MaxBlob+seal.Overhead, len(s.Session) != table.SessionSize,
		len(s.Blob.Chunks) == 0, len(s.Blob.Chunks) > table.MaxBlobChunks:
		return fmt.Errorf("pack blob %s: not of the format", s.Blob.ID)
	}
	return nil
}

// place copies s into the pack that it fills best, and returns the packs that are full then and no longer open. Where they have to be put
// first, it has not placed s yet.
func (b *Builder) place(s *Sealed) (full []*filling, placed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.best(s)
	for ; at < 0; at = b.best(s) {
		switch {
		case b.failed != nil:
			return nil, false, b.failed
		case len(b.open) == openPacks:
			return []*filling{b.close(b.fullest())}, false, nil
		case b.used < openPacks+max(b.writer.Puts, 1):
			b.open = append(b.open, newFilling(b.buffer(), b.session))
			if b.best(s) < 0 {
				return nil, false, fmt.Errorf("pack blob %s: does not fit an empty pack", s.Blob.ID)
			}
		default:
			b.freed.Wait()
		}
	}
	if b.failed != nil {
		return nil, false, b.failed
	}
	b.open[at].add(s)
	if b.open[at].free() < leftOver {
		full = append(full, b.close(at))
	}
	return full, true, nil
}

// best returns the place of the open pack that has least room left with s in it; negative where s fits none.
func (b *Builder) best(s *Sealed) int {
	at, least := -1, table.MaxPack
	for i, f := range b.open {
		if room := f.room(s); room >= 0 && room < least {
			at, least = i, room
		}
	}
	return at
}

// fullest returns the place of the open pack that has least room.
func (b *Builder) fullest() int {
	at := 0
	for i, f := range b.open {
		if f.free() < b.open[at].free() {
			at = i
		}
	}
	return at
}

// close takes an open pack out.
func (b *Builder) close(at int) *filling {
	f := b.open[at]
	b.open = slices.Delete(b.open, at, at+1)
	return f
}

// buffer returns a buffer for a pack.
func (b *Builder) buffer() []byte {
	b.used++
	if n := len(b.spare); n > 0 {
		buf := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return buf
	}
	buf, free := newBuffer()
	runtime.AddCleanup(b, func(free func()) { free() }, free)
	return buf
}

// putAll finishes packs and puts them, or with Writer.Puts begins to.
func (b *Builder) putAll(ctx context.Context, packs []*filling, last bool) error {
	var first error
	for _, f := range packs {
		if b.writer.Puts > 0 {
			b.puts.Go(func() { _ = b.putOne(ctx, f, last) }) // the builder has failed then
		} else if err := b.putOne(ctx, f, last); first == nil {
			first = err
		}
	}
	return first
}

// putOne finishes and puts a pack, and takes its buffer back. The first error is that of the builder from then on.
func (b *Builder) putOne(ctx context.Context, f *filling, last bool) error {
	b.mu.Lock()
	err := b.failed
	b.mu.Unlock()
	if err == nil {
		err = b.finish(ctx, f, last)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = append(b.spare, f.data[:0])
	b.used--
	b.freed.Broadcast()
	if b.failed == nil {
		b.failed = err
	}
	return err
}

func (b *Builder) finish(ctx context.Context, f *filling, last bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, data, err := b.writer.finish(f, last)
	if err != nil {
		return err
	}
	return b.put(ctx, p, data)
}
