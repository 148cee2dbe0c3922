package notice

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"varve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

// evil is a text of which nothing must get through to a terminal or a header.
const evil = "x\x1b[31m\r\nBcc: all@example.org\x00\u202e\xff"

// failed is a report of a failure.
func failed() *Report {
	return &Report{Event: Failure, Job: "home", Host: "web1", Series: "web1:home", Begin: now, End: now.Add(192 * time.Second), Attempts: 4, Exit: 1,
		Result: "failed", Error: "store usb: no space left", Hint: "free some space", Good: now.Add(-24 * time.Hour), GoodID: varve.SnapshotID{0xab, 0xcd},
		Stores:  []Store{{"usb", "failed", "no space left"}, {"box", "2 copied", ""}},
		Restore: "varve restore --store /mnt/usb/varve abcd0000 --target /restored", Next: now.Add(24 * time.Hour), Program: "varve 1.0"}
}

func hostile() *Report {
	r := failed()
	r.Job, r.Host, r.Series, r.Error, r.Hint, r.Restore, r.Program, r.Result = evil, evil, evil, evil, evil, evil, evil, evil
	r.Stores, r.Notes = []Store{{evil, evil, evil}}, []string{evil}
	for range 100_000 {
		r.Problems = append(r.Problems, evil)
	}
	return r
}

// options are those of a Sender that never really waits.
func options() Options {
	return Options{Host: "web1", Now: func() time.Time { return now }, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

func send(t *testing.T, opts Options, c Channel, r *Report) error {
	t.Helper()
	c.Name = "test"
	s, err := New([]Channel{c}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), r)
}

// file makes a file and returns its path.
func file(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// harmless fails the test where text has what a terminal could obey.
func harmless(t *testing.T, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == '\u202e' || r == '\ufffd' }); i >= 0 {
		t.Errorf("not harmless: %q", text[max(0, i-20):min(len(text), i+20)])
	}
}
