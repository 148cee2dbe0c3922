package main

import (
	"errors"
	"strings"
	"testing"

	"varve"
)

func TestASuspectSnapshotIsCalledThatAndNotIncomplete(t *testing.T) {
	s := varve.Snapshot{ID: varve.SnapshotID{1}, State: varve.Suspect}
	if text := stateText(s); text != "suspect" {
		t.Errorf("the list says %q", text)
	}
	err := incomplete(s)
	if !errors.Is(err, errIncomplete) || !strings.Contains(err.Error(), "is suspect") || strings.Contains(err.Error(), "could not be read") {
		t.Errorf("who made it is told: %v", err)
	}
	s.State = varve.Complete
	if err := incomplete(s); err != nil {
		t.Errorf("a good one: %v", err)
	}
}
