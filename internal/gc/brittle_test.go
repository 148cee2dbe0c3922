package gc

import (
	"context"
	"errors"
	"iter"
	"testing"

	"varve"
)

var errPart = errors.New("part of the vault: broken")

// brittle is all that the protocol is given, and fails at the n-th call.
type brittle struct {
	*plan
	*claim
	calls, n int
	reading  bool // the call that failed was to read a record: who need not know it goes on
}

func (b *brittle) call() error {
	if b.calls++; b.calls == b.n {
		return errPart
	}
	return nil
}

func (b *brittle) Read(name string, data []byte) (Record, error) {
	rec, err := toyRecord(data)
	if failed := b.call(); failed != nil {
		b.reading = true
		return rec, failed
	}
	return rec, err
}

func (b *brittle) Seal(snap string) ([]byte, error) {
	data, err := b.plan.Seal(snap)
	return data, errors.Join(err, b.call())
}

func (b *brittle) Tomb(snap string) ([]byte, error) {
	data, err := b.plan.Tomb(snap)
	return data, errors.Join(err, b.call())
}

func (b *brittle) Condemn(names []string) ([]byte, error) {
	data, err := b.plan.Condemn(names)
	return data, errors.Join(err, b.call())
}

func (b *brittle) Snap(ctx context.Context) ([]byte, error) {
	data, err := b.claim.Snap(ctx)
	return data, errors.Join(err, b.call())
}

func (b *brittle) Needs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := b.call(); err != nil {
			yield("", err)
			return
		}
		b.claim.Needs(ctx)(yield)
	}
}

func (b *brittle) Replace(ctx context.Context, lost []string) error {
	return errors.Join(b.call(), b.claim.Replace(ctx, lost))
}

func (b *brittle) Learn(ctx context.Context, objects []varve.Object) error {
	return errors.Join(b.call(), b.plan.Learn(ctx, objects))
}

func (b *brittle) Mark(ctx context.Context, roots []Snap) error {
	return errors.Join(b.call(), b.plan.Mark(ctx, roots))
}

func (b *brittle) Covered(ctx context.Context, pack string, usable func(string) bool) (bool, error) {
	covered, err := b.plan.Covered(ctx, pack, usable)
	return covered, errors.Join(err, b.call())
}

func (b *brittle) Lacks(ctx context.Context, s Snap, usable func(string) bool) (bool, error) {
	lacks, err := b.plan.Lacks(ctx, s, usable)
	return lacks, errors.Join(err, b.call())
}

func (b *brittle) Choose(ctx context.Context, free, rescue []varve.Object) (Choice, error) {
	c, err := b.plan.Choose(ctx, free, rescue)
	c.Drop = append(c.Drop, c.Drop...)
	c.Drop = append(c.Drop, packs+"unheard-of")
	return c, errors.Join(err, b.call())
}

func (b *brittle) Repack(ctx context.Context, old []string) error {
	return errors.Join(b.call(), b.plan.Repack(ctx, old))
}

func (b *brittle) Settle(context.Context) error { return b.call() }

// run has a snapshot made, one given up, one forgotten, and packs collected, until something fails.
func (b *brittle) run(w *world, forget string) error {
	ctx := context.Background()
	p := &Protocol{Backend: b.plan.actor, Codec: b, Settle: b.Settle}
	if snap, err := p.Commit(ctx, b); err != nil {
		return err
	} else if !w.state(snap).sealed {
		return errors.New("success without a seal")
	}
	if err := p.Forget(ctx, forget); err != nil {
		return err
	}
	if _, err := p.Tidy(ctx, b, func(Snap) bool { return true }); err != nil {
		return err
	}
	_, err := p.Collect(ctx, b)
	return err
}

func TestAnErrorOfAnyPartIsReturnedAndDoesNoHarm(t *testing.T) {
	for n := 1; ; n++ {
		a := quiet()
		old := snapshotOf(t, a, 5)
		snapshotOf(t, a, 6)
		garbage(t, a)
		half := snapRecord("", 3, 0)
		put(t, a, snapshots, string(half))
		put(t, a, condemned, "condemn,,0,"+a.sorted[0].name+","+garbage(t, a))
		b := &brittle{plan: newPlan(a, policy{polite: true}), n: n,
			claim: &claim{actor: a, content: 9, uses: map[int]string{0: packs + "gone", 3: packs + "gone", page(9): packs + "gone"}}}
		a.tidies = true
		err := b.run(a.world, old)
		if (b.calls >= n) != errors.Is(err, errPart) && !b.reading {
			t.Errorf("call %d of %d: error %v", n, b.calls, err)
		}
		a.finish(schedule{})
		if a.violation != "" {
			t.Errorf("call %d: %s", n, a.violation)
		}
		if b.calls < n {
			return
		}
	}
}
