package remote

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/internal/mux"
	"varve/internal/storetest"
)

// judged pushes a tree and returns what the judge was asked, who says that a snapshot is in a state.
func judged(s varve.Store, src varve.Source, state varve.State) (snap varve.Snapshot, asked []varve.Difference, err error) {
	snap, err = s.Save(context.Background(), src, varve.SaveOptions{Series: "s", Host: "host", Sources: []string{"/"}, Program: "test",
		Judge: func(d varve.Difference) varve.State {
			asked = append(asked, d)
			return state
		}})
	return snap, asked, err
}

func TestAnAppendOnlyClientMayCallItsSnapshotSuspect(t *testing.T) {
	before, after := grove()
	far := newGround(t).store(t)
	s := connect(t, Service{Role: Append, Store: far, Series: "s"}).Store()
	snap, asked, err := judged(s, before, varve.Complete)
	if err != nil || snap.State != varve.Complete || len(asked) != 1 || asked[0] != (varve.Difference{Files: 3}) {
		t.Fatalf("%+v, asked %+v, error %v", snap, asked, err)
	}
	after.Remove("a/one")
	snap, asked, err = judged(s, after, varve.Suspect)
	if err != nil || snap.State != varve.Suspect || len(asked) != 1 || asked[0] != (varve.Difference{Files: 3, Before: 3, Lost: 1, Changed: 2}) {
		t.Errorf("%+v, asked %+v, error %v", snap, asked, err)
	}
	if list, err := far.Snapshots(t.Context()); err != nil || len(list) != 2 || list[1].State != varve.Suspect {
		t.Errorf("%+v, error %v", list, err)
	}
}

func TestTheSourceThatLostMostIsToldAcrossTheWire(t *testing.T) {
	tree := storetest.NewTree()
	for _, dir := range []string{"etc", "home"} {
		tree.Dir(dir)
		for i := range 20 {
			tree.File(fmt.Sprintf("%s/%d", dir, i), fmt.Sprint(dir, i))
		}
	}
	s := connect(t, Service{Role: Append, Store: newGround(t).store(t), Series: "s"}).Store()
	var told varve.Difference
	opts := varve.SaveOptions{Series: "s", Host: "host", Sources: []string{"/etc", "/home"}, Program: "test", Judge: func(d varve.Difference) varve.State {
		told = d
		return varve.Complete
	}}
	_, err := s.Save(t.Context(), tree, opts)
	must(t, err)
	tree.Remove("etc")
	_, err = s.Save(t.Context(), tree, opts)
	want := varve.Difference{Files: 20, Before: 40, Lost: 20, Worst: "/etc", WorstBefore: 20, WorstLost: 20}
	if err != nil || told != want {
		t.Errorf("told %+v, %v, want %+v", told, err, want)
	}
}

func TestAVerdictThatMayNotBeGivenMakesNoSnapshot(t *testing.T) {
	for _, c := range []struct {
		role  Role
		state varve.State
	}{{Append, varve.Incomplete}, {Append, "perfect"}, {Append, ""}, {Full, "perfect"}, {Full, ""}} {
		tree, _ := grove()
		far := newGround(t).store(t)
		s := connect(t, Service{Role: c.role, Store: far}).Store()
		snap, _, err := judged(s, tree, c.state)
		if err == nil {
			t.Errorf("%s says %q and makes %+v", c.role, c.state, snap)
		}
		if list, err := far.Snapshots(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%s says %q: %+v, error %v", c.role, c.state, list, err)
		}
	}
}

// answering returns a villain that offers an empty tree in a push and answers the far store's question as a test says.
func answering(t *testing.T, far varve.Store, verdict func(c *call)) *villain {
	v := evilClient(t, Service{Role: Append, Store: far, Series: "s"})
	v.request = func(c *call, r *request) {
		switch r.Op {
		case opEntries:
			c.send(msgEntries, entriesOf(rootEntry))
			c.sendJSON(msgEnd, &end{Entries: 1})
		case opJudge:
			verdict(c)
		}
	}
	return v
}

func TestAClientThatDoesNotJudgeAsItSaidMakesNoSnapshot(t *testing.T) {
	for name, verdict := range map[string]func(c *call){
		"good":             func(c *call) { c.sendJSON(msgReply, &reply{State: varve.Complete}) },
		"better than good": func(c *call) { c.sendJSON(msgReply, &reply{State: "excellent"}) },
		"nothing":          func(c *call) { c.sendJSON(msgReply, &reply{}) },
		"silence":          func(c *call) {},
		"a refusal":        func(c *call) { c.fail(io.EOF) },
		"no JSON":          func(c *call) { c.send(msgReply, []byte("{")) },
		"out of turn":      func(c *call) { c.send(msgEnd, nil) },
		"a broken stream":  func(c *call) { c.Close() },
	} {
		far := newGround(t).store(t)
		v := answering(t, far, verdict)
		push := v.ask(t, msgRequest, jsonOf(t, &request{Op: opSave, Save: &saveRequest{Series: "s", Host: "h", Judge: true}}))
		var kind byte
		var err error
		for kind = msgEvents; kind == msgEvents && err == nil; {
			kind, _, err = push.receive()
		}
		want := 0
		if name == "good" {
			want = 1
		}
		if (err == nil) != (want == 1) {
			t.Errorf("%s: the push is answered with %q, error %v", name, kind, err)
		}
		if list, err := far.Snapshots(t.Context()); err != nil || len(list) != want {
			t.Errorf("%s: there is %+v, error %v", name, list, err)
		}
		push.Close()
	}
}

