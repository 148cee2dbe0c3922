package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"varve"
)

func TestAJobThatIsKilledAnywhereLosesNothingAndTheNextRunIsGood(t *testing.T) {
	for _, kind := range []string{"tree", "vault"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, kind, "usb", "box")
			h.found()
			h.configure(nil)
			for range 4 { // so that there is something to forget
				h.good()
			}
			next := func(at int) int { return 2*at + 60 } // a vault has more to look through from night to night
			if os.Getenv("VARVE_TEST_EVERY") == "1" {
				next = func(at int) int { return at + at/20 + 11 }
			}
			points := 0
			for at := 1; h.killedAt(at); at = next(at) {
				points++
			}
			if points < 4 {
				t.Errorf("only %d runs were killed", points)
			}
			t.Logf("killed at %d operations", points)
			for _, name := range h.stores {
				args := []string{"verify", "-s", h.store(name)}
				if kind == "vault" {
					args = append(args, "--passphrase-file", h.at("pass"))
				}
				h.wants(exitGood, args...)
			}
		})
	}
}

// killedAt kills a run at an operation on a disk and looks at what is left, also after the next run. It reports whether the run was killed.
func (h *household) killedAt(at int) bool {
	h.Helper()
	before := h.have()
	h.write("src/changing", h.now.String(), 0o600)
	h.now = h.now.AddDate(0, 0, 1)
	h.env = []string{"VARVE_TEST_KILL_AT=" + strconv.Itoa(at)}
	r := h.varve("run", "home", "--config", h.at("varve.toml"))
	h.env = nil
	if r.code != -1 && r.code != exitGood || r.out+r.errs != "" {
		h.Fatalf("exit code %d, it printed %s%s", r.code, r.out, r.errs)
	}
	for name, list := range h.have() {
		had := before[name][len(before[name])-2:] // one may go, to make place for the new one
		for _, s := range had {
			if !slices.ContainsFunc(list, func(o varve.Snapshot) bool { return o.ID == s.ID }) {
				h.Errorf("killed at %d, the store %s lost the snapshot of %s", at, name, s.Time)
			}
		}
	}
	h.good()
	h.everywhere()
	for name, list := range h.have() {
		if len(list) != 3 {
			h.Errorf("killed at %d, the store %s has %d snapshots afterwards", at, name, len(list))
		}
	}
	if r.code == exitGood {
		return false
	}
	// Who is killed before he has written down that he began leaves nothing to tell.
	for _, m := range h.mails() {
		if !strings.HasSuffix(m.subject, "is good again") || !strings.Contains(m.text, h.now.AddDate(0, 0, -1).Format(time.RFC3339)+" was killed") {
			h.Errorf("killed at %d, mailed %q", at, m)
		}
	}
	if h.Failed() {
		h.Fatalf("killed at %d", at)
	}
	return true
}
