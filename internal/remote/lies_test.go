package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/storetest"
)

func TestAServerThatLiesAboutFilesIsFoundOut(t *testing.T) {
	file := fileEntry("f", 1000)
	for name, send := range map[string]func(c *call){
		"nothing":           func(c *call) {},
		"no end":            func(c *call) { c.send(msgEntries, entriesOf(rootEntry, file)) },
		"wrong counts":      func(c *call) { c.send(msgEntries, entriesOf(rootEntry)); c.sendJSON(msgEnd, &end{Entries: 2}) },
		"upwards":           func(c *call) { c.send(msgEntries, entriesOf(rootEntry, fileEntry("../x", 1))) },
		"a slash in a name": func(c *call) { c.send(msgEntries, entriesOf(rootEntry, fileEntry("a//b", 1))) },
		"twice":             func(c *call) { c.send(msgEntries, entriesOf(rootEntry, file, file)) },
		"two roots":         func(c *call) { c.send(msgEntries, entriesOf(rootEntry, rootEntry)) },
		"very long paths": func(c *call) {
			list := []varve.Entry{rootEntry}
			for i := range 100 {
				list = append(list, varve.Entry{Path: strings.Repeat("d", 1<<20) + fmt.Sprintf("%04d", i), Kind: varve.FIFO})
			}
			c.send(msgEntries, entriesOf(list...))
			c.sendJSON(msgEnd, &end{Entries: 101})
		},
		"a huge message": func(c *call) { c.Write([]byte{msgEntries, 255, 255, 255, 255}) },
		"an error":       func(c *call) { c.fail(errors.New("evil \x1b[2J text")) },
		"an empty error": func(c *call) { c.send(msgFailure, nil) },
		"out of turn":    func(c *call) { c.send(msgSnapshot, []byte("{}")) },
	} {
		t.Run(name, func(t *testing.T) {
			client := evilServer(t, &villain{request: func(c *call, r *request) {
				if r.Op == opSource {
					c.sendJSON(msgReply, &reply{})
				} else {
					send(c)
				}
			}})
			src, err := client.Source(t.Context(), SourceRequest{}, nil)
			must(t, err)
			var last error
			for e, err := range src.Entries(t.Context()) {
				if last = err; err == nil && strings.Contains(e.Path, "..") {
					t.Errorf("yields %q", e.Path)
				}
			}
			if last == nil || strings.Contains(last.Error(), "\x1b") {
				t.Errorf("ends with: %v", last)
			}
		})
	}
}

func TestAServerThatLiesAboutAStoreIsFoundOut(t *testing.T) {
	id := varve.SnapshotID{1}
	record, err := json.Marshal(varve.Snapshot{ID: id})
	must(t, err)
	client := func(send func(c *call, r *request)) *Client {
		return evilServer(t, &villain{request: send})
	}
	garbage := func(c *call, r *request) { c.send(msgSnapshot, []byte("[]")) }
	if _, err := client(garbage).Store().Snapshots(t.Context()); !errors.Is(err, ErrProtocol) {
		t.Errorf("snapshots: %v", err)
	}
	half := func(c *call, r *request) { c.send(msgSnapshot, record) }
	if list, err := client(half).Store().Snapshots(t.Context()); err == nil || list != nil {
		t.Errorf("half a list of snapshots: %v, %v", list, err)
	}
	empty := func(c *call, r *request) { c.sendJSON(msgReply, &reply{}) }
	s := client(empty).Store()
	tree, _ := grove()
	if _, err := push(s, tree, "s"); err == nil {
		t.Error("a push without a snapshot")
	}
	if _, err := s.Verify(t.Context(), varve.VerifyOptions{}); !errors.Is(err, ErrProtocol) {
		t.Errorf("verify: %v", err)
	}
	listing := func(list ...varve.Entry) func(c *call, r *request) {
		return func(c *call, r *request) {
			if r.Op == opView {
				c.sendJSON(msgReply, &reply{})
				c.next()
				return
			}
			c.send(msgEntries, entriesOf(list...))
			c.sendJSON(msgEnd, &end{Entries: int64(len(list))})
		}
	}
	for name, list := range map[string][]varve.Entry{
		"elsewhere": {fileEntry("x/f", 1)}, "deeper": {fileEntry("d/x/f", 1)}, "not sorted": {fileEntry("d/b", 1), fileEntry("d/a", 1)},
		"twice": {fileEntry("d/a", 1), fileEntry("d/a", 1)}, "itself": {dirEntry}, "the root": {rootEntry}, "upwards": {fileEntry("d/..", 1)},
	} {
		v, err := client(listing(list...)).Store().View(t.Context(), id)
		must(t, err)
		if got, err := storetest.ReadDir(t.Context(), v, "d"); err == nil {
			t.Errorf("%s: %v", name, got)
		}
		v.Close()
	}
}

