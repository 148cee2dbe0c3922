package tree_test

import (
	"context"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk/memfs"
	"varve/internal/storetest"
)

// judged returns options with a judge who gives a state and notes what he was asked.
func (b *bed) judged(state varve.State) (varve.SaveOptions, *[]varve.Difference) {
	opts, asked := b.options(), &[]varve.Difference{}
	opts.Judge = func(d varve.Difference) varve.State {
		*asked = append(*asked, d)
		return state
	}
	return opts, asked
}

// asks makes a snapshot that is given a state, and checks what was asked.
func (b *bed) asks(src *storetest.Tree, state varve.State, want varve.Difference) varve.Snapshot {
	b.Helper()
	s := b.store()
	defer s.Close()
	opts, asked := b.judged(state)
	snap, err := s.Save(context.Background(), src, opts)
	must(b.T, err)
	b.snaps, b.states = append(b.snaps, snap), append(b.states, src.Want())
	if len(*asked) != 1 || (*asked)[0] != want || snap.State != state {
		b.Errorf("the judge was asked %+v, want %+v, and the snapshot is %s", *asked, want, snap.State)
	}
	return snap
}

// compared returns how many events told that the last good snapshot could not be compared with.
func (b *bed) compared() (n int) {
	for _, e := range b.events {
		if e.Kind == varve.Damage && strings.Contains(e.Err.Error(), "compare with the last good snapshot") {
			n++
		}
	}
	return n
}

func TestAManifestThatCannotBeReadIsToldAndTheSnapshotJudgedByWhatIsKnown(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	first := b.save(src)
	page := b.read(b.manifest())
	const inPage = 16 + 37 + 5
	b.overwrite(b.manifest(), page[:inPage]+string([]byte{page[inPage] ^ 0x55})+page[inPage+1:])
	b.asks(src, varve.Suspect, varve.Difference{Files: first.Files, Before: first.Files})
	if b.compared() != 1 {
		t.Errorf("what was told: %v", b.events)
	}
	src.Remove("dir 1")
	b.asks(src, varve.Complete, varve.Difference{Files: first.Files - 4, Before: first.Files, Lost: 4})
}

func TestADirectoryThatIsGoneLeavesTheSnapshotBeforeItAsTheMeasure(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	first := b.save(src)
	src.Remove("dir 0")
	second := b.save(src)
	dir, name, _ := strings.Cut(second.Location, "/")
	must(t, b.dir(dir).Rename(name, b.dir(""), "elsewhere"))
	b.forgot(second.ID)
	b.asks(src, varve.Complete, varve.Difference{Files: second.Files, Before: first.Files, Lost: 5})
}

func TestAStageIsJudged(t *testing.T) {
	b := newBed(t, memfs.Options{})
	src := pushable()
	first := b.push(src)
	src.Remove("dir 1")
	src.Write("dir 2/file 3", "other")
	s := b.store()
	defer s.Close()
	opts, asked := b.judged(varve.Suspect)
	g, err := s.Stage(context.Background(), opts)
	must(t, err)
	b.fill(g, src)
	snap, err := g.Commit(context.Background(), b.look(g))
	must(t, err)
	want := varve.Difference{Files: first.Files - 4, Before: first.Files, Lost: 4, Changed: 1}
	if len(*asked) != 1 || (*asked)[0] != want || snap.State != varve.Suspect {
		t.Errorf("the judge was asked %+v, want %+v, and the snapshot is %s", *asked, want, snap.State)
	}
}
