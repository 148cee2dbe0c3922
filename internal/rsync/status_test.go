package rsync

import (
	"errors"
	"testing"
)

func TestADaemonThatCannotBeReachedIsToldFromOneThatRefuses(t *testing.T) {
	for status, want := range map[statusError]bool{10: true, 30: true, 35: true, 1: false, 5: false, 11: false, 12: false, 23: false} {
		if got := errors.Is(status, ErrUnreachable); got != want {
			t.Errorf("%v: %v", status, got)
		}
	}
}
