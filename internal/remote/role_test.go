package remote

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/mem"
)

// everything asks for everything there is and returns what was refused.
func everything(t *testing.T, l *link, series string, id varve.SnapshotID) (refused []string) {
	ctx := t.Context()
	s, b := l.Client.Store(), l.Client.Backend()
	data := []byte("data of " + string(l.Info().Role))
	name := backend.NameOf(backend.Data, data)
	ask := func(what string, err error) {
		if errors.Is(err, fs.ErrPermission) {
			refused = append(refused, what)
			if !strings.Contains(err.Error(), string(l.Info().Role)) {
				t.Errorf("%s: the refusal does not name the role: %v", what, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	src, err := l.Source(ctx, SourceRequest{}, nil)
	ask("source", err)
	if err == nil {
		src.Close()
	}
	_, err = s.Snapshots(ctx)
	ask("snapshots", err)
	v, err := s.View(ctx, id)
	ask("view", err)
	if err == nil {
		v.Close()
	}
	tree, _ := grove()
	_, err = push(s, tree, series)
	ask("save", err)
	_, err = s.Verify(ctx, varve.VerifyOptions{})
	ask("verify", err)
	ask("forget", s.Forget(ctx, id))
	ask("put", b.Put(ctx, name, data))
	if _, err = b.Get(ctx, name, 0, -1); !errors.Is(err, fs.ErrNotExist) {
		ask("get", err)
	}
	for _, err := range b.List(ctx, "") {
		ask("list", err)
	}
	if err = b.Delete(ctx, name); !errors.Is(err, fs.ErrNotExist) {
		ask("delete", err)
	}
	return refused
}

func TestARoleAllowsWhatItSaysAndNoMore(t *testing.T) {
	for role, want := range map[Role][]string{
		Read:   {"save", "verify", "forget", "put", "delete"},
		Append: {"source", "view", "verify", "forget", "delete"},
		Full:   nil,
	} {
		t.Run("role "+string(role), func(t *testing.T) {
			tree, _ := grove()
			far := newGround(t).store(t)
			snap, err := push(far, tree, "s")
			must(t, err)
			var log bytes.Buffer
			svc := serving(tree)
			svc.Role, svc.Store, svc.Backend, svc.Log = role, far, mem.New(mem.Options{}), slog.New(slog.NewTextHandler(&log, nil))
			l := connect(t, svc)
			if got := everything(t, l, "s", snap.ID); !slices.Equal(got, want) {
				t.Errorf("refused: %v", got)
			}
			for _, what := range want {
				if !strings.Contains(log.String(), "request="+what) {
					t.Errorf("the log does not say that %s was refused:\n%s", what, log.String())
				}
			}
		})
	}
}

func TestAClientWithoutARoleIsNotLetIn(t *testing.T) {
	a, b := pipes(t)
	if _, err := dial(a, b, Service{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("dial: %v", err)
	}
}

func TestWhatIsNotServedIsNotThere(t *testing.T) {
	l := connect(t, Service{Role: Full})
	for what, err := range map[string]error{
		"store":   l.Client.Store().Forget(t.Context()),
		"backend": l.Client.Backend().Put(t.Context(), "config", nil),
	} {
		if !errors.Is(err, varve.ErrNoStore) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := l.Source(t.Context(), SourceRequest{}, nil); !errors.Is(err, varve.ErrNoStore) {
		t.Errorf("source: %v", err)
	}
	if i := l.Info(); i.Store || i.Backend || i.Source || i.Role != Full {
		t.Errorf("%+v", i)
	}
}

func TestAClientBoundToItsSeriesSeesAndTouchesNoOther(t *testing.T) {
	tree, _ := grove()
	for _, role := range []Role{Read, Append, Full} {
		far := newGround(t).store(t)
		mine, err := push(far, tree, "mine")
		must(t, err)
		other, err := push(far, tree, "other")
		must(t, err)
		l := connect(t, Service{Role: role, Store: far, Series: "mine"})
		s := l.Client.Store()
		list, err := s.Snapshots(t.Context())
		if err != nil || len(list) != 1 || list[0].ID != mine.ID {
			t.Errorf("%s sees %v, error %v", role, list, err)
		}
		if _, err := push(s, tree, "other"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s pushes into another series: %v", role, err)
		}
		if _, err := s.View(t.Context(), other.ID); err == nil {
			t.Errorf("%s opens another series", role)
		}
		if err := s.Forget(t.Context(), mine.ID, other.ID); err == nil {
			t.Errorf("%s forgets in another series", role)
		}
		if _, err := s.Verify(t.Context(), varve.VerifyOptions{Snapshots: []varve.SnapshotID{other.ID}}); err == nil {
			t.Errorf("%s verifies another series", role)
		}
		if all, err := far.Snapshots(t.Context()); err != nil || len(all) != 2 {
			t.Errorf("%s leaves %v, error %v", role, all, err)
		}
		if role == Full {
			report, err := s.Verify(t.Context(), varve.VerifyOptions{})
			if err != nil || report.Snapshots != 1 {
				t.Errorf("verified %+v, error %v", report, err)
			}
			holds(t, s, mine.ID, tree)
		}
	}
}

func TestTheFarSideDecidesWhatAnAppendOnlySnapshotSaysOfItself(t *testing.T) {
	tree, _ := grove()
	far := newGround(t).store(t)
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	l := connect(t, Service{Role: Append, Store: far, Host: "known", Now: func() time.Time { return now }})
	s := l.Client.Store()
	opts := varve.SaveOptions{Series: "s\u00e9", Host: "forged", Sources: []string{"/raw\xff"}, Tags: []string{"t"}, Program: "p",
		Now: func() time.Time { return time.Unix(1, 0) }}
	snap, err := s.Save(t.Context(), tree, opts)
	must(t, err)
	if snap.Host != "known" || !snap.Time.Equal(now) || !snap.End.Equal(now) || snap.Seq != 1 || snap.Sources[0] != "/raw\xff" {
		t.Errorf("%+v", snap)
	}
	pinned, copied := opts, opts
	pinned.Pinned, copied.Origin = true, &snap
	for _, o := range []varve.SaveOptions{pinned, copied} {
		if _, err := s.Save(t.Context(), tree, o); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestAnObjectUnderAnotherNameIsRefused(t *testing.T) {
	far := mem.New(mem.Options{})
	b := connect(t, Service{Role: Append, Backend: far}).Client.Backend()
	for _, k := range backend.Kinds()[1:] {
		if err := b.Put(t.Context(), backend.NameOf(k, []byte("this")), []byte("that")); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %v", k, err)
		}
	}
	for o := range far.List(t.Context(), "") {
		t.Errorf("%s was kept", o.Name)
	}
	must(t, b.Put(t.Context(), "config", []byte("any")))
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a, b := pipes(t)
	done := make(chan error)
	go func() { done <- Serve(ctx, b, Service{Role: Read}) }()
	c, err := Dial(t.Context(), a, Options{})
	must(t, err)
	defer c.Close()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("serve: %v", err)
	}
}
