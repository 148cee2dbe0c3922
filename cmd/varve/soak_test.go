package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"varve"
)

// soak is one store that is used over and over by processes that are killed at any time.
type soak struct {
	*ground
	random *rand.Rand
	killed int
	// usual is how long a process takes that is not killed.
	usual time.Duration
}

func TestCommandsKilledAtAnyTimeLoseNothingThatWasAcknowledged(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 40
	}
	s := &soak{ground: newGround(t, t.TempDir()), random: rand.New(rand.NewPCG(1, 2)), usual: 20 * time.Millisecond}
	s.backup()
	for round := range rounds {
		s.write("dir/file", fmt.Sprintf("content of round %d", round/3)) // not every round changes something
		s.write("round "+strconv.Itoa(round%20), "one more")
		s.now = takeCensus(t, s.src)
		s.round()
		if round%10 == 9 {
			s.check()
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if s.killed < rounds/4 {
		t.Errorf("only %d of %d runs were killed", s.killed, rounds)
	}
	t.Logf("%d of %d runs were killed", s.killed, rounds)
}

// round runs one command that is killed after a random time. What it says it did counts.
func (s *soak) round() {
	s.Helper()
	if s.random.IntN(3) == 0 {
		s.forgets(func() { s.dies("forget", "--keep-last", "3") })
		return
	}
	known := map[varve.SnapshotID]bool{}
	for _, snap := range s.list() {
		known[snap.ID] = true
	}
	if !s.dies(s.backupArgs()...) {
		s.acknowledge()
		return
	}
	for _, snap := range s.list() {
		if !known[snap.ID] { // nobody was told, but it is there: then it is whole
			s.states[snap.ID] = s.now
		}
	}
}

// forgets does what removes all but the newest three, or a part of it. Those it may have removed are no longer expected.
func (s *soak) forgets(do func()) {
	s.Helper()
	before := s.list()
	do()
	kept := map[varve.SnapshotID]census{}
	for _, snap := range s.list() {
		kept[snap.ID] = s.states[snap.ID]
		if kept[snap.ID] == nil {
			s.Errorf("snapshot %s came back", snap.ID.Short())
		}
	}
	for _, snap := range before[max(0, len(before)-3):] {
		if kept[snap.ID] == nil {
			s.Errorf("snapshot %s is lost", snap.ID.Short())
		}
	}
	s.states = kept
}

// check lets a run come to its end, and looks at everything.
func (s *soak) check() {
	s.Helper()
	s.sound()
	s.backup()
	s.forgets(func() { s.call(exitGood, "forget", "--keep-last", "3") })
	s.sound()
	s.tidy()
}

// dies runs a command in a process of its own that is killed after a random time; false where it came to its end first.
func (s *soak) dies(args ...string) bool {
	s.Helper()
	var text bytes.Buffer
	process := child(s.T, nil, append([]string{"-s", s.store}, args...)...)
	process.Dir, process.Stdout, process.Stderr = filepath.Dir(s.store), &text, &text
	begin := time.Now()
	s.must(spawn(process))
	killer := time.AfterFunc(time.Duration(s.random.Int64N(int64(s.usual*5/4))), func() { _ = process.Process.Kill() })
	err := process.Wait()
	killer.Stop()
	if killed(s.T, args[0], text.String(), err) {
		s.killed++
		return true
	}
	s.usual = (3*s.usual + time.Since(begin)) / 4
	return false
}
