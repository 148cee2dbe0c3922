package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/table"
)

const (
	// manyIndexes is how many index objects there may be, and spareIndex how many bytes they may take beyond one and a half times what
	// they have to say, before they are written anew.
	manyIndexes = 32
	spareIndex  = 256 << 10
)

// tend writes index objects anew where that is worth it, brings the local index up to date, and puts reserves where they are missing. A full
// storage keeps it from nothing but writing: an index is a hint, and the next prune has more room.
func (p *plan) tend(ctx context.Context) error {
	s := p.store
	if p.nowhere > 0 {
		p.tell(varve.Event{Kind: varve.Damage, Err: fmt.Errorf("%d pieces of content that snapshots need are in no pack: %w", p.nowhere,
			varve.ErrDamaged)})
	}
	old, err := backend.Objects(ctx, s.backend, backend.Index)
	if err != nil {
		return err
	}
	// Who wrote these had put his packs before, so all that they list is known now, or gone.
	if err := s.refresh(ctx); err != nil {
		return err
	}
	due, there, err := s.surveyIndex(old)
	if err == nil && due {
		_, err = s.writeIndex(ctx, old)
	}
	for ; err == nil && there < reserves; there++ {
		if err = s.keys.putReserve(ctx, s.backend); err == nil {
			p.report.BytesFreed -= reserveSize
		}
	}
	if err != nil && !isFull(err) {
		return err
	}
	p.report.More = p.report.More || err != nil
	return s.index.Flush()
}

// surveyIndex finds out whether index objects should be written anew, and how many reserves are among the packs.
func (s *Store) surveyIndex(old []varve.Object) (due bool, reserved int, err error) {
	size, packs := int64(0), 0
	for info, err := range s.index.Packs() {
		if err != nil {
			return false, 0, err
		}
		if info.Blobs == 0 {
			reserved++
		} else {
			packs++
			size += 44 + table.SessionSize + 12*int64(info.Blobs) + 36*int64(info.Chunks)
		}
	}
	there := int64(0)
	for _, o := range old {
		there += o.Size
	}
	due = s.spoilt || len(old) > manyIndexes || there > size+size/2+spareIndex || packs > 0 && len(old) == 0 || packs == 0 && len(old) > 1
	return due, reserved, nil
}

// writeIndex writes index objects for all packs that are known, and then deletes the old ones. It returns how many packs these are.
func (s *Store) writeIndex(ctx context.Context, old []varve.Object) (packs int64, err error) {
	session, err := seal.NewSession(s.keys.vault, s.keys.newest())
	if err != nil {
		return 0, err
	}
	s.keys.opener.AddSession(session)
	x := newIndexer(s, session, s.keys.admin)
	var last table.Name
	for info, err := range s.index.Packs() {
		if err != nil {
			return packs, err
		}
		if info.Name == last { // several tell of it
			continue
		}
		last = info.Name
		list, err := s.index.Pack(info.Name)
		if err != nil {
			return packs, err
		}
		if len(list) == 0 { // forgotten meanwhile
			continue
		}
		if err := x.add(ctx, slices.MaxFunc(list, func(a, b table.Pack) int { return cmp.Compare(len(a.Blobs), len(b.Blobs)) })); err != nil {
			return packs, err
		}
		packs++
	}
	if err := x.flush(ctx); err != nil {
		return packs, err
	}
	old = slices.DeleteFunc(slices.Clone(old), func(o varve.Object) bool { return x.names[o.Name] })
	err = together(ctx, s.opts.changes(), len(old), func(i int) error { return backend.Remove(ctx, s.backend, old[i].Name) })
	if err != nil {
		return packs, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoilt = false
	return packs, nil
}

// A reserve is a pack without a blob: it is there to be deleted where records that make room do not fit on a full storage. It is
// reserveSize bytes long. A new vault has one, and a prune sees to it that there are reserves.
const (
	reserveSize = 128 << 10
	reserves    = 2
)

// putReserve puts a reserve.
func (k *keyring) putReserve(ctx context.Context, b varve.Backend) error {
	session, err := seal.NewSession(k.vault, k.newest())
	if err != nil {
		return err
	}
	w := &pack.Writer{Vault: k.vault, Session: session, Signer: k.admin, Compressor: &seal.Compressor{}}
	data, err := w.Empty(reserveSize)
	if err == nil {
		_, err = backend.Save(ctx, b, backend.Data, data)
	}
	return err
}

// makeRoom deletes reserves, but leaves some, and then, if records may need more than that, index objects, which can be written anew at
// any time. Forget leaves a reserve for the prune that comes next.
func (s *Store) makeRoom(ctx context.Context, leave int) error {
	if err := s.know(ctx); err != nil {
		return err
	}
	need, freed := int64(4<<10), int64(0)
	var there []table.Name
	for info, err := range s.index.Packs() {
		if err != nil {
			return err
		}
		if info.Blobs == 0 {
			there = append(there, info.Name)
		}
		if leave == 0 {
			need += 2*int64(len(info.Name)) + 3 // a line in a condemn record
		}
	}
	spare := there[min(leave, len(there)):]
	for _, name := range spare {
		if err := backend.Remove(ctx, s.backend, backend.Data.Name(name)); err != nil {
			return err
		}
		freed += reserveSize
	}
	if err := s.index.Remove(spare...); err != nil {
		return err
	}
	if freed < need {
		more, err := s.dropIndexes(ctx, need-freed)
		if err != nil {
			return err
		}
		freed += more
	}
	if freed == 0 {
		return fmt.Errorf("nothing is left that could be given up to make room: prune: %w", disk.ErrNoSpace)
	}
	return nil
}

// dropIndexes deletes index objects, the largest first, until need bytes are free.
func (s *Store) dropIndexes(ctx context.Context, need int64) (freed int64, err error) {
	objects, err := backend.Objects(ctx, s.backend, backend.Index)
	if err != nil {
		return 0, err
	}
	slices.SortFunc(objects, func(a, b varve.Object) int { return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Name, b.Name)) })
	for _, o := range objects {
		if freed >= need {
			break
		}
		if err := backend.Remove(ctx, s.backend, o.Name); err != nil {
			return freed, err
		}
		freed += o.Size
	}
	return freed, nil
}
