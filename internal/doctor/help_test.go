package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"varve/internal/location"
	"varve/internal/sshtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveVariable) != "" {
		os.Exit(serve(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// report is what an exam found.
type report []Finding

func examine(t *testing.T, place string, o Options) (r report) {
	t.Helper()
	for f := range Examine(t.Context(), place, o) {
		r = append(r, f)
	}
	for _, f := range r {
		if f.What == "" || f.Detail == "" || f.Level == "" {
			t.Errorf("an empty finding: %+v", f)
		}
	}
	return r
}

// told returns what a part of an exam finds.
func told(part func(*exam)) (r report) {
	e := newExam(context.Background(), Options{}.filled())
	done := make(chan struct{})
	go func() {
		defer close(done)
		part(e)
	}()
	for {
		select {
		case f := <-e.found:
			r = append(r, f)
		case <-e.steps:
		case <-done:
			return r
		}
	}
}

// String returns all findings, for messages.
func (r report) String() string {
	var b strings.Builder
	for _, f := range r {
		fmt.Fprintf(&b, "\n%-8s %s: %s | %s", f.Level, f.What, f.Detail, strings.ReplaceAll(f.Mend, "\n", " | "))
	}
	return b.String()
}

// at returns the findings of a level.
func (r report) at(level Level) (list report) {
	for _, f := range r {
		if f.Level == level {
			list = append(list, f)
		}
	}
	return list
}

// has fails the test unless something was found with this level whose detail and mend together hold all the parts.
func (r report) has(t *testing.T, level Level, what string, parts ...string) {
	t.Helper()
finding:
	for _, f := range r {
		if f.Level != level || f.What != what {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(f.Detail+"\n"+f.Mend, part) {
				continue finding
			}
		}
		return
	}
	t.Errorf("no %s about %q that says %q among%v", level, what, parts, r)
}

// fine fails the test where something is wrong.
func (r report) fine(t *testing.T) {
	t.Helper()
	if bad := r.at(Wrong); len(bad) > 0 {
		t.Errorf("wrong are%v\namong%v", bad, r)
	}
}

// over returns the options with which a place behind this ssh command is reached, on one connection.
func over(ssh []string) Options {
	return Options{Location: location.Options{Reach: location.Reach{SSH: ssh, Connections: 1, Version: "varve of the test"}}}
}

// holds fails the test unless dir holds these names alone.
func holds(t *testing.T, dir string, names ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, entry := range list {
		have = append(have, entry.Name())
	}
	if fmt.Sprint(have) != fmt.Sprint(names) {
		t.Errorf("%s holds %q, want %q", dir, have, names)
	}
}

// box starts a server as rented storage is: a user of its own, locked up, without a shell, ten connections at most.
func box(t *testing.T) *sshtest.Server {
	t.Helper()
	return sshtest.Start(t, sshtest.Options{User: "box", Chroot: true, MaxConns: 10})
}

func mkdir(t *testing.T, path ...string) string {
	t.Helper()
	dir := filepath.Join(path...)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shifted returns a clock that is ahead of the machine's.
func shifted(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}
