package gc

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// mutant is the protocol with one mistake in it.
type mutant struct {
	name  string
	cast  string // who takes part; all where empty
	spoil func(*steps)
	lag   bool   // does harm only where listings are stale
	seal  bool   // and snapshots count as valid in spite of a tomb
	harm  string // the invariant that it breaks, by its number
}

type (
	writing    = []func(*commit, context.Context) error
	collecting = []func(*collection, context.Context) error
	doubting   = []func(*doubt, context.Context) error
)

// mutants returns the mistakes that others made, and some more.
func mutants() []mutant {
	return []mutant{
		{name: "no check before the seal", harm: "(1)", spoil: func(s *steps) {
			s.check = writing{(*commit).announce}
		}},
		{name: "check before the snapshot record", harm: "(1)", spoil: func(s *steps) {
			s.check = writing{(*commit).shun, (*commit).find, (*commit).announce}
		}},
		{name: "packs listed before condemn records are read", harm: "(1)", spoil: func(s *steps) {
			s.check = writing{(*commit).announce, (*commit).settle, (*commit).find, (*commit).shun}
		}},
		{name: "no look whether packs are there", harm: "(1)", spoil: func(s *steps) {
			s.check = writing{(*commit).announce, (*commit).settle, (*commit).shun}
		}},
		{name: "no look at condemn records", harm: "(1)", spoil: func(s *steps) {
			s.check = writing{(*commit).announce, (*commit).settle, (*commit).find}
		}},
		{name: "roots not listed again", harm: "(1)", spoil: func(s *steps) {
			s.collect = slices.Delete(s.collect, 2, 3)
		}},
		{name: "roots listed again before the condemn record", harm: "(1)", spoil: func(s *steps) {
			s.collect[0], s.collect[2] = s.collect[2], s.collect[0]
		}},
		{name: "other collectors ignored", harm: "(1)", spoil: func(s *steps) {
			s.collect = slices.Delete(s.collect, 3, 4)
		}},
		{name: "collector lists packs before it reads condemn records", cast: "collector-1 collector-2", harm: "(1)", spoil: func(s *steps) {
			s.collect[3], s.collect[4] = s.collect[4], s.collect[3]
		}},
		{name: "all that is condemned is deleted", harm: "(1)", spoil: func(s *steps) {
			s.collect[5] = (*collection).spareNothing
		}},
		{name: "records of others removed early", harm: "(1)", spoil: func(s *steps) {
			s.spent = func(c *collection, name string) bool { return strings.HasPrefix(name, packs) || c.gone(name) }
		}},
		{name: "own record removed before the packs are deleted", harm: "(1)", spoil: func(s *steps) {
			s.collect = collecting{(*collection).flag, (*collection).settle, (*collection).markAgain, (*collection).shun,
				(*collection).find, (*collection).spare, (*collection).unflag, (*collection).erase, (*collection).settle,
				(*collection).sweep, (*collection).bury}
		}},
		{name: "unsealed records are no roots", harm: "(1)", spoil: func(s *steps) {
			s.root = func(s *Snap) bool { return s.root() && len(s.Seals) > 0 }
		}},
		{name: "tomb not looked for", harm: "(2)", spoil: func(s *steps) {
			s.finish = writing{(*commit).seal}
		}},
		{name: "a seal counts for more than a tomb", harm: "(1)", seal: true, spoil: func(s *steps) {
			s.root = func(s *Snap) bool { return s.root() || len(s.Seals) > 0 && len(s.Data) > 0 }
		}},
		{name: "doubt not looked for", harm: "(2)", spoil: func(s *steps) {
			s.finish = writing{(*commit).seal, (*commit).settle, (*commit).tombed}
		}},
		{name: "doubt looked for after the tomb", cast: "writer-1 tidy", harm: "(2)", spoil: func(s *steps) {
			s.finish = writing{(*commit).seal, (*commit).settle, (*commit).tombed, (*commit).doubted}
		}},
		{name: "tomb without doubt", cast: "writer-1 tidy", harm: "(2)", spoil: func(s *steps) {
			s.giveUp = doubting{(*doubt).look, (*doubt).tomb}
		}},
		{name: "tomb without a second look for a seal", harm: "(2)", spoil: func(s *steps) {
			s.giveUp = doubting{(*doubt).flag, (*doubt).settle, (*doubt).tomb, (*doubt).settle, (*doubt).unflag}
		}},
		{name: "no pause after the snapshot record", harm: "(1)", lag: true, spoil: func(s *steps) {
			s.check = writing{(*commit).announce, (*commit).shun, (*commit).find}
		}},
		{name: "no pause after the condemn record", harm: "(1)", lag: true, spoil: func(s *steps) {
			s.collect = slices.Delete(s.collect, 1, 2)
		}},
		{name: "no pause after packs are deleted", harm: "(1)", lag: true, spoil: func(s *steps) {
			s.collect = slices.Delete(s.collect, 7, 8)
		}},
		{name: "no pause after the seal", harm: "(2)", lag: true, spoil: func(s *steps) {
			s.finish = slices.Delete(s.finish, 1, 2)
		}},
		{name: "no pause after the doubt", cast: "writer-1 tidy", harm: "(2)", lag: true, spoil: func(s *steps) {
			s.giveUp = slices.Delete(s.giveUp, 1, 2)
		}},
		{name: "no pause after the tomb", cast: "writer-1 tidy", harm: "(2)", lag: true, spoil: func(s *steps) {
			s.giveUp = slices.Delete(s.giveUp, 4, 5)
		}},
	}
}

// off returns who takes no part.
func (m mutant) off() (off uint) {
	for i, p := range cast() {
		if m.cast != "" && !strings.Contains(m.cast, p.name) {
			off |= 1 << i
		}
	}
	return off
}

// within returns how many schedules a mistake may take to show.
func within() uint64 {
	if slowly() {
		return 100
	}
	return 200_000
}

// spareNothing deletes the whole own list.
func (c *collection) spareNothing(context.Context) error {
	for _, name := range c.own {
		c.packs[name] |= going
	}
	return nil
}

func TestEveryMistakeInTheProtocolDoesHarm(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			rules := law()
			m.spoil(rules)
			s, bad := schedule{rules: rules, harm: true, lag: m.lag, off: m.off(), sealWins: m.seal}.search(0, within())
			if !bad && slowly() {
				t.Skip("takes more schedules than a slow test plays")
			}
			if !bad {
				t.Fatal("no schedule shows it")
			}
			if got := s.play().violation; !strings.HasPrefix(got, m.harm) {
				t.Errorf("seed %d: %s", s.seed, got)
			}
		})
	}
}
