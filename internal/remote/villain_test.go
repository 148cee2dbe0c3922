package remote

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"testing"

	"varve"
	"varve/internal/mux"
)

// villain is an end of a session that says what a test wants it to.
type villain struct {
	*mux.Session
	serving sync.WaitGroup
	// request answers a request of JSON, and open one for a file; nil lets the stream be.
	request func(c *call, r *request)
	open    func(c *call, r *openRequest)
}

// serve answers requests until the session ends.
func (v *villain) serve() {
	for {
		st, err := v.Accept(context.Background())
		if err != nil {
			return
		}
		v.serving.Go(func() { v.answer(newCall(st)) })
	}
}

func (v *villain) answer(c *call) {
	defer c.Close()
	kind, payload, err := c.receive()
	switch {
	case err != nil:
	case kind == msgOpen && v.open != nil:
		var r openRequest
		if r.parse(payload) == nil {
			v.open(c, &r)
		}
	case kind == msgRequest && v.request != nil:
		var r request
		if json.Unmarshal(payload, &r) == nil {
			v.request(c, &r)
		}
	}
	c.End()
	io.Copy(io.Discard, c) // until the other side has what it wants
}

func (v *villain) close() {
	v.Session.Close()
	v.serving.Wait()
}

// evilClient connects a villain to a service.
func evilClient(t testing.TB, svc Service) *villain {
	t.Helper()
	near, far := pipes(t)
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), far, svc) }()
	s, err := mux.Client(t.Context(), near, mux.Options{Program: "villain"})
	must(t, err)
	v := &villain{Session: s}
	v.serving.Go(v.serve)
	t.Cleanup(func() {
		v.close()
		<-done
	})
	return v
}

// ask opens a stream with a message on it.
func (v *villain) ask(t testing.TB, kind byte, payload []byte) *call {
	t.Helper()
	st, err := v.Open(t.Context())
	must(t, err)
	c := newCall(st)
	must(t, c.send(kind, payload))
	return c
}

// listed reads all entries of what is offered under a number, which alone can be opened.
func (v *villain) listed(t testing.TB, id uint32) {
	t.Helper()
	c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opEntries, ID: id}))
	defer c.Close()
	for kind := byte(0); kind != msgEnd; {
		var err error
		kind, _, err = c.receive()
		must(t, err)
	}
}

func jsonOf(t testing.TB, r *request) []byte {
	t.Helper()
	text, err := json.Marshal(r)
	must(t, err)
	return text
}

// evilServer is a villain that a client is connected to. It says that it is a server with everything.
func evilServer(t testing.TB, v *villain) *Client {
	t.Helper()
	return evilServerOf(t, v, oldestVersion)
}

// evilServerOf is an evilServer that knows the protocol up to a version.
func evilServerOf(t testing.TB, v *villain, newest uint16) *Client {
	t.Helper()
	near, far := pipes(t)
	up := make(chan error, 1)
	answer := v.request
	v.request = func(c *call, r *request) {
		if r.Op == opInfo {
			c.sendJSON(msgReply, &reply{Info: &Info{Program: "evil\x1b[31m", Role: Full}})
		} else if answer != nil {
			answer(c, r)
		}
	}
	go func() {
		s, err := mux.Server(context.Background(), far, mux.Options{Program: "villain", Newest: newest})
		if v.Session = s; err == nil {
			v.serving.Go(v.serve)
		}
		up <- err
	}()
	client, err := Dial(t.Context(), near, Options{})
	must(t, err)
	must(t, <-up)
	t.Cleanup(func() {
		client.Close()
		v.close()
	})
	return client
}

// list is a message with entries.
func entriesOf(entries ...varve.Entry) []byte {
	var w encoder
	for i := range entries {
		w.add(&entries[i])
	}
	return w.b
}

var (
	rootEntry = varve.Entry{Kind: varve.Dir, Mode: 0o755}
	dirEntry  = varve.Entry{Path: "d", Kind: varve.Dir, Mode: 0o755}
)

// fileEntry is a file with a size.
func fileEntry(path string, size int64) varve.Entry {
	return varve.Entry{Path: path, Kind: varve.Regular, Mode: 0o644, Size: size}
}
