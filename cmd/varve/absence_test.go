package main

import (
	"strings"
	"testing"
	"time"
)

func TestAStoreThatIsAwayIsToldOfWhenItIsOverdueAndCatchesUp(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "tree", "usb", "box")
	h.found()
	h.configure(nil)
	h.good("--due")
	h.unplug()
	h.good("--due") // the other store has it
	if got := h.mails(); got != nil {
		t.Fatalf("a day: %q", got)
	}
	h.now = h.now.Add(24*time.Hour + time.Minute)
	alarm := h.wants(exitFailed, "run", "--due", "--config", h.at("varve.toml"))
	says := []string{"No good snapshot has come for longer than it may take.", "\n  usb: overdue, the last good snapshot is of 2026-11-21 02:00:00",
		"\nTo do      varve status", "\nLast good  snapshot ", "\nRestore    varve restore -s " + h.store("box")}
	h.saysAll(alarm.errs, append(says, "Backup home on testhost is OVERDUE.")...)
	text := h.mailed("is OVERDUE", says...)
	if strings.Contains(text, "\n  box: ") {
		t.Errorf("the store that is well is told of: %s", text)
	}
	h.now = h.now.Add(2 * time.Minute)
	if r := h.again(exitGood, "--due"); r.out+r.errs != "" || h.mails() != nil {
		t.Errorf("told again: %s%s", r.out, r.errs)
	}
	h.now = h.now.Add(24 * time.Hour)
	h.again(exitFailed, "--due") // the next day it is told again
	h.mailed("is OVERDUE")
	h.wants(exitFailed, "status", "--config", h.at("varve.toml"))

	h.plug()
	h.good("--due")
	h.mailed("is good again")
	h.everywhere()
	if list := h.list("usb"); len(list) != 3 { // of what it missed it has what it keeps
		t.Errorf("%d snapshots in the store that was away", len(list))
	}
	h.wants(exitGood, "status", "--config", h.at("varve.toml"))
}

func TestAStoreThatWasAwayGetsEverySnapshotItMissed(t *testing.T) {
	for _, kind := range []string{"tree", "vault"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if kind == "vault" {
				onlyEvery(t)
			}
			h := newHousehold(t, kind, "usb", "box")
			h.found()
			h.configure(map[string]string{"job.home": "keep = { last = 9 }\n"})
			h.good()
			h.unplug()
			for range 3 {
				h.write("src/diary", h.now.String(), 0o600)
				h.good()
			}
			h.plug()
			h.good()
			usb, box := h.list("usb"), h.list("box")
			if len(usb) != 5 || len(box) != 5 {
				t.Fatalf("%d and %d snapshots, want 5 each", len(usb), len(box))
			}
			for i := range usb {
				if !usb[i].Time.Equal(box[i].Time) {
					t.Errorf("the snapshots %d are of %s and %s", i, usb[i].Time, box[i].Time)
				}
			}
		})
	}
}

func TestWithoutItsOnlyStoreAJobWaitsInSilenceUntilItIsOverdue(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "tree", "usb")
	h.found()
	h.configure(nil)
	h.good("--due")
	h.unplug()
	if r := h.run(exitNotRun, "--due"); r.out+r.errs != "" || h.mails() != nil {
		t.Errorf("it printed %s%s", r.out, r.errs)
	}
	h.saysAll(h.again(exitNotRun).errs, "Backup home on testhost FAILED.", "no store is there: store usb: ", "is it a disk that is not mounted?")
	h.now = h.now.Add(25 * time.Hour)
	r := h.again(exitFailed, "--due")
	says := []string{"no store is there: store usb: ", "\n  usb: overdue, the last good snapshot is of 2026-11-21 02:00:00", "\nRestore    varve restore -s "}
	h.saysAll(r.errs, says...)
	h.mailed("is OVERDUE", says...)
	h.plug()
	h.good("--due")
	h.mailed("is good again")
}