func TestNobodyIsAskedAfterThePush(t *testing.T) {
	tree, _ := grove()
	v := &villain{}
	asking := func(id uint32, d *difference) error {
		c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opJudge, ID: id, Difference: d}))
		defer c.Close()
		var answer reply
		return c.receiveJSON(msgReply, &answer)
	}
	v.request = func(c *call, r *request) {
		if !r.Save.Judge {
			t.Error("the far side is not told that the push is judged")
		}
		for _, d := range []*difference{nil, {Lost: -1}, {Worst: "/", WorstLost: -1}, {Worst: "/elsewhere"}} {
			if err := asking(c.ID(), d); err == nil {
				t.Errorf("%+v is judged", d)
			}
		}
		if err := asking(c.ID(), &difference{Files: 7, Before: 8, Lost: 1}); err != nil {
			t.Error(err)
		}
		c.fail(io.EOF)
	}
	client := evilServerOf(t, v, newestVersion)
	_, asked, err := judged(client.Store(), tree, varve.Complete)
	if err == nil || len(asked) != 1 || asked[0] != (varve.Difference{Files: 7, Before: 8, Lost: 1}) {
		t.Errorf("asked %+v, error %v", asked, err)
	}
	if err := asking(1, &difference{}); err == nil {
		t.Error("a push that is over is judged")
	}
}

func TestAFarSideThatCannotAskWhatIsSuspectIsToldApart(t *testing.T) {
	tree, _ := grove()
	var saved atomic.Bool
	v := &villain{request: func(c *call, r *request) {
		saved.Store(true)
		c.fail(io.EOF)
	}}
	client := evilServerOf(t, v, judgeVersion-1)
	if _, _, err := judged(client.Store(), tree, varve.Complete); err == nil || !strings.Contains(err.Error(), "upgrade varve on the other side") || saved.Load() {
		t.Errorf("asked to save: %v, error %v", saved.Load(), err)
	}
	// A copy is judged by nobody, and neither is what has no judge.
	if _, err := push(client.Store(), tree, "s"); err == nil || !saved.Load() {
		t.Errorf("asked to save: %v, error %v", saved.Load(), err)
	}
	saved.Store(false)
	opts := varve.SaveOptions{Series: "s", Origin: &varve.Snapshot{ID: varve.SnapshotID{1}, Series: "s", State: varve.Complete, Time: time.Unix(1, 0)},
		Judge: func(varve.Difference) varve.State { return varve.Suspect }}
	if _, err := client.Store().Save(t.Context(), tree, opts); err == nil || !saved.Load() {
		t.Errorf("asked to save a copy: %v, error %v", saved.Load(), err)
	}
}

func TestAnOlderClientPushesAsBefore(t *testing.T) {
	far := newGround(t).store(t)
	near, other := pipes(t)
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), other, Service{Role: Append, Store: far}) }()
	s, err := mux.Client(t.Context(), near, mux.Options{Program: "older", Oldest: 1, Newest: 1})
	must(t, err)
	v := &villain{Session: s, request: func(c *call, r *request) {
		c.send(msgEntries, entriesOf(rootEntry))
		c.sendJSON(msgEnd, &end{Entries: 1})
	}}
	v.serving.Go(v.serve)
	push := v.ask(t, msgRequest, []byte(`{"op":"save","save":{"series":"cw==","host":"aA==","sources":[],"tags":[],"program":""}}`))
	var kind byte
	for kind = msgEvents; kind == msgEvents && err == nil; {
		kind, _, err = push.receive()
	}
	if err != nil || kind != msgReply {
		t.Errorf("answered with %q, error %v", kind, err)
	}
	if list, err := far.Snapshots(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%+v, error %v", list, err)
	}
	push.Close()
	v.close()
	must(t, <-done)
}

// TestEventsAndTheJudgeDoNotSpeakAtOnce leaves it to the race detector to see that.
func TestEventsAndTheJudgeDoNotSpeakAtOnce(t *testing.T) {
	tree := storetest.Sample()
	s := connect(t, Service{Role: Full, Store: newGround(t).store(t)}).Store()
	heard := 0
	_, err := s.Save(t.Context(), tree, varve.SaveOptions{Series: "s", Host: "h", Progress: func(varve.Event) { heard++ },
		Judge: func(varve.Difference) varve.State {
			heard++
			return varve.Complete
		}})
	if err != nil || heard == 0 {
		t.Errorf("heard %d, error %v", heard, err)
	}
}
