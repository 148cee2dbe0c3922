package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"varve"
	"varve/internal/digest"
	"varve/internal/storetest"
)

// target is a far store with a snapshot of the client's series and one of another.
type target struct {
	varve.Store
	snaps []varve.Snapshot
	tree  *storetest.Tree
}

func newTarget(t testing.TB) *target {
	t.Helper()
	tree, _ := grove()
	far := &target{Store: newGround(t).store(t), tree: tree}
	for _, series := range []string{"mine", "other"} {
		snap, err := push(far, tree, series)
		must(t, err)
		far.snaps = append(far.snaps, snap)
	}
	return far
}

// untouched checks that nothing has changed and all of it is right.
func (far *target) untouched(t *testing.T) {
	t.Helper()
	list, err := far.Snapshots(t.Context())
	must(t, err)
	if len(list) != len(far.snaps) {
		t.Fatalf("there are %d snapshots: %+v", len(list), list)
	}
	for i := range list {
		holds(t, far, list[i].ID, far.tree)
	}
	report, err := far.Verify(t.Context(), varve.VerifyOptions{})
	if err != nil || report.Damage > 0 {
		t.Errorf("verify: %+v, error %v", report, err)
	}
}

// pushAs has a villain push, and returns what the far side says to it.
func (v *villain) pushAs(t *testing.T, series string) error {
	t.Helper()
	c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opSave, Save: &saveRequest{Series: raw(series)}}))
	defer c.Close()
	var answer reply
	return c.report(&answer, func(varve.Event) {})
}

