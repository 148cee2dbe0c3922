package job

import (
	"strings"
	"testing"

	"varve/internal/history"
)

func TestAHostThatWasRenamedIsToldOnce(t *testing.T) {
	b := newBed(t, twoStores)
	b.want(b.run(), history.Success, 1, 1)
	told := func(what string) (n int) {
		for _, err := range b.warned {
			if strings.Contains(err.Error(), what) {
				n++
			}
		}
		return n
	}
	b.host = "other"
	b.want(b.run(), history.Success, 2, 2)
	for _, store := range []string{"usb", "box"} {
		if told(`in store `+store+` the series of the job is "host:home"`) != 1 || told(`series = "host:home"`) != 2 {
			t.Errorf("of %s: %q", store, b.warned)
		}
	}
	b.want(b.run(), history.Success, 3, 3)
	if told("renamed") != 2 {
		t.Errorf("told again: %q", b.warned)
	}
	b.config.Jobs[0].Series = "host:home"
	b.want(b.run(), history.Success, 4, 4)
	if told("renamed") != 2 {
		t.Errorf("told although it is said what the series is: %q", b.warned)
	}
}
