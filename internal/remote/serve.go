package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"varve"
	"varve/internal/mux"
)

// server is the far end.
type server struct {
	*peer
	Service
	quota   *quota  // of snapshots
	space   *quota  // of objects
	objects *budget // memory for objects on their way
	saves   *budget // how many pushes may run
	files   *budget // how many files of the client may be open ahead of their turn
	trees   *budget // how many file trees and snapshots may be open
}

const (
	// objectMemory bounds the objects that are in memory at a time, in bytes; the largest one fits.
	objectMemory = 80<<20 + 1
	// maxSaves is how many pushes of one client run at a time.
	maxSaves = 4
	// maxFiles is how many files all pushes together open ahead of their turn; that leaves streams for everything else.
	maxFiles = mux.MaxStreams / 8 * 7
	// maxTrees is how many file trees and snapshots a client has open at a time: each remembers which files it has listed.
	maxTrees = 16
	// countings is how often all objects are counted until a quota is used up, so that sessions see what others have put.
	countings = 64
)

// Serve answers a client until the connection ends. It takes conn over, whose Close must end reads and writes that wait. The error is
// nil where the client said goodbye; it matches mux.ErrLost, mux.ErrBreach, mux.ErrNotVarve or mux.ErrVersion, or is that of ctx.
func Serve(ctx context.Context, conn io.ReadWriteCloser, svc Service) error {
	s, err := mux.Server(ctx, conn, mux.Options{Program: svc.Program, Oldest: oldestVersion, Newest: newestVersion})
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	err = newServer(s, svc).serve()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, mux.ErrClosed):
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

func newServer(session *mux.Session, svc Service) *server {
	if svc.Now == nil {
		svc.Now = time.Now
	}
	s := &server{peer: newPeer(session, svc.Log), Service: svc,
		objects: newBudget(objectMemory), saves: newBudget(maxSaves), files: newBudget(maxFiles), trees: newBudget(maxTrees)}
	s.quota = &quota{limit: svc.Quota, count: s.used}
	s.space = &quota{limit: svc.Quota, count: s.stored, again: max(svc.Quota/countings, 1)}
	all := []Role{Read, Append, Full}
	for op, o := range map[string]struct {
		roles []Role
		there bool
		do    func(context.Context, *call, *request) error
	}{
		opInfo:      {all, true, s.tellInfo},
		opSource:    {[]Role{Read, Full}, svc.OpenSource != nil, s.source},
		opSnapshots: {all, svc.Store != nil, s.snapshots},
		opView:      {[]Role{Read, Full}, svc.Store != nil, s.view},
		opSave:      {[]Role{Append, Full}, svc.Store != nil, s.save},
		opForget:    {[]Role{Full}, svc.Store != nil, s.forget},
		opVerify:    {[]Role{Full}, svc.Store != nil, s.verify},
		opGet:       {all, svc.Backend != nil, s.get},
		opList:      {all, svc.Backend != nil, s.list},
		opPut:       {[]Role{Append, Full}, svc.Backend != nil, s.put},
		opDelete:    {[]Role{Full}, svc.Backend != nil, s.remove},
	} {
		s.ops[op] = operation{reads: op == opPut, do: func(ctx context.Context, c *call, r *request) error {
			if !slices.Contains(o.roles, svc.Role) {
				return s.refuse(op, "", fmt.Sprintf("not allowed to clients with role %q", svc.Role))
			}
			if !o.there {
				return fmt.Errorf("%s: nothing of this kind is served here: %w", op, varve.ErrNoStore)
			}
			return o.do(ctx, c, r)
		}}
	}
	return s
}

// refuse logs that something was asked for that is not allowed, and returns the error that says so.
func (s *server) refuse(op, what, why string) error {
	s.log.Warn("refused", "request", op, "of", what, "role", string(s.Role), "reason", why)
	if what != "" {
		op += " " + what
	}
	return fmt.Errorf("%s: %s: %w", op, why, fs.ErrPermission)
}

func (s *server) tellInfo(_ context.Context, c *call, _ *request) error {
	return c.sendJSON(msgReply, &reply{Info: &Info{Program: s.Program, Host: s.HostName, Role: s.Role, Series: s.Series, Quota: s.Quota,
		Store: s.Store != nil, Backend: s.Backend != nil, Source: s.OpenSource != nil}})
}

// oneTree lets the client open a file tree or a snapshot, until done is called.
func (s *server) oneTree() (done func(), err error) {
	if !s.trees.try(1) {
		return nil, fmt.Errorf("%d file trees and snapshots are open already: %w", maxTrees, varve.ErrBusy)
	}
	return func() { s.trees.give(1) }, nil
}

// source opens files, until the client lets go of them. It can open those alone that it was told of.
func (s *server) source(ctx context.Context, c *call, r *request) error {
	if r.Source == nil {
		return protocolError("a source that says nothing")
	}
	done, err := s.oneTree()
	if err != nil {
		return err
	}
	defer done()
	w, sources, err := s.OpenSource(ctx, r.Source.plain())
	if err != nil {
		return err
	}
	o := &offer{src: w, listed: newPathSet(), left: func() end { return leftOut(w) }}
	err = s.held(ctx, c, o, &reply{Sources: raws(sources)})
	return errors.Join(err, w.Close())
}

// maxTold is how many bytes of what was left out, and of complaints, are told.
const maxTold = maxControl / 4

// leftOut returns what a walk left out.
func leftOut(w Walk) (left end) {
	var complaints []string
	for _, err := range w.Complaints() {
		complaints = append(complaints, harmless(err.Error()))
	}
	left.Complaints = told(complaints, func(n int) string { return fmt.Sprintf("and %d more", n) })
	left.LeftOut = told(w.LeftOut(), func(n int) string { return fmt.Sprintf("/… and %d more", n) })
	return left
}

// told returns list, or as much of it as may be told with a last item that says how many more there are.
func told(list []string, more func(n int) string) (out []raw) {
	size := 0
	for i, text := range list {
		if size += len(text) + 4; size > maxTold {
			return append(out, raw(more(len(list)-i)))
		}
		out = append(out, raw(text))
	}
	return out
}

// held answers, and keeps o offered until the client lets go.
func (s *server) held(ctx context.Context, c *call, o *offer, answer *reply) error {
	defer s.offer(c.ID(), o)()
	if err := c.sendJSON(msgReply, answer); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
