package gc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"varve"
)

// The toy vault: pieces 0 to 4 are content, piece 5+m the page that says that a snapshot holds the set m of them. A pack is a set of
// pieces, 8 bytes. A record is a line of words: its kind, who signed it, and the rest.

// contents is how many pieces are content.
const contents = 5

// page is the piece that holds the set of content m.
func page(m set) int { return contents + int(m) }

func packOf(s set) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(s)) }

func unpack(data []byte) set { return set(binary.LittleEndian.Uint64(data)) }

// rootOf returns the content that a snapshot record names.
func rootOf(data []byte) set {
	m, err := strconv.Atoi(strings.Split(string(data), ",")[2])
	if err != nil {
		panic(err)
	}
	return set(m)
}

// needs returns all pieces that a snapshot record needs.
func needs(data []byte) set {
	m := rootOf(data)
	return m | 1<<page(m)
}

// toyRecord reads a record.
func toyRecord(data []byte) (Record, error) {
	words := strings.Split(string(data), ",")
	if len(words) < 3 {
		return Record{}, ErrForeign
	}
	rec := Record{By: words[1]}
	switch words[0] {
	case "snap":
		rec.Kind = Snapshot
	case "seal":
		rec.Kind, rec.Snap = Seal, words[2]
	case "tomb":
		rec.Kind, rec.Snap = Tomb, words[2]
	case "condemn":
		rec.Kind, rec.Names = Condemn, words[3:]
	default:
		return rec, ErrForeign
	}
	return rec, nil
}

func snapRecord(by string, m set, nonce int) []byte {
	return fmt.Appendf(nil, "snap,%s,%d,%d", by, m, nonce)
}

// The methods of Codec.

func (a *actor) Read(_ string, data []byte) (Record, error) { return toyRecord(data) }

func (a *actor) Seal(snap string) ([]byte, error) { return []byte("seal," + a.by + "," + snap), nil }

func (a *actor) Tomb(snap string) ([]byte, error) { return []byte("tomb," + a.by + "," + snap), nil }

func (a *actor) Condemn(names []string) ([]byte, error) {
	return fmt.Appendf(nil, "condemn,%s,%d,%s", a.by, a.next(), strings.Join(names, ",")), nil
}

// protocol is the real code on the toy vault.
func (a *actor) protocol(rules *steps) *Protocol {
	p := &Protocol{Backend: a, Codec: a, steps: rules}
	if a.lag > 0 {
		p.Settle = a.settle
	}
	return p
}

// store puts a pack, and an index object that says what it holds.
func (a *actor) store(s set) (pack string, err error) {
	pack = fmt.Sprintf("%s%04d", packs, a.next())
	if err := a.Put(context.Background(), pack, packOf(s)); err != nil {
		return "", err
	}
	return pack, a.Put(context.Background(), fmt.Sprintf("index/%d,%d", s, a.next()), []byte(pack))
}

// claim is a snapshot about to be made.
type claim struct {
	*actor
	content set
	uses    map[int]string // which pack each piece is in
	poor    bool           // the source is gone
}

// newClaim stores what no index knows of: W1.
func newClaim(a *actor, m set) (*claim, error) {
	c := &claim{actor: a, content: m, uses: map[int]string{}, poor: a.rand.IntN(8) == 0}
	missing := m | 1<<page(m)
	for o, err := range a.List(context.Background(), "index/") {
		if err != nil {
			return nil, err
		}
		word, _, _ := strings.Cut(strings.TrimPrefix(o.Name, "index/"), ",")
		number, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return nil, err
		}
		held := set(number) & missing
		if held == 0 {
			continue
		}
		pack, err := a.Get(context.Background(), o.Name, 0, -1)
		if err == nil {
			c.use(held, string(pack))
			missing &^= held
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return c, c.keep(missing)
}

func (c *claim) use(s set, pack string) {
	for rest := s; rest != 0; rest &= rest - 1 {
		c.uses[bits.TrailingZeros64(uint64(rest))] = pack
	}
}

// keep stores pieces in one pack, or in two.
func (c *claim) keep(s set) error {
	first := s & set(c.rand.Uint64())
	if c.rand.IntN(2) == 0 {
		first = s
	}
	for _, part := range []set{first, s &^ first} {
		if part == 0 {
			continue
		}
		pack, err := c.store(part)
		if err != nil {
			return err
		}
		c.use(part, pack)
	}
	return nil
}

func (c *claim) Snap(context.Context) ([]byte, error) {
	return snapRecord(c.by, c.content, c.next()), nil
}

func (c *claim) Needs(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, pack := range c.uses {
			if !yield(pack, nil) {
				return
			}
		}
	}
}