func TestAServerThatLiesAboutObjectsIsFoundOut(t *testing.T) {
	name := backend.NameOf(backend.Keys, []byte("x"))
	endless := func(c *call, r *request) {
		for data := make([]byte, maxData); c.send(msgData, data) == nil; {
		}
	}
	b := evilServer(t, &villain{request: endless}).Backend()
	if data, err := b.Get(t.Context(), name, 0, 100); !errors.Is(err, ErrProtocol) || data != nil {
		t.Errorf("more than was asked for: %v", err)
	}
	if data, err := b.Get(t.Context(), name, 0, -1); !errors.Is(err, ErrProtocol) || data != nil {
		t.Errorf("more than an object has: %v", err)
	}
	odd := func(c *call, r *request) {
		var w encoder
		for _, n := range []string{"../../etc", "config", "data/x", name, ""} {
			w.object(&varve.Object{Name: n, Size: 1})
		}
		c.send(msgObjects, w.b)
		c.sendJSON(msgReply, &reply{})
	}
	b = evilServer(t, &villain{request: odd}).Backend()
	for o, err := range b.List(t.Context(), "keys/") {
		if err != nil || o.Name != name {
			t.Errorf("listed: %+v, error %v", o, err)
		}
	}
	cut := func(c *call, r *request) { c.send(msgObjects, []byte{0, 200}) }
	b = evilServer(t, &villain{request: cut}).Backend()
	var last error
	for _, last = range b.List(t.Context(), "keys/") {
	}
	if !errors.Is(last, ErrProtocol) {
		t.Errorf("a list that is cut short: %v", last)
	}
}

// prying is a Source that remembers whether something was opened that it never yielded.
type prying struct {
	*storetest.Tree
	pried atomic.Bool
}

func (p *prying) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	if p.At(e.Path) == nil {
		p.pried.Store(true)
	}
	return p.Tree.Open(ctx, e)
}

func TestAServerThatIsPushedToReadsNothingButWhatIsPushed(t *testing.T) {
	tree, _ := grove()
	src := &prying{Tree: tree}
	refused := make(chan error, 4)
	v := &villain{}
	v.request = func(c *call, r *request) {
		read := func(kind byte, payload []byte) error {
			d := v.ask(t, kind, payload)
			defer d.Close()
			for {
				kind, _, err := d.receive()
				if err != nil || kind == msgEnd || kind == msgTrailer {
					return err
				}
			}
		}
		open := func(path string) error {
			return read(msgOpen, (&openRequest{id: c.ID(), entry: fileEntry(path, 1)}).append(nil))
		}
		refused <- open("two") // before it was listed
		if err := read(msgRequest, jsonOf(t, &request{Op: opEntries, ID: c.ID()})); err != nil {
			t.Error(err)
		}
		refused <- open("etc/shadow")
		refused <- open("a")
		refused <- read(msgRequest, jsonOf(t, &request{Op: opDir, ID: c.ID()}))
		if err := open("two"); err != nil {
			t.Errorf("what was listed: %v", err)
		}
		c.fail(errors.New("enough"))
	}
	client := evilServer(t, v)
	if _, err := push(client.Store(), src, "s"); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("push: %v", err)
	}
	for range 4 {
		if err := <-refused; err == nil {
			t.Error("something was read that was not offered")
		}
	}
	if src.pried.Load() {
		t.Error("the source was asked for what it does not have")
	}
	d := v.ask(t, msgRequest, jsonOf(t, &request{Op: opEntries, ID: 1})) // after the push nothing is offered
	if _, _, err := d.receive(); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("after the push: %v", err)
	}
	d.Close()
}

func TestWhatAServerSaysOfItselfIsHarmless(t *testing.T) {
	client := evilServer(t, &villain{})
	if p := client.Info().Program; p != `evil\x1b[31m` {
		t.Errorf("program %q", p)
	}
}

// FuzzEntries holds that what is decoded is encoded to something that is decoded to the same, and that whatever bytes there are, what the
// gate lets through has paths that stay within the tree.
func FuzzEntries(f *testing.F) {
	f.Add(entriesOf(storetest.Sample().Want()[:50]...))
	f.Add(entriesOf(rootEntry, dirEntry, varve.Entry{Path: "x", Err: fs.ErrPermission}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var list []varve.Entry
		d := decoder{b: data}
		check := newGate()
		for d.more() {
			e := d.entry()
			if d.fault != "" || check.pass(&e) != nil {
				return
			}
			if fault := pathFault(e.Path); fault != "" {
				t.Fatalf("%q passes", e.Path)
			}
			list = append(list, e)
		}
		again := decoder{b: entriesOf(list...)}
		for i := range list {
			if got, want := fmt.Sprintf("%+v", again.entry()), fmt.Sprintf("%+v", list[i]); got != want {
				t.Fatalf("%s\nbecomes\n%s", want, got)
			}
		}
		if err := again.err(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzMessages holds that no message makes a decoder fail in another way than with an error.
func FuzzMessages(f *testing.F) {
	var w encoder
	w.event(&varve.Event{Kind: varve.Done, Path: "x", Bytes: 5, Err: io.EOF})
	f.Add(w.b)
	w.reset()
	w.object(&varve.Object{Name: "data/x", Size: 7})
	f.Add(w.b)
	f.Add((&openRequest{cut: true, entry: fileEntry("f", 1)}).append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := tell(data, func(e varve.Event) {}); err != nil && !errors.Is(err, ErrProtocol) {
			t.Fatal(err)
		}
		d := decoder{b: data}
		for d.more() {
			d.object()
		}
		if text := decodeError(data).Error(); strings.ContainsAny(text, "\x1b\n\r\x00") {
			t.Fatalf("%q is not harmless", text)
		}
		var r openRequest
		if r.parse(data) == nil && pathFault(r.entry.Path) != "" {
			t.Fatalf("%q can be opened", r.entry.Path)
		}
	})
}
