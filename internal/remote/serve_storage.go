package remote

import (
	"context"
	"errors"
	"io/fs"

	"varve/internal/backend"
)

// put takes an object in, whose name must be that of its bytes.
func (s *server) put(ctx context.Context, c *call, r *request) error {
	name := string(r.Name)
	kind, _, err := backend.Parse(name)
	switch {
	case err != nil:
		return err
	case r.Len < 0 || r.Len > kind.MaxSize():
		return protocolError("an object of %d bytes", r.Len)
	}
	if err := s.objects.take(ctx, r.Len); err != nil {
		return err
	}
	defer s.objects.give(r.Len)
	if err := s.space.charge(ctx, r.Len); err != nil {
		return err
	}
	if err := s.putCharged(ctx, c, name, r.Len); err != nil {
		s.space.give(r.Len)
		return err
	}
	return c.sendJSON(msgReply, &reply{})
}

func (s *server) putCharged(ctx context.Context, c *call, name string, n int64) error {
	data, err := c.gather(n)
	if err != nil {
		return err
	}
	if err := backend.Check(name, data); err != nil {
		s.log.Warn("refused", "request", opPut, "of", name, "reason", "its bytes do not hash to its name")
		return err
	}
	return s.Backend.Put(ctx, name, data)
}

// gather reads messages of data with n bytes together.
func (c *call) gather(n int64) (data []byte, err error) {
	for int64(len(data)) < n {
		kind, part, err := c.receive()
		switch {
		case err != nil:
			return nil, err
		case kind != msgData || len(part) == 0:
			return nil, outOfTurn(kind)
		case int64(len(data)+len(part)) > n:
			return nil, protocolError("more than %d bytes of an object", n)
		}
		data = append(data, part...)
	}
	return data, nil
}

// stored returns how many bytes all objects have.
func (s *server) stored(ctx context.Context) (n int64, err error) {
	for o, err := range s.Backend.List(ctx, "") {
		if err != nil {
			return 0, err
		}
		n = addUp(n, o.Size)
	}
	return n, nil
}

func (s *server) get(ctx context.Context, c *call, r *request) error {
	name := string(r.Name)
	kind, _, err := backend.Parse(name)
	if err == nil && r.Off < 0 {
		err = fs.ErrInvalid
	}
	if err != nil {
		return err
	}
	n := min(mostOf(kind, r.Len), objectMemory)
	if err := s.objects.take(ctx, n); err != nil {
		return err
	}
	defer s.objects.give(n)
	data, err := s.Backend.Get(ctx, name, r.Off, n)
	for len(data) > 0 && err == nil {
		part := data[:min(len(data), maxData)]
		err = c.send(msgData, part)
		data = data[len(part):]
	}
	if err != nil {
		return err
	}
	return c.sendJSON(msgReply, &reply{})
}

func (s *server) list(ctx context.Context, c *call, r *request) error {
	var w encoder
	flush := func() error {
		if len(w.b) == 0 {
			return nil
		}
		err := c.send(msgObjects, w.b)
		w.reset()
		return err
	}
	for o, err := range s.Backend.List(ctx, string(r.Name)) {
		if err == nil && o.Size < 0 {
			err = errors.New("an object of negative length")
		}
		if err == nil {
			w.object(&o)
		}
		if err == nil && len(w.b) >= batchSize {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return c.sendJSON(msgReply, &reply{})
}

func (s *server) remove(ctx context.Context, c *call, r *request) error {
	if err := s.Backend.Delete(ctx, string(r.Name)); err != nil {
		return err
	}
	return c.sendJSON(msgReply, &reply{})
}