func (c *claim) Replace(_ context.Context, lost []string) error {
	var again set
	for piece, pack := range c.uses {
		if slices.Contains(lost, pack) {
			again |= 1 << piece
		}
	}
	if c.poor {
		return ErrLost
	}
	c.events[replaced]++
	return c.keep(again)
}

// plan is what a collector, or who tidies up, knows of the packs.
type plan struct {
	*actor
	held   map[string]set // what each pack holds, as far as it was ever learned
	packs  []string       // what was learned
	live   set
	policy policy
}

// policy is how a plan chooses.
type policy struct {
	polite  bool // only what should go, and everything that should
	limited int  // so many packs at most, if not 0
	undo    bool // keeps what was forgotten
}

func newPlan(a *actor, p policy) *plan { return &plan{actor: a, held: map[string]set{}, policy: p} }

func (p *plan) Learn(_ context.Context, objects []varve.Object) error {
	p.packs = p.packs[:0]
	for _, o := range objects {
		if _, known := p.held[o.Name]; !known {
			data, err := p.Get(context.Background(), o.Name, 0, -1)
			if err != nil {
				return err
			}
			p.held[o.Name] = unpack(data)
		}
		p.packs = append(p.packs, o.Name)
	}
	return nil
}

// read reads the page of a snapshot from a usable pack. fs.ErrNotExist where there is none.
func (p *plan) read(m set, usable func(string) bool) error {
	for _, pack := range p.packs {
		if p.held[pack].has(page(m)) && usable(pack) {
			if _, err := p.Get(context.Background(), pack, 0, -1); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return fs.ErrNotExist
}

func (p *plan) Mark(_ context.Context, roots []Snap) error {
	p.live = 0
	for _, s := range roots {
		m := rootOf(s.Data)
		p.live |= 1 << page(m)
		err := p.read(m, func(string) bool { return true })
		switch {
		case err == nil:
			p.live |= m
		case len(s.Tombs) == 0 || !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// spread returns all that usable packs hold.
func (p *plan) spread(usable func(string) bool) (all set) {
	for _, pack := range p.packs {
		if usable(pack) {
			all |= p.held[pack]
		}
	}
	return all
}

func (p *plan) Covered(_ context.Context, pack string, usable func(string) bool) (bool, error) {
	return p.held[pack]&p.live&^p.spread(usable) == 0, nil
}

func (p *plan) Lacks(_ context.Context, s Snap, usable func(string) bool) (bool, error) {
	all := p.spread(usable)
	if !all.has(page(rootOf(s.Data))) {
		return true, nil
	}
	if err := p.read(rootOf(s.Data), usable); err != nil {
		return false, err
	}
	return needs(s.Data)&^all != 0, nil
}

func (p *plan) Keep(s Snap) bool { return p.policy.undo && len(s.Seals) > 0 }

func (p *plan) Choose(_ context.Context, free, rescue []varve.Object) (c Choice, err error) {
	var kept set
	free = slices.Clone(free)
	p.rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	for _, o := range free {
		held := p.held[o.Name] & p.live
		switch roll := p.rand.IntN(12); {
		case held == 0, held&^kept == 0, !p.policy.polite && roll < 3:
			c.Drop = append(c.Drop, o.Name)
		case held != p.held[o.Name] && (p.policy.polite || roll < 8):
			c.Move = append(c.Move, o.Name)
		default:
			kept |= held
		}
	}
	for _, o := range rescue {
		if p.policy.polite || p.rand.IntN(4) > 0 {
			c.Move = append(c.Move, o.Name)
		}
	}
	if n := p.policy.limited; n > 0 && len(c.Drop)+len(c.Move) > n {
		c.Drop, c.Move, c.More = c.Drop[:min(n, len(c.Drop))], c.Move[:min(n, len(c.Move))], true
	}
	return c, nil
}

func (p *plan) Repack(_ context.Context, old []string) error {
	var live set
	for _, pack := range old {
		data, err := p.Get(context.Background(), pack, 0, -1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		live |= unpack(data) & p.live
	}
	if live == 0 {
		return nil
	}
	_, err := p.store(live)
	return err
}

// sweepIndex deletes index objects, as anybody may: they are hints.
func (a *actor) sweepIndex() {
	for _, o := range slices.Sorted(maps.Keys(a.objects)) {
		if strings.HasPrefix(o, "index/") && a.rand.IntN(2) == 0 {
			_ = a.Delete(context.Background(), o)
		}
	}
}
