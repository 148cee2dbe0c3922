package remote

import (
	"runtime"
	"strings"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/mem"
	"varve/internal/digest"
	"varve/internal/storetest"
)

func TestRequestsThatMakeNoSenseCostNobodyAnything(t *testing.T) {
	far := newTarget(t)
	storage := mem.New(mem.Options{})
	v := evilClient(t, Service{Role: Full, Store: far, Backend: storage, Series: "mine"})
	id := far.snaps[0].ID
	name := raw(backend.NameOf(backend.Data, []byte("x")))
	for what, m := range map[string]struct {
		kind    byte
		payload []byte
	}{
		"an unknown message":    {'?', nil},
		"a reply":               {msgReply, []byte("{}")},
		"no JSON":               {msgRequest, []byte("{")},
		"an empty request":      {msgRequest, []byte("{}")},
		"an unknown request":    {msgRequest, []byte(`{"op":"rm -rf\u001b"}`)},
		"bad base64":            {msgRequest, []byte(`{"op":"get","name":"%%%"}`)},
		"a view of nothing":     {msgRequest, jsonOf(t, &request{Op: opView})},
		"two views":             {msgRequest, jsonOf(t, &request{Op: opView, IDs: []varve.SnapshotID{id, id}})},
		"a save of nothing":     {msgRequest, jsonOf(t, &request{Op: opSave})},
		"a verify of nothing":   {msgRequest, jsonOf(t, &request{Op: opVerify})},
		"entries of nothing":    {msgRequest, jsonOf(t, &request{Op: opEntries, ID: 4711})},
		"a directory, likewise": {msgRequest, jsonOf(t, &request{Op: opDir, ID: 4711})},
		"a stat, likewise":      {msgRequest, jsonOf(t, &request{Op: opStat, ID: 4711})},
		"the time":              {msgRequest, jsonOf(t, &request{Op: opNow})},
		"an object of -1 bytes": {msgRequest, jsonOf(t, &request{Op: opPut, Name: name, Len: -1})},
		"an object of 1 TB":     {msgRequest, jsonOf(t, &request{Op: opPut, Name: name, Len: 1 << 40})},
		"an object upwards":     {msgRequest, jsonOf(t, &request{Op: opPut, Name: "data/../config", Len: 1})},
		"from before the start": {msgRequest, jsonOf(t, &request{Op: opGet, Name: name, Off: -1})},
		"another's name":        {msgRequest, jsonOf(t, &request{Op: opDelete, Name: "../x"})},
		"an empty open":         {msgOpen, nil},
		"an open of nothing":    {msgOpen, (&openRequest{id: 4711, entry: fileEntry("f", 1)}).append(nil)},
		"an open upwards":       {msgOpen, (&openRequest{entry: fileEntry("../f", 1)}).append(nil)},
		"an open of a link":     {msgOpen, (&openRequest{entry: varve.Entry{Path: "f", Kind: varve.Symlink, Target: "x"}}).append(nil)},
		"an open with garbage":  {msgOpen, append((&openRequest{entry: fileEntry("f", 1)}).append(nil), 1, 2, 3)},
		"an open with flags":    {msgOpen, []byte{0, 0, 0, 0, 99}},
	} {
		c := v.ask(t, m.kind, m.payload)
		c.End()
		if kind, payload, err := c.receive(); err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: answered with %q %q, error %v", what, kind, payload, err)
		}
		c.Close()
	}
	c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opView, IDs: []varve.SnapshotID{far.snaps[0].ID}}))
	if _, _, err := c.receive(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"..", "a/../..", "/", "a/one/x", "absent"} {
		d := v.ask(t, msgRequest, jsonOf(t, &request{Op: opDir, ID: c.ID(), Name: raw(path)}))
		if kind, _, err := d.receive(); err == nil {
			t.Errorf("listing %q: %q", path, kind)
		}
		d.Close()
	}
	for o := range storage.List(t.Context(), "") {
		t.Errorf("%s was put", o.Name)
	}
	far.untouched(t)
}

func TestAClientBoundToItsSeriesCannotNameContentOfOthers(t *testing.T) {
	far := newTarget(t)
	v := evilClient(t, Service{Role: Read, Store: far, Series: "mine"})
	c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opView, IDs: []varve.SnapshotID{far.snaps[0].ID}}))
	_, _, err := c.receive()
	must(t, err)
	e := fileEntry("two", 1<<30)
	e.Digest, e.Chunks = digest.Sum([]byte("secret")), []varve.Digest{digest.Sum([]byte("secret"))}
	o := v.ask(t, msgOpen, (&openRequest{id: c.ID(), entry: e}).append(nil))
	kind, payload, err := o.receive()
	must(t, err)
	d := decoder{b: payload[1:]}
	if got := d.entry(); kind != msgFile || got.Size != 1 || got.Digest != digest.Sum([]byte("2")) {
		t.Errorf("opened %+v", got)
	}
}

func TestAFloodOfOpenFilesAndObjectsFitsIntoMemory(t *testing.T) {
	if testing.Short() || racing {
		t.Skip("fills memory, and what the race detector takes counts too")
	}
	tree := storetest.NewTree()
	tree.File("big", storetest.Text(8<<20))
	svc := serving(tree)
	svc.Role, svc.Backend = Full, mem.New(mem.Options{})
	v := evilClient(t, svc)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	src := v.ask(t, msgRequest, jsonOf(t, &request{Op: opSource, Source: &sourceRequest{}}))
	_, _, err := src.receive()
	must(t, err)
	v.listed(t, src.ID())
	var calls []*call
	for i := range 250 {
		switch i % 3 {
		case 0:
			calls = append(calls, v.ask(t, msgOpen, (&openRequest{id: src.ID(), cut: true, entry: fileEntry("big", 8<<20)}).append(nil)))
		case 1:
			calls = append(calls, v.ask(t, msgOpen, (&openRequest{id: src.ID(), entry: fileEntry("big", 8<<20)}).append(nil)))
		default:
			name := raw(backend.NameOf(backend.Data, []byte{byte(i)}))
			c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opPut, Name: name, Len: 16 << 20}))
			c.send(msgData, make([]byte, 50_000))
			calls = append(calls, c)
		}
	}
	for i, c := range calls {
		if i%3 == 0 {
			c.next() // the first answer is there
		}
	}
	if used := heap() - before; used > 256<<20 {
		t.Errorf("%d MiB are in use", used>>20)
	}
	for _, c := range calls {
		c.Close()
	}
	c := v.ask(t, msgRequest, jsonOf(t, &request{Op: opInfo}))
	if _, _, err := c.receive(); err != nil {
		t.Error(err)
	}
}