func TestEntriesThatCannotBeAreNeverSaved(t *testing.T) {
	long := varve.Entry{Path: strings.Repeat("x", 5<<20), Kind: varve.Dir}
	bad := func(change func(e *varve.Entry)) []byte {
		e := fileEntry("f", 10)
		change(&e)
		return entriesOf(rootEntry, e)
	}
	ended := func(entries, lost int64) []byte { return fmt.Appendf(nil, `{"entries":%d,"lost":%d}`, entries, lost) }
	type message struct {
		kind    byte
		payload []byte
	}
	all := func(entries ...varve.Entry) []message {
		return []message{{msgEntries, entriesOf(entries...)}, {msgEnd, ended(int64(len(entries)), 0)}}
	}
	raws := func(payload []byte) []message { return []message{{msgEntries, payload}, {msgEnd, ended(2, 0)}} }
	far := newTarget(t)
	for name, messages := range map[string][]message{
		"nothing":               {},
		"no end":                {{msgEntries, entriesOf(rootEntry)}},
		"an end alone":          {{msgEnd, ended(0, 0)}},
		"an end too early":      {{msgEntries, entriesOf(rootEntry)}, {msgEnd, ended(5, 0)}},
		"an end too late":       {{msgEntries, entriesOf(rootEntry, dirEntry)}, {msgEnd, ended(1, 0)}},
		"losses not told":       {{msgEntries, entriesOf(rootEntry, varve.Entry{Path: "f", Err: fs.ErrPermission})}, {msgEnd, ended(2, 0)}},
		"an end that is none":   {{msgEntries, entriesOf(rootEntry)}, {msgEnd, []byte("{")}},
		"no root":               all(dirEntry),
		"a file as root":        all(fileEntry("", 1)),
		"upwards":               all(rootEntry, varve.Entry{Path: "..", Kind: varve.Dir}),
		"upwards below":         all(rootEntry, dirEntry, fileEntry("d/../../etc/passwd", 1)),
		"absolute":              all(rootEntry, fileEntry("/etc/passwd", 1)),
		"an empty element":      all(rootEntry, dirEntry, fileEntry("d//f", 1)),
		"a dot":                 all(rootEntry, fileEntry("./f", 1)),
		"a NUL":                 all(rootEntry, fileEntry("a\x00b", 1)),
		"a bad path with Err":   all(rootEntry, varve.Entry{Path: "../x", Err: fs.ErrPermission}),
		"twice":                 all(rootEntry, dirEntry, dirEntry),
		"out of order":          all(rootEntry, varve.Entry{Path: "b", Kind: varve.FIFO}, varve.Entry{Path: "a", Kind: varve.FIFO}),
		"below a file":          all(rootEntry, varve.Entry{Path: "f", Kind: varve.Symlink, Target: "/tmp"}, fileEntry("f/x", 0)),
		"an orphan":             all(rootEntry, fileEntry("absent/x", 0)),
		"a link to later":       raws(bad(func(e *varve.Entry) { e.SameAs = "z" })),
		"a link to the outside": raws(bad(func(e *varve.Entry) { e.SameAs = "../../x" })),
		"unknown kind":          raws(bad(func(e *varve.Entry) { e.Kind = 77 })),
		"odd mode":              raws(bad(func(e *varve.Entry) { e.Mode = 1 << 20 })),
		"holes beyond the end":  raws(bad(func(e *varve.Entry) { e.Holes = []varve.Extent{{Off: 5, Len: 500}} })),
		"xattrs out of order":   raws(bad(func(e *varve.Entry) { e.Xattrs = []varve.Xattr{{Name: "b"}, {Name: "a"}} })),
		"garbage":               raws([]byte("garbage and more of it")),
		"cut short":             raws(entriesOf(rootEntry, dirEntry)[:8]),
		"a path too long":       all(rootEntry, long),
		"an unknown message":    {{'?', nil}},
		"a message out of turn": {{msgEntries, entriesOf(rootEntry)}, {msgData, []byte("x")}, {msgEnd, ended(1, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			v := evilClient(t, Service{Role: Append, Store: far, Series: "mine"})
			v.request = func(c *call, r *request) {
				for _, m := range messages {
					c.out = append(appendHead(c.out[:0], m.kind, len(m.payload)), m.payload...)
					c.Write(c.out)
				}
			}
			if err := v.pushAs(t, "mine"); err == nil {
				t.Error("the push succeeded")
			}
			c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opInfo})) // nothing but the push has failed
			if _, _, err := c.receive(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	far.untouched(t)
}

// evilFile lets a villain push a tree with one file, whose opening and content it answers itself.
func evilFile(t *testing.T, far varve.Store, quota int64, size int64, open func(c *call, r *openRequest)) error {
	v := evilClient(t, Service{Role: Append, Store: far, Series: "mine", Quota: quota})
	v.request = func(c *call, r *request) {
		c.send(msgEntries, entriesOf(rootEntry, fileEntry("f", size)))
		c.sendJSON(msgEnd, &end{Entries: 2})
	}
	v.open = open
	return v.pushAs(t, "mine")
}

// opened is the answer to the opening of a file.
func opened(mode byte, e varve.Entry) []byte {
	w := encoder{b: []byte{mode}}
	w.add(&e)
	return w.b
}

func TestContentThatCannotBeIsNeverSaved(t *testing.T) {
	far := newTarget(t)
	plainFile := opened(modePlain, fileEntry("f", 1000))
	for name, answer := range map[string]func(c *call){
		"no answer":       func(c *call) {},
		"another message": func(c *call) { c.send(msgData, []byte("x")) },
		"garbage":         func(c *call) { c.send(msgFile, []byte{0, 1, 2, 3}) },
		"a directory":     func(c *call) { c.send(msgFile, opened(modePlain, dirEntry)) },
		"an unknown way":  func(c *call) { c.send(msgFile, opened(9, fileEntry("f", 1000))) },
		"cut, not asked":  func(c *call) { c.send(msgFile, opened(modeCut, fileEntry("f", 1000))) },
		"no end":          func(c *call) { c.send(msgFile, plainFile); c.send(msgData, make([]byte, 1000)) },
		"half a message":  func(c *call) { c.send(msgFile, plainFile); c.Write([]byte{msgData, 100, 0, 0, 0, 1}) },
		"too long a one":  func(c *call) { c.send(msgFile, plainFile); c.Write([]byte{msgData, 0, 0, 0, 1}) },
		"more than it said": func(c *call) {
			c.send(msgFile, plainFile)
			c.send(msgData, make([]byte, 1001))
			c.send(msgTrailer, plainFile[1:])
		},
		"entries": func(c *call) { c.send(msgFile, plainFile); c.send(msgEntries, entriesOf(rootEntry)) },
		"a bad trailer": func(c *call) {
			c.send(msgFile, plainFile)
			c.send(msgData, make([]byte, 1000))
			c.send(msgTrailer, entriesOf(dirEntry))
		},
		"negative holes": func(c *call) {
			e := fileEntry("f", 1000)
			e.Holes = []varve.Extent{{Off: 0, Len: 2000}}
			c.send(msgFile, opened(modePlain, e))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := evilFile(t, far, 0, 1000, func(c *call, _ *openRequest) { answer(c) }); err == nil {
				t.Error("the push succeeded")
			}
		})
	}
	far.untouched(t)
}

func TestAFileWithAnErrorMakesAnIncompleteSnapshot(t *testing.T) {
	far := newTarget(t)
	err := evilFile(t, far, 0, 1000, func(c *call, _ *openRequest) {
		c.send(msgFile, opened(modePlain, fileEntry("f", 1000)))
		c.send(msgData, make([]byte, 500))
		c.fail(errors.New("bad sector"))
	})
	must(t, err)
	list, err := far.Snapshots(t.Context())
	must(t, err)
	if last := list[len(list)-1]; len(list) != 3 || last.State != varve.Incomplete || last.Skipped != 1 {
		t.Errorf("%+v", list)
	}
}

// listOf is a list of chunks with what their digests are said to be.
func listOf(chunks ...[]byte) []byte {
	var b []byte
	for _, c := range chunks {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(c)))
		sum := digest.Sum(c)
		b = append(b, sum[:]...)
	}
	return b
}

