package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"

	"varve"
	"varve/internal/manifest"
)

// store is the far store.
type store struct {
	client *Client
	p      *peer
}

var _ varve.Store = (*store)(nil)

// Close closes the client.
func (s *store) Close() error { return s.client.Close() }

// maxRecords is how many bytes of records are taken from the far side.
const maxRecords = 64 << 20

// Snapshots returns what the far side lists.
func (s *store) Snapshots(ctx context.Context) ([]varve.Snapshot, error) {
	list, err := s.snapshots(ctx)
	if err != nil {
		return list, fmt.Errorf("list far snapshots: %w", whatever(ctx, err))
	}
	return list, nil
}

func (s *store) snapshots(ctx context.Context) (list []varve.Snapshot, err error) {
	c, stop, err := s.p.ask(ctx, &request{Op: opSnapshots})
	if err != nil {
		return nil, err
	}
	defer stop()
	for size := 0; size <= maxRecords; {
		kind, payload, err := c.receive()
		switch {
		case errors.Is(err, varve.ErrDamaged):
			return list, err
		case err != nil:
			return nil, err
		case kind == msgReply:
			return list, nil
		case kind != msgSnapshot:
			return nil, outOfTurn(kind)
		}
		snap, err := manifest.DecodeRecord(payload)
		if err != nil {
			return nil, protocolError("%v", err)
		}
		size += len(payload)
		list = append(list, snap)
	}
	return nil, protocolError("too many snapshots")
}

// View opens a far snapshot.
func (s *store) View(ctx context.Context, id varve.SnapshotID) (varve.View, error) {
	c, stop, _, err := s.p.hold(ctx, &request{Op: opView, IDs: []varve.SnapshotID{id}})
	if err != nil {
		return nil, fmt.Errorf("open far snapshot %s: %w", id, err)
	}
	return &view{pull: pull{p: s.p, id: c.ID()}, stop: stop}, nil
}

// Forget removes far snapshots.
func (s *store) Forget(ctx context.Context, ids ...varve.SnapshotID) error {
	_, err := s.patiently(ctx, &request{Op: opForget, IDs: ids}, nil)
	if err != nil {
		return fmt.Errorf("forget far snapshots: %w", err)
	}
	return nil
}

// Verify has the far side check what it has.
func (s *store) Verify(ctx context.Context, opts varve.VerifyOptions) (varve.VerifyReport, error) {
	r := &verifyRequest{Snapshots: opts.Snapshots, StructureOnly: opts.StructureOnly, Subset: opts.Subset}
	answer, err := s.patiently(ctx, &request{Op: opVerify, Verify: r}, opts.Progress)
	if err == nil && answer.Report == nil {
		err = protocolError("a report that says nothing")
	}
	if err != nil {
		return varve.VerifyReport{}, fmt.Errorf("verify far store: %w", err)
	}
	return *answer.Report, nil
}

// patience is how long the far side has to say what has become of a request that was cancelled.
const patience = 30 * time.Second

// patiently asks for something that changes the store or takes long, and hands on the events meanwhile. When ctx ends it says so, and
// waits until the far side has stopped; what was done by then counts.
func (s *store) patiently(ctx context.Context, r *request, progress func(varve.Event)) (answer reply, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	c, stop, err := s.p.ask(context.WithoutCancel(ctx), r)
	if err != nil {
		return answer, err
	}
	defer stop()
	defer s.cancelWith(ctx, c)()
	return answer, whatever(ctx, c.report(&answer, progress))
}

// cancelWith tells the other side when ctx ends, and gives the call up if it does not answer. The function it returns ends that.
func (s *store) cancelWith(ctx context.Context, c *call) (end func()) {
	undone := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
		case <-undone:
			return
		}
		newCall(c.Stream).send(msgCancel, nil) // where it cannot be sent there is no answer either
		wait := time.NewTimer(patience)
		defer wait.Stop()
		select {
		case <-wait.C:
			c.Close()
		case <-undone:
		}
	}()
	return func() {
		close(undone)
		<-done
	}
}

// report reads events up to the reply.
func (c *call) report(answer *reply, progress func(varve.Event)) error {
	for {
		kind, payload, err := c.receive()
		if err != nil {
			return err
		}
		switch kind {
		case msgEvents:
			if err := tell(payload, progress); err != nil {
				return err
			}
		case msgReply:
			return parseJSON(payload, answer)
		default:
			return outOfTurn(kind)
		}
	}
}

// view is a far snapshot.
type view struct {
	pull
	stop func()
}

var _ varve.View = (*view)(nil)

// Below lists one directory after the other.
func (v *view) Below(ctx context.Context, path string) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		for todo := []string{path}; len(todo) > 0; {
			last := len(todo) - 1
			dir := todo[last]
			todo = todo[:last]
			dirs, err := v.readDir(ctx, dir, yield)
			if err == errEnough {
				return
			}
			if err != nil {
				yield(varve.Entry{}, fmt.Errorf("list far /%s: %w", harmless(dir), whatever(ctx, err)))
				return
			}
			slices.Reverse(dirs)
			todo = append(todo, dirs...)
		}
	}
}

// readDir yields the entries of one directory, and returns which of them are directories.
func (v *view) readDir(ctx context.Context, path string, yield func(varve.Entry, error) bool) (dirs []string, err error) {
	if fault := pathFault(path); fault != "" {
		return nil, fs.ErrNotExist
	}
	c, stop, err := v.p.ask(ctx, &request{Op: opDir, ID: v.id, Name: raw(path)})
	if err != nil {
		return nil, err
	}
	defer stop()
	check := newDirGate()
	err = v.receive(c, func(e *varve.Entry) error { return check.passDir(path, e) }, func(e varve.Entry) bool {
		if e.Kind == varve.Dir {
			dirs = append(dirs, e.Path)
		}
		return yield(e, nil)
	})
	return dirs, err
}

// Close lets go of the snapshot.
func (v *view) Close() error {
	v.stop()
	return nil
}
