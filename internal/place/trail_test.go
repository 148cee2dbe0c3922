package place_test

import (
	"strings"
	"testing"

	"varve/internal/place"
)

func TestADirectoryIsFinishedOnceWhenNothingMoreComesIntoIt(t *testing.T) {
	// The tree: a/b, a/c/d, e; what is in braces lies directly in the directory before it.
	trail := place.NewTrail()
	var log []string
	enter := func(path string, dirs ...string) {
		for _, d := range trail.Enter(path) {
			log = append(log, "/"+d.Path)
		}
		for _, path := range dirs {
			d := place.NewDir(path)
			trail.Meet(d)
			trail.Add(d)
		}
		log = append(log, "|")
	}
	root := place.NewDir("")
	trail.Meet(root)
	trail.Add(root)
	enter("", "a", "e")
	enter("a", "a/b", "a/c")
	enter("a", "a/z") // a second piece of the same listing
	enter("a/c", "a/c/d")
	enter("e")
	for _, d := range trail.Close() {
		log = append(log, "/"+d.Path)
	}
	want := "| | | /a/b | /a/c/d /a/c /a/z /a | /e /"
	if got := strings.Join(log, " "); got != want {
		t.Errorf("finished %s\n    want %s", got, want)
	}
	if trail.At("a") != nil {
		t.Error("a finished directory is still known")
	}
}
