package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve"
	"varve/internal/manifest"
)

// Save has the far store make a snapshot of src, which it reads through the same connection. Where ctx ends it waits for the far
// side to say whether there is a snapshot; where the connection is lost nobody says, but what is listed later on is whole.
func (s *store) Save(ctx context.Context, src varve.Source, opts varve.SaveOptions) (varve.Snapshot, error) {
	snap, err := s.save(ctx, src, &opts)
	if err != nil {
		return varve.Snapshot{}, fmt.Errorf("push: %w", err)
	}
	return snap, nil
}

func (s *store) save(ctx context.Context, src varve.Source, opts *varve.SaveOptions) (snap varve.Snapshot, err error) {
	if err := s.canJudge(opts); err != nil {
		return snap, err
	}
	w, err := wireOptions(opts)
	if err != nil {
		return snap, err
	}
	if err := ctx.Err(); err != nil {
		return snap, err
	}
	offered := &offer{src: within{src, ctx}, plain: s.client.info.Role != Full, listed: newPathSet(), now: opts.Now,
		voice: newVoice(opts)}
	defer offered.voice.end()
	c, stop, err := s.p.announce(context.WithoutCancel(ctx), offered, &request{Op: opSave, Save: w})
	if err != nil {
		return snap, err
	}
	defer stop()
	defer s.cancelWith(ctx, c)()
	var answer reply
	if err := c.report(&answer, offered.voice.progress); err != nil {
		return snap, because(ctx, err, offered.fault())
	}
	if snap, err = manifest.DecodeRecord(answer.Snapshot); err != nil {
		return snap, protocolError("%v", err)
	}
	return snap, nil
}

// announce begins a request together with an offer that is named by it.
func (p *peer) announce(ctx context.Context, o *offer, r *request) (c *call, stop func(), err error) {
	text, err := marshal(r)
	if err != nil {
		return nil, nil, err
	}
	st, err := p.session.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	c = newCall(st)
	withdraw := p.offer(c.ID(), o)
	stop = func() {
		withdraw()
		st.Close()
	}
	if err := c.send(msgRequest, text); err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

// because returns why a push failed: err, and what was wrong on this side where that was the reason.
func because(ctx context.Context, err, own error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if own != nil {
		return fmt.Errorf("%w (the far side says: %w)", own, err)
	}
	return err
}

// now tells the time to the far store.
func (p *peer) now(_ context.Context, c *call, r *request) error {
	o, err := p.offered(r.ID)
	if err != nil {
		return err
	}
	if o.now == nil {
		return errors.New("no clock is offered")
	}
	t := varve.TimeOf(o.now())
	return c.sendJSON(msgReply, &reply{Time: &t})
}

// clock returns a function that asks the other side for the time. Where there is no answer the time is that of this side, and the push
// has failed.
func (s *pull) clock(ctx context.Context, own func() time.Time) func() time.Time {
	return func() time.Time {
		r, err := s.p.do(ctx, &request{Op: opNow, ID: s.id})
		if err == nil && r.Time == nil {
			err = protocolError("a time that says nothing")
		}
		if err != nil {
			s.lost(err)
			return own()
		}
		return r.Time.Time()
	}
}
