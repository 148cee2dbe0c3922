package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"varve"
	"varve/internal/manifest"
)

// visible returns the snapshots that the client may know of. An error that matches varve.ErrDamaged comes with the others.
func (s *server) visible(ctx context.Context) ([]varve.Snapshot, error) {
	list, err := s.Store.Snapshots(ctx)
	if s.Series != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(snap varve.Snapshot) bool { return snap.Series != s.Series })
	}
	return list, err
}

func (s *server) snapshots(ctx context.Context, c *call, _ *request) error {
	list, err := s.visible(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return err
	}
	for i := range list {
		record, err := manifest.EncodeRecord(&list[i])
		if err == nil {
			err = c.send(msgSnapshot, record)
		}
		if err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return c.sendJSON(msgReply, &reply{})
}

// own returns varve.ErrNoSnapshot where one of ids is not the client's.
func (s *server) own(ctx context.Context, op string, ids []varve.SnapshotID) error {
	if s.Series == "" {
		return nil
	}
	list, err := s.visible(ctx)
	if err != nil && !errors.Is(err, varve.ErrDamaged) {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(list, func(snap varve.Snapshot) bool { return snap.ID == id }) {
			s.log.Warn("refused", "request", op, "of", id.String(), "reason", "not in the client's series")
			return fmt.Errorf("%s %s: %w", op, id, varve.ErrNoSnapshot)
		}
	}
	return nil
}

// view opens a snapshot, until the client lets go of it.
func (s *server) view(ctx context.Context, c *call, r *request) error {
	if len(r.IDs) != 1 {
		return protocolError("%d snapshots to open", len(r.IDs))
	}
	if err := s.own(ctx, opView, r.IDs); err != nil {
		return err
	}
	done, err := s.oneTree()
	if err != nil {
		return err
	}
	defer done()
	v, err := s.Store.View(ctx, r.IDs[0])
	if err != nil {
		return err
	}
	o := &offer{src: v, view: v}
	if s.Series != "" { // chunks of other series cannot be had by naming them
		o.own = &lookup{view: v}
	}
	return errors.Join(s.held(ctx, c, o, &reply{}), v.Close())
}

func (s *server) forget(ctx context.Context, c *call, r *request) error {
	if err := s.own(ctx, opForget, r.IDs); err != nil {
		return err
	}
	if err := s.Store.Forget(ctx, r.IDs...); err != nil {
		return err
	}
	s.log.Info("forgot snapshots", "count", len(r.IDs))
	return c.sendJSON(msgReply, &reply{})
}

func (s *server) verify(ctx context.Context, c *call, r *request) error {
	if r.Verify == nil {
		return protocolError("nothing to verify")
	}
	ids := r.Verify.Snapshots
	if err := s.own(ctx, opVerify, ids); err != nil {
		return err
	}
	if s.Series != "" && len(ids) == 0 {
		return s.verifyOwn(ctx, c, r)
	}
	return s.verifyThese(ctx, c, r.Verify, ids)
}

// verifyOwn verifies all snapshots of the client's series.
func (s *server) verifyOwn(ctx context.Context, c *call, r *request) error {
	list, err := s.visible(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return c.sendJSON(msgReply, &reply{Report: &varve.VerifyReport{}})
	}
	var ids []varve.SnapshotID
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return s.verifyThese(ctx, c, r.Verify, ids)
}

func (s *server) verifyThese(ctx context.Context, c *call, v *verifyRequest, ids []varve.SnapshotID) error {
	events := newReporter(c)
	report, err := s.Store.Verify(ctx, varve.VerifyOptions{Snapshots: ids, StructureOnly: v.StructureOnly, Subset: v.Subset,
		Progress: events.report})
	events.close()
	if err != nil {
		return err
	}
	return c.sendJSON(msgReply, &reply{Report: &report})
}
