package gc

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
)

// world is a storage, all that ever happened to it, and the invariants that must hold after each change.
type world struct {
	objects  map[string]*object
	sorted   []*object // all that ever were, by name
	copies   [64]int   // how many packs hold each piece of content
	snaps    map[string]*snapState
	clock    int
	lag      int // for how long a listing may not show what was put, and show what was deleted, in operations
	page     int // how many names a listing reads at once
	lenient  bool
	sealWins bool // over a tomb
	rand     *rand.Rand
	serial   int
	late     []effect // changes under way that nobody waits for

	events    [events]int
	violation string
	trace     []string
	tracing   bool
}

// object is one object, deleted or not.
type object struct {
	name    string
	data    []byte
	by      *actor
	put     int
	deleted int // when; 0 while it is there
}

// snapState is what became of a snapshot record.
type snapState struct {
	content  set // what it needs
	put      int
	there    bool
	sealed   bool
	tombed   int // when; 0 without a tomb
	tidied   bool
	reported bool
	wanted   bool // its tomb is one that somebody asked for
}

// event is something that must happen now and then, or the simulator would show little.
type event uint8

const (
	succeeded  event = iota // a writer reported success
	replaced                // a writer stored lost packs again
	deletedOne              // a collector deleted a pack
	broken                  // a collector stopped with an error
	sweptOne                // a collector removed another one's record
	buriedOne               // a record with a tomb was deleted
	sealedLate              // a helper sealed
	tombedLate              // a helper put a tomb
	givenUp                 // a writer was told that its record was given up
	delayed                 // a change took place after its caller gave up
	events
)

// effect is a change that takes place later than its caller gave up waiting for it.
type effect struct {
	at int
	do func()
}

// set is a set of pieces of content.
type set uint64

func (s set) has(piece int) bool { return s>>piece&1 != 0 }

func newWorld(seed, salt uint64) *world {
	return &world{objects: map[string]*object{}, snaps: map[string]*snapState{}, rand: rand.New(rand.NewPCG(seed, salt)), page: 100, clock: 1}
}

func (w *world) next() int { w.serial++; return w.serial }

func (w *world) fail(format string, args ...any) {
	if w.violation == "" {
		w.violation = fmt.Sprintf(format, args...)
		w.log(nil, "VIOLATION %s", w.violation)
	}
}

func (w *world) log(a *actor, format string, args ...any) {
	if !w.tracing {
		return
	}
	name := "-"
	if a != nil {
		name = a.name
	}
	w.trace = append(w.trace, fmt.Sprintf("%4d %-12s %s", w.clock, name, shorten(fmt.Sprintf(format, args...))))
}

// shorten cuts the hashes in a line.
func shorten(s string) string {
	words := strings.Fields(s)
	for i, word := range words {
		for _, dir := range []string{snapshots, condemned} {
			if at := strings.Index(word, dir); at >= 0 && len(word) > at+len(dir)+6 {
				words[i] = word[:at+len(dir)+6]
			}
		}
	}
	return strings.Join(words, " ")
}

// there reports whether an object is there.
func (w *world) there(name string) bool {
	o := w.objects[name]
	return o != nil && o.deleted == 0
}

// put puts an object; false where there is one.
func (w *world) put(a *actor, name string, data []byte) bool {
	old := w.objects[name]
	if old != nil && old.deleted == 0 {
		return false
	}
	if old != nil && strings.HasPrefix(name, packs) {
		w.fail("(3) %s came back", name)
	}
	o := &object{name: name, data: slices.Clone(data), by: a, put: w.clock}
	w.objects[name] = o
	if i := w.after(name); old != nil {
		w.sorted[i-1] = o
	} else {
		w.sorted = slices.Insert(w.sorted, i, o)
	}
	switch {
	case strings.HasPrefix(name, packs):
		w.count(data, 1)
	case strings.HasPrefix(name, snapshots):
		w.record(a, name, data)
	}
	return true
}

// after returns the place of the first object whose name comes after this one.
func (w *world) after(name string) int {
	return sort.Search(len(w.sorted), func(i int) bool { return w.sorted[i].name > name })
}

// count counts the copies in a pack that came or went.
func (w *world) count(data []byte, by int) {
	for rest := unpack(data); rest != 0; rest &= rest - 1 {
		w.copies[bits.TrailingZeros64(uint64(rest))] += by
	}
}

// state returns what is known of a snapshot record, which may not have been put yet.
func (w *world) state(name string) *snapState {
	if w.snaps[name] == nil {
		w.snaps[name] = &snapState{}
	}
	return w.snaps[name]
}

