package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/backend"
	"varve/internal/seal"
	"varve/internal/storetest"
)

// past is a vault that things happen to, and what it should be: the holdings of its estate.
type past struct {
	*estate
	*rapid.T
	machines []*machine
	trees    []*storetest.Tree // what the machines save
	stores   []*Store          // that are open; nil where none is
	files    int
}

// newPast makes a vault and the machines that use it: two with the restore key, one with a put-only key.
func newPast(t *testing.T, r *rapid.T) *past {
	e := newEstate(t)
	p := &past{estate: e, T: r}
	for _, key := range []seal.KeyFile{e.root, e.root, e.addClient("box")} {
		p.machines = append(p.machines, e.machine(key))
		p.trees = append(p.trees, garden())
	}
	p.stores = make([]*Store, len(p.machines))
	return p
}

// at returns the open Store of a machine.
func (p *past) at(i int) *Store {
	if p.stores[i] == nil {
		p.stores[i] = p.open(p.machines[i])
	}
	return p.stores[i]
}

func (p *past) close(i int) {
	if p.stores[i] != nil {
		p.need(p.stores[i].Close())
		p.stores[i] = nil
	}
}

// admin draws a machine with the restore key, any one of all.
func (p *past) admin() int { return rapid.IntRange(0, 1).Draw(p.T, "admin") }
func (p *past) any() int   { return rapid.IntRange(0, len(p.machines)-1).Draw(p.T, "machine") }

// change changes the tree of a machine.
func (p *past) change(i int) {
	tree := p.trees[i]
	paths := slices.DeleteFunc(tree.Paths(), func(path string) bool { return path == "" })
	p.files++
	name := fmt.Sprintf("n%03d", p.files)
	what := rapid.SampledFrom([]string{"file", "large", "write", "remove", "move", "link", "nothing"}).Draw(p.T, "change")
	path := rapid.SampledFrom(append(paths, "dir")).Draw(p.T, "path")
	o := tree.At(path)
	switch {
	case what == "file":
		tree.File(name, noise(uint64(p.files), 10*p.files))
	case what == "large":
		tree.File(name, noise(uint64(p.files), 300_000))
	case o == nil:
	case what == "write" && o.Kind == varve.Regular:
		tree.Write(path, noise(uint64(p.files), 50))
	case what == "remove" && path != "dir":
		tree.Remove(path)
	case what == "move":
		tree.Move(path, name)
	case what == "link" && o.Kind != varve.Dir:
		tree.Link(name, path)
	}
}

func (p *past) save() {
	i := p.any()
	for range rapid.IntRange(0, 3).Draw(p.T, "changes") {
		p.change(i)
	}
	if p.trees[i].At("dir") == nil {
		p.trees[i].Dir("dir")
	}
	_, err := p.trySave(p.at(i), p.trees[i], fmt.Sprint("machine ", i))
	p.need(err)
}

func (p *past) forget() {
	if len(p.held) == 0 {
		return
	}
	h := rapid.SampledFrom(p.held).Draw(p.T, "snapshot")
	p.need(p.at(p.admin()).Forget(context.Background(), h.snap.ID))
	p.forgets(h.snap.ID)
}

func (p *past) unforget() {
	if len(p.gone) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.gone)-1).Draw(p.T, "forgotten")
	h := p.gone[i]
	p.need(p.at(p.admin()).Unforget(context.Background(), h.snap.ID))
	p.gone = slices.Delete(slices.Clone(p.gone), i, i+1)
	p.held = append(p.held, h)
}

// prune leaves what was forgotten, or takes it away for good.
func (p *past) prune() {
	opts := PruneOptions{MaxUnused: -1}
	if rapid.Bool().Draw(p.T, "at once") {
		opts.Undo, p.gone = -1, nil
	} else {
		opts.Undo = 1 << 60
	}
	_, err := p.at(p.admin()).Prune(context.Background(), opts)
	p.need(err)
}

// lose loses what can be had again.
func (p *past) lose() {
	i := p.any()
	p.close(i)
	p.need(os.RemoveAll(p.machines[i].cache()))
}

func (p *past) loseIndex() {
	list, err := backend.Objects(context.Background(), p.store, backend.Index)
	p.need(err)
	for _, o := range list {
		if rapid.Bool().Draw(p.T, "lost") {
			p.store.Set(o.Name, nil)
		}
	}
}

func (p *past) verify() {
	for _, f := range p.damage(p.at(p.admin())) {
		p.T.Error("damage:", f)
	}
}

// look compares one snapshot, and the list of all.
func (p *past) look() {
	s := p.at(p.admin())
	list, err := s.Snapshots(context.Background())
	p.need(err)
	if len(list) != len(p.held) {
		p.T.Errorf("%d snapshots, want %d", len(list), len(p.held))
	}
	if len(p.held) > 0 {
		h := rapid.SampledFrom(p.held).Draw(p.T, "snapshot")
		p.holds(s, h.snap.ID, h.want)
	}
	if len(p.gone) > 0 {
		if _, err := s.View(context.Background(), p.gone[0].snap.ID); !errors.Is(err, varve.ErrNoSnapshot) {
			p.T.Errorf("what was forgotten: %v", err)
		}
	}
}

func TestWhateverHappensAllSnapshotsStayWhatTheyAre(t *testing.T) {
	steps := map[string]func(*past){"save": (*past).save, "save again": (*past).save, "save once more": (*past).save, "forget": (*past).forget,
		"unforget": (*past).unforget, "prune": (*past).prune, "lose the cache": (*past).lose, "lose index objects": (*past).loseIndex,
		"verify": (*past).verify, "look": (*past).look, "close": func(p *past) { p.close(p.any()) }}
	var names []string
	for name := range steps {
		names = append(names, name)
	}
	slices.Sort(names)
	rounds := 0
	rapid.Check(t, func(r *rapid.T) {
		list := rapid.SliceOfN(rapid.SampledFrom(names), 8, 25).Draw(r, "steps")
		if rounds++; rounds > histories() && !t.Failed() { // as many as there is time for
			return
		}
		p := newPast(t, r)
		for _, name := range list {
			steps[name](p)
			if t.Failed() {
				r.Fatalf("after %s", name)
			}
		}
		p.sound()
		for i := range p.stores {
			p.close(i)
		}
	})
}

func histories() int {
	switch {
	case testing.Short() || racing():
		return 4
	case strict():
		return 100
	}
	return 40
}