func TestChunksThatAreNotWhatTheySayAreNeverSaved(t *testing.T) {
	tree := storetest.NewTree()
	tree.File("f", storetest.Text(400_000))
	for name, answer := range map[string]func(c *call){
		"another digest": func(c *call) {
			c.send(msgChunks, listOf(noise(1, 1000)))
			c.receive()
			c.send(msgData, noise(2, 1000))
		},
		"data not wanted":  func(c *call) { c.send(msgData, noise(1, 1000)) },
		"more than wanted": func(c *call) { c.send(msgChunks, listOf(noise(1, 1000))); c.receive(); c.send(msgData, noise(1, 1001)) },
		"an end too early": func(c *call) {
			c.send(msgChunks, listOf(noise(1, 1000)))
			c.send(msgTrailer, entriesOf(fileEntry("f", 400_000)))
		},
		"an empty list":     func(c *call) { c.send(msgChunks, nil) },
		"half a list":       func(c *call) { c.send(msgChunks, make([]byte, 50)) },
		"a chunk of 0":      func(c *call) { c.send(msgChunks, make([]byte, 36)) },
		"a chunk too large": func(c *call) { c.send(msgChunks, listOf(make([]byte, maxChunk+1))) },
		"endless lists": func(c *call) {
			for c.send(msgChunks, listOf(noise(1, maxChunk))) == nil {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			far := newGround(t).store(t)
			_, err := push(far, tree, "mine")
			must(t, err)
			cut := false
			err = evilFile(t, far, 0, 400_000, func(c *call, r *openRequest) {
				cut = cut || r.cut
				c.send(msgFile, opened(modeCut, fileEntry("f", 400_000)))
				answer(c)
			})
			if list, _ := far.Snapshots(t.Context()); err == nil || !cut || len(list) != 1 {
				t.Errorf("the push: %v; cut %v; %d snapshots", err, cut, len(list))
			}
		})
	}
}

func TestEndlessEntriesAndContentEndAtTheQuota(t *testing.T) {
	far := newTarget(t)
	v := evilClient(t, Service{Role: Append, Store: far, Series: "mine", Quota: 3 << 20})
	v.request = func(c *call, r *request) {
		list := []varve.Entry{rootEntry}
		for i := 0; c.send(msgEntries, entriesOf(list...)) == nil; i++ {
			list = list[:0]
			for j := range 100 {
				list = append(list, varve.Entry{Path: fmt.Sprintf("%09d %09d %0100d", i, j, 0), Kind: varve.FIFO})
			}
		}
	}
	if err := v.pushAs(t, "mine"); err == nil || !strings.Contains(err.Error(), "quota") {
		t.Errorf("endless entries: %v", err)
	}
	err := evilFile(t, far, 3<<20, 1<<40, func(c *call, _ *openRequest) {
		c.send(msgFile, opened(modePlain, fileEntry("f", 1<<40)))
		for data := noise(1, maxData); c.send(msgData, data) == nil; {
		}
	})
	if err == nil || !strings.Contains(err.Error(), "quota") {
		t.Errorf("endless content: %v", err)
	}
	far.untouched(t)
}