// record follows a record in snapshots/.
func (w *world) record(a *actor, name string, data []byte) {
	rec, err := toyRecord(data)
	if err != nil || rec.By != "" && rec.Kind == Tomb {
		return
	}
	switch rec.Kind {
	case Snapshot:
		s := w.state(name)
		s.content, s.there = needs(data), true
		if s.put == 0 {
			s.put = w.clock
		}
	case Seal:
		s := w.state(rec.Snap)
		s.sealed, a.sealed = true, w.clock
		if a.tidies {
			w.events[sealedLate]++
		}
		if !w.lenient && (a.validated < s.put || s.put == 0) {
			w.fail("(7) %s was sealed without a validation after it was put", rec.Snap)
		}
		w.checkSnap(rec.Snap, s)
	case Tomb:
		s := w.state(rec.Snap)
		if s.tombed == 0 {
			s.tombed = w.clock
		}
		s.tidied = s.tidied || a.tidies
		if a.tidies {
			w.events[tombedLate]++
		}
		s.wanted = s.wanted || !a.tidies
		w.checkTomb(rec.Snap, s)
	}
}

// checkSnap checks that all content of a valid snapshot is there: (1).
func (w *world) checkSnap(name string, s *snapState) {
	if !s.there || !s.sealed || s.tombed != 0 && !w.sealWins {
		return
	}
	for rest := s.content; rest != 0; rest &= rest - 1 {
		if piece := bits.TrailingZeros64(uint64(rest)); w.copies[piece] == 0 {
			w.fail("(1) valid %s lacks %d", name, piece)
		}
	}
}

// checkTomb checks that a success is undone only on demand: (2).
func (w *world) checkTomb(name string, s *snapState) {
	if s.reported && s.tidied && !s.wanted {
		w.fail("(2) %s was reported as a success and then given up", name)
	}
}

// report is told that a writer reports success.
func (w *world) report(a *actor, name string) {
	s := w.state(name)
	w.log(a, "reports %s", name)
	s.reported = true
	w.events[succeeded]++
	switch {
	case !s.there && s.tombed == 0:
		w.fail("(2) success without %s", name)
	case !s.sealed && s.tombed == 0:
		w.fail("(2) success without a seal on %s", name)
	case s.tombed != 0 && s.tombed <= a.sealed:
		w.fail("(2) success after the tomb on %s", name)
	}
	w.checkTomb(name, s)
}

// remove deletes an object; false where there is none.
func (w *world) remove(a *actor, name string) bool {
	o := w.objects[name]
	if o == nil || o.deleted != 0 {
		return false
	}
	switch {
	case strings.HasPrefix(name, packs):
		if !w.lenient && !w.lists(a, name) {
			w.fail("(4) %s was deleted while no record of its deleter listed it", name)
		}
	case strings.HasPrefix(name, condemned):
		if o.by != a {
			w.checkForeign(name, o)
		}
	case strings.HasPrefix(name, snapshots):
		w.checkRemoved(name, o)
	}
	o.deleted = w.clock
	w.note(a, name, o)
	if strings.HasPrefix(name, packs) {
		w.count(o.data, -1)
		for name, s := range w.snaps {
			w.checkSnap(name, s)
		}
	}
	return true
}

// note counts what is deleted.
func (w *world) note(a *actor, name string, o *object) {
	switch {
	case strings.HasPrefix(name, packs):
		w.events[deletedOne]++
	case strings.HasPrefix(name, condemned) && o.by != a:
		w.events[sweptOne]++
	case strings.HasPrefix(name, snapshots):
		w.events[buriedOne]++
	}
}

// lists reports whether a record of a lists a pack.
func (w *world) lists(a *actor, pack string) bool {
	for name, o := range w.objects {
		if o.by == a && o.deleted == 0 && strings.HasPrefix(name, condemned) && strings.Contains(string(o.data), pack) {
			return true
		}
	}
	return false
}

// checkForeign checks what goes with a record that is removed by another than who put it: (5).
func (w *world) checkForeign(name string, o *object) {
	rec, err := toyRecord(o.data)
	if err != nil || w.lenient {
		return
	}
	for _, listed := range rec.Names {
		s := w.snaps[listed]
		if w.there(listed) && (s == nil || s.tombed == 0) {
			w.fail("(5) %s was removed while %s is there", name, listed)
		}
	}
}

// checkRemoved checks that tombs stay, and records as long as they have none: (6).
func (w *world) checkRemoved(name string, o *object) {
	rec, err := toyRecord(o.data)
	if err != nil {
		return
	}
	switch {
	case rec.Kind == Tomb:
		w.fail("(6) tomb %s was removed", name)
	case rec.Kind == Seal && w.state(rec.Snap).tombed == 0:
		w.fail("seal %s was removed before there was a tomb", name)
	case rec.Kind == Snapshot:
		if s := w.state(name); s.tombed == 0 {
			w.fail("%s was removed before it had a tomb", name)
		} else {
			s.there = false
		}
	case rec.Kind == Seal:
		w.state(rec.Snap).sealed = false
	}
}

// visible reports whether a listing shows an object.
func (w *world) visible(o *object) bool {
	if o.deleted == 0 {
		return w.clock-o.put >= w.lag || w.rand.IntN(2) == 0
	}
	return w.clock-o.deleted < w.lag && w.rand.IntN(2) == 0
}

// overdue lets the changes take place whose time has come.
func (w *world) overdue(all bool) {
	for i := 0; i < len(w.late); i++ {
		if e := w.late[i]; all || e.at <= w.clock {
			w.late = slices.Delete(w.late, i, i+1)
			i--
			w.events[delayed]++
			e.do()
		}
	}
}
