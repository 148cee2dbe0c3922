package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"varve"
	"varve/internal/manifest"
	"varve/internal/mux"
)

// Ahead is a good value for varve.SaveOptions.Ahead where the source is a far one: that many small files are under way at a time.
const Ahead = mux.MaxStreams / 4 * 3

// save has the store make a snapshot of what the client offers.
func (s *server) save(ctx context.Context, c *call, r *request) error {
	if r.Save == nil {
		return protocolError("nothing to save")
	}
	opts, err := r.Save.options()
	if err == nil {
		err = s.admit(&opts)
	}
	if err != nil {
		return err
	}
	if !s.saves.try(1) {
		return fmt.Errorf("%d pushes are running already: %w", maxSaves, varve.ErrBusy)
	}
	defer s.saves.give(1)
	snap, err := s.pull(ctx, c, r, opts)
	if err != nil {
		s.log.Warn("push failed", "series", opts.Series, "error", err)
		return err
	}
	s.log.Info("push made a snapshot", "series", snap.Series, "id", snap.ID.String(), "state", string(snap.State), "added", snap.Added)
	record, err := manifest.EncodeRecord(&snap)
	if err != nil {
		return err
	}
	return c.sendJSON(msgReply, &reply{Snapshot: record})
}

// admit checks and corrects what a client asks for.
func (s *server) admit(o *varve.SaveOptions) error {
	if s.Series != "" && o.Series != s.Series {
		return s.refuse(opSave, fmt.Sprintf("into series %.100q", o.Series), fmt.Sprintf("the client is bound to series %q: name that one, or none", s.Series))
	}
	if s.Role != Full {
		switch {
		case o.Origin != nil:
			return s.refuse(opSave, "a copy", "it would have the times that the client says")
		case o.Pinned:
			return s.refuse(opSave, "a pinned snapshot", "only clients with role full may pin")
		}
		o.Recheck = false
	}
	if s.Series != "" || s.Role != Full { // by naming another's host it would get the content of his files
		o.Alone = true
	}
	if s.Host != "" {
		o.Host = s.Host
		if o.Origin != nil {
			origin := *o.Origin
			origin.Host = s.Host
			o.Origin = &origin
		}
	}
	return nil
}

// pull lets the store read the client's files. Whatever goes wrong between the two ends the save.
func (s *server) pull(ctx context.Context, c *call, r *request, opts varve.SaveOptions) (snap varve.Snapshot, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	spent := newAccount(s.quota)
	defer spent.close()
	failing := func(err error) error {
		if err != nil {
			fail(err)
		}
		return err
	}
	base := NewBasis(s.Store, opts.Series)
	defer base.Close() // it was only read
	src := &pull{p: s.peer, id: c.ID(), humble: s.Role != Full, lost: fail, basis: base.Open,
		charge: func(n int64) error { return failing(spent.charge(ctx, n)) },
		reads:  func(path string, n int64) error { return failing(spent.read(ctx, path, n)) }}
	rand.Read(src.key[:]) // it never fails
	opts.Now = s.Now
	if s.Role == Full && r.Save.Clock {
		opts.Now = src.clock(ctx, s.Now)
	}
	if r.Save.Judge {
		opts.Judge = src.judge(ctx)
	}
	opts.Ahead = s.ahead()
	defer s.files.give(int64(opts.Ahead))
	events := newReporter(c)
	opts.Progress = func(e varve.Event) {
		failing(spent.event(ctx, &e))
		events.report(e)
	}
	snap, err = s.Store.Save(ctx, src, opts)
	events.close()
	return snap, explained(ctx, err)
}

// explained adds to err why ctx was ended, where somebody said so.
func explained(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || cause == ctx.Err() {
		return err
	}
	if text := err.Error(); strings.HasSuffix(text, ": "+ctx.Err().Error()) && !strings.Contains(text, "\n") {
		return cause // err says no more than that
	}
	return fmt.Errorf("%w (%w)", cause, err)
}

// ahead takes a share of the files that may be open ahead of their turn: much where there is one push, little where there are others.
func (s *server) ahead() int {
	for n := int64(Ahead); n > 1; n /= 2 {
		if s.files.try(n) {
			return int(n)
		}
	}
	return 0
}

// used returns how many bytes the client's snapshots take up, and what broken pushes have left.
func (s *server) used(ctx context.Context) (n int64, err error) {
	if s.Occupied != nil {
		return s.Occupied(ctx, s.Series)
	}
	list, err := s.visible(ctx)
	if errors.Is(err, varve.ErrDamaged) { // nothing that this client has done
		err = nil
	}
	for i := range list {
		n = addUp(n, list[i].Added)
	}
	return n, err
}
