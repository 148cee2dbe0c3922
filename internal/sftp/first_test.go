package sftp

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestWhatIsUnderWayGrowsByWhatIsAnswered(t *testing.T) {
	in(t, func(t *testing.T) {
		var seen atomic.Int64
		answer := make(chan uint32)
		s := converse(t, Options{First: 2 * safeContent, Bytes: 5 * safeContent}, nil, func(p *peer) {
			go func() {
				for id := range answer {
					p.send(typeData, id, appendString(nil, "x"))
				}
			}()
			for r := p.next(); r.typ != 0; r = p.next() {
				seen.Add(1)
			}
		})
		go func() {
			for range 30 {
				Go(context.Background(), s, Read(aHandle, 0, make([]byte, safeContent))).Drop()
			}
		}()
		under, id := int64(2), uint32(2) // the first request was for the limits
		for answered := int64(0); answered < 8; answered++ {
			synctest.Wait()
			if n := seen.Load() - answered; n != under {
				t.Errorf("%d requests are under way after %d answers, want %d", n, answered, under)
			}
			under = min(under+1, 5)
			answer <- id
			id++
		}
		close(answer)
	})
}
