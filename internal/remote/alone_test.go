package remote

import (
	"testing"

	"varve"
	"varve/internal/storetest"
)

func TestAClientThatNamesAnothersHostGetsNoneOfItsContent(t *testing.T) {
	same := func(content string) *storetest.Tree { // same inode, size and times
		tree := storetest.NewTree()
		tree.File("secret", content)
		return tree
	}
	for _, svc := range []Service{{Role: Append}, {Role: Append, Series: "villain"}, {Role: Full, Series: "villain"}} {
		far := newGround(t).store(t)
		victim := varve.SaveOptions{Series: "victim", Host: "nas", Sources: []string{"/"}}
		_, err := far.Save(t.Context(), same("top secret"), victim)
		must(t, err)
		svc.Store = far
		guess := same("0123456789")
		guess.At("secret").Trouble.Open = varve.ErrUnreadable // whoever has not got it cannot tell it
		snap, err := connect(t, svc).Store().Save(t.Context(), guess, varve.SaveOptions{Series: "villain", Host: "nas", Sources: []string{"/"}})
		if err == nil && (snap.State != varve.Incomplete || snap.Files != 0) {
			t.Errorf("%s, series %q: the snapshot is %s and has %d files", svc.Role, svc.Series, snap.State, snap.Files)
		}
	}
}
