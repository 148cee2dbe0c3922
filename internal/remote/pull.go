package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"varve"
)

// Basis opens the content stream of what is likely to have much in common with the content of e, such as the same path in the last
// snapshot; an error where there is nothing. Where what it returns is an io.ReaderAt with the same offsets, content is found wherever
// it has moved to, else where it has moved by a few megabytes at most.
type Basis func(ctx context.Context, e varve.Entry) (io.ReadCloser, error)

// pull is a tree of the other side as a varve.Source.
type pull struct {
	p     *peer
	id    uint32
	basis Basis // nil for none
	key   [32]byte

	// humble takes away what the other side has no business to say: digests, chunks, and what a store could not keep.
	humble bool
	// lost, where set, is told why content could not be read where that was not the file's own fault. It must make sure that
	// nothing comes of what was read.
	lost func(error)
	// charge, where set, is told how much the other side's entries take up in bytes; its error breaks them off.
	charge func(n int64) error
	// reads, where set, is told how many bytes came of a file; its error ends the reading.
	reads func(path string, n int64) error

	mu   sync.Mutex
	left end // of the last sequence of entries that came to its end
}

var _ varve.Source = (*pull)(nil)

// Entries yields the other side's entries. They are the whole tree only if the other side said so at the end, with the right counts.
func (s *pull) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		c, stop, err := s.p.ask(ctx, &request{Op: opEntries, ID: s.id})
		if err == nil {
			defer stop()
			check := newGate()
			err = s.receive(c, check.pass, func(e varve.Entry) bool { return yield(e, nil) })
		}
		if err != nil && err != errEnough {
			yield(varve.Entry{}, whatever(ctx, err))
		}
	}
}

// errEnough says that the consumer wants no more.
var errEnough = errors.New("enough")

// receive reads messages with entries up to the one that ends them.
func (s *pull) receive(c *call, check func(*varve.Entry) error, yield func(varve.Entry) bool) error {
	var got end
	for {
		kind, payload, err := c.receive()
		if err != nil {
			return err
		}
		switch kind {
		case msgEntries:
			if s.charge != nil {
				err = s.charge(int64(len(payload)))
			}
			if err == nil {
				err = s.unpack(payload, &got, check, yield)
			}
			if err != nil {
				return err
			}
		case msgEnd:
			return s.confirm(payload, &got)
		default:
			return outOfTurn(kind)
		}
	}
}

// unpack yields the entries of one message and counts them.
func (s *pull) unpack(payload []byte, got *end, check func(*varve.Entry) error, yield func(varve.Entry) bool) error {
	d := decoder{b: payload}
	for d.more() {
		e := d.entry()
		if d.fault != "" {
			break
		}
		s.humbled(&e)
		if err := check(&e); err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if n := weight(&e); n > 0 && s.charge != nil {
			if err := s.charge(n); err != nil {
				return err
			}
		}
		got.Entries++
		if e.Err != nil {
			got.Lost++
		}
		if !yield(e) {
			return errEnough
		}
	}
	return d.err()
}

// humbled takes from e what the other side has no business to say.
func (s *pull) humbled(e *varve.Entry) {
	if s.humble {
		e.Digest, e.Chunks, e.Depth, e.Unkept = varve.Digest{}, nil, 0, 0
	}
}

// confirm checks what the other side says at the end against what came.
func (s *pull) confirm(payload []byte, got *end) error {
	var said end
	if err := parseJSON(payload, &said); err != nil {
		return err
	}
	if said.Entries != got.Entries || said.Lost != got.Lost {
		return protocolError("%d entries, %d of them lost, came of %d and %d", got.Entries, got.Lost, said.Entries, said.Lost)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = said
	return nil
}

// Open opens a file of the other side, whose first bytes are on their way when it returns.
func (s *pull) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	r := openRequest{id: s.id, key: s.key, entry: e}
	if s.humble {
		s.humbled(&r.entry)
	}
	var base io.ReadCloser
	if s.basis != nil && e.Size >= cutFrom {
		if b, err := s.basis(ctx, e); err == nil {
			base, r.cut = b, true
		}
	}
	f, err := s.open(ctx, &r, base)
	if err != nil {
		if base != nil {
			base.Close()
		}
		return nil, whatever(ctx, &fs.PathError{Op: "open", Path: "/" + harmless(e.Path), Err: err})
	}
	return f, nil
}

func (s *pull) open(ctx context.Context, r *openRequest, base io.ReadCloser) (*file, error) {
	message := r.append(nil)
	c, stop, err := s.p.begin(ctx, msgOpen, message)
	if err != nil {
		return nil, err
	}
	kind, payload, err := c.receive()
	if err == nil && kind != msgFile {
		err = outOfTurn(kind)
	}
	f := &file{pull: s, ctx: ctx, c: c, stop: stop, asked: r.entry, base: base}
	if err == nil {
		err = f.begin(payload, r)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return f, nil
}
