package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"strings"

	"varve"
	"varve/internal/backend"
	"varve/internal/mux"
)

// storage is the far storage of a vault.
type storage struct {
	client *Client
	p      *peer
}

var _ varve.Backend = (*storage)(nil)

// Close closes the client.
func (s *storage) Close() error { return s.client.Close() }

// Put keeps an object on the far side, which checks its name against its bytes.
func (s *storage) Put(ctx context.Context, name string, data []byte) error {
	kind, _, err := backend.Parse(name)
	if err == nil && int64(len(data)) > kind.MaxSize() {
		err = errors.New("longer than objects of its kind may be")
	}
	if err == nil {
		err = s.put(ctx, name, data)
	}
	return wrap("put", name, err)
}

func (s *storage) put(ctx context.Context, name string, data []byte) error {
	c, stop, err := s.p.ask(ctx, &request{Op: opPut, Name: raw(name), Len: int64(len(data))})
	if err != nil {
		return err
	}
	defer stop()
	for len(data) > 0 {
		n := min(len(data), maxData)
		err := c.send(msgData, data[:n])
		if errors.Is(err, mux.ErrReset) {
			break // the far side has answered already
		}
		if err != nil {
			return whatever(ctx, err)
		}
		data = data[n:]
	}
	var answer reply
	return whatever(ctx, c.receiveJSON(msgReply, &answer))
}

// Get returns bytes of an object.
func (s *storage) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	data, err := s.read(ctx, name, off, n)
	if err != nil {
		return nil, err
	}
	return data, nil
}

// read is Get, which with an error returns what came until then.
func (s *storage) read(ctx context.Context, name string, off, n int64) (data []byte, err error) {
	kind, _, err := backend.Parse(name)
	if err == nil && off < 0 {
		err = fs.ErrInvalid
	}
	if err == nil {
		data, err = s.get(ctx, kind, &request{Op: opGet, Name: raw(name), Off: off, Len: n})
	}
	return data, wrap("get", name, err)
}

// get is read without its checks.
func (s *storage) get(ctx context.Context, kind backend.Kind, r *request) (data []byte, err error) {
	c, stop, err := s.p.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	defer stop()
	most := mostOf(kind, r.Len)
	for {
		got, part, err := c.receive()
		switch {
		case err != nil:
			return data, whatever(ctx, err)
		case got == msgReply:
			return data, nil
		case got != msgData:
			return data, outOfTurn(got)
		case int64(len(data)+len(part)) > most:
			return data, protocolError("more than %d bytes of an object", most)
		}
		data = append(data, part...)
	}
}

// mostOf returns how many bytes a Get of so many, all where n is negative, may return. One byte more than an object may have shows that it
// has too many.
func mostOf(kind backend.Kind, n int64) int64 {
	if n < 0 {
		n = math.MaxInt64
	}
	return min(n, kind.MaxSize()+1)
}

// List yields the far objects.
func (s *storage) List(ctx context.Context, prefix string) iter.Seq2[varve.Object, error] {
	return func(yield func(varve.Object, error) bool) {
		err := s.list(ctx, prefix, func(o varve.Object) bool { return yield(o, nil) })
		if err != nil && err != errEnough {
			yield(varve.Object{}, wrap("list", prefix, err))
		}
	}
}

func (s *storage) list(ctx context.Context, prefix string, yield func(varve.Object) bool) error {
	c, stop, err := s.p.ask(ctx, &request{Op: opList, Name: raw(prefix)})
	if err != nil {
		return err
	}
	defer stop()
	for {
		kind, payload, err := c.receive()
		switch {
		case err != nil:
			return whatever(ctx, err)
		case kind == msgReply:
			return nil
		case kind != msgObjects:
			return outOfTurn(kind)
		}
		d := decoder{b: payload}
		for d.more() {
			o := d.object()
			if d.fault == "" && ctx.Err() != nil {
				return ctx.Err()
			}
			if d.fault == "" && named(o.Name, prefix) && !yield(o) {
				return errEnough
			}
		}
		if err := d.err(); err != nil {
			return err
		}
	}
}

// named reports whether a name is that of an object, and one that was asked for.
func named(name, prefix string) bool {
	return strings.HasPrefix(name, prefix) && backend.CheckName(name) == nil
}

// Delete removes a far object.
func (s *storage) Delete(ctx context.Context, name string) error {
	err := backend.CheckName(name)
	if err == nil {
		_, err = s.p.do(ctx, &request{Op: opDelete, Name: raw(name)})
	}
	return wrap("delete", name, err)
}

func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s far object %.100q: %w", op, name, err)
}

// object appends an object of a listing.
func (w *encoder) object(o *varve.Object) {
	w.tail(o.Name, w.path)
	w.path = o.Name
	w.number(uint64(o.Size))
	if o.Time.IsZero() {
		w.b = append(w.b, 0)
		return
	}
	w.b = append(w.b, 1)
	w.time(varve.TimeOf(o.Time))
}

func (d *decoder) object() (o varve.Object) {
	o.Name = d.tail(d.path)
	d.path = o.Name
	o.Size = int64(d.number(math.MaxInt64))
	switch d.byte() {
	case 0:
	case 1:
		o.Time = d.time().Time()
	default:
		d.fail("a time that is none")
	}
	return o
}
