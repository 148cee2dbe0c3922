//go:build unix

package ssh

import (
	"bufio"
	"testing"
	"time"
)

func TestOnceTheProgramIsToEndASilentConnectionEnds(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{})
	c := dial(t, `trap "" HUP; echo 1; exec sleep 1000`, Options{Stopped: stopped})
	r := bufio.NewReader(c)
	number(t, r)
	close(stopped)
	begin := time.Now()
	if _, err := r.ReadByte(); err == nil {
		t.Error("something was read")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took < silence || took > 10*silence {
		t.Errorf("it took %v", took)
	}
}

func TestOnceTheProgramIsToEndAConnectionThatAnswersGoesOn(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{})
	close(stopped)
	c := dial(t, `while :; do echo 1; sleep 0.1; done`, Options{Stopped: stopped, Grace: time.Millisecond})
	r := bufio.NewReader(c)
	for begin := time.Now(); time.Since(begin) < silence+silence/2; {
		number(t, r)
	}
}
