package remote

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"varve"
	"varve/internal/compare"
)

// judgeVersion is the first version of the protocol in which a push may be judged.
const judgeVersion = 2

// difference is a varve.Difference on the wire.
type difference struct {
	Files   int64 `json:"files"`
	Before  int64 `json:"before"`
	Lost    int64 `json:"lost"`
	Changed int64 `json:"changed"`

	Worst       raw   `json:"worst,omitempty"`
	WorstBefore int64 `json:"worst_before,omitempty"`
	WorstLost   int64 `json:"worst_lost,omitempty"`
}

func wireDifference(d varve.Difference) *difference {
	return &difference{d.Files, d.Before, d.Lost, d.Changed, raw(d.Worst), d.WorstBefore, d.WorstLost}
}

// plain returns what the other side says of a push of these sources.
func (w *difference) plain(sources []string) (d varve.Difference, err error) {
	if w == nil || min(w.Files, w.Before, w.Lost, w.Changed, w.WorstBefore, w.WorstLost) < 0 {
		return d, protocolError("a difference that says nothing")
	}
	if w.Worst != "" && !slices.Contains(sources, string(w.Worst)) {
		return d, protocolError("a difference of what is no source")
	}
	return varve.Difference{Files: w.Files, Before: w.Before, Lost: w.Lost, Changed: w.Changed,
		Worst: string(w.Worst), WorstBefore: w.WorstBefore, WorstLost: w.WorstLost}, nil
}

// voice lets the far store's questions and reports reach the caller of a push one at a time, and none of them after the push.
type voice struct {
	mu      sync.Mutex
	over    bool
	sources []string
	state   func(varve.Difference) varve.State
	tell    func(varve.Event)
}

func newVoice(o *varve.SaveOptions) *voice {
	return &voice{sources: o.Sources, state: o.Judge, tell: o.Progress}
}

// judge asks the caller what becomes of the snapshot.
func (v *voice) judge(d varve.Difference) (varve.State, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over || v.state == nil {
		return "", protocolError("nobody judges")
	}
	return compare.Judge(v.state, varve.Complete, d)
}

// progress tells the caller what happens.
func (v *voice) progress(e varve.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tell != nil {
		v.tell(e)
	}
}

// end waits until nobody is asked any more.
func (v *voice) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over = true
}

// canJudge returns an error where the far side would not ask what becomes of a snapshot that is to be judged: one that lost most of its
// files would then count as good.
func (s *store) canJudge(o *varve.SaveOptions) error {
	if o.Judge == nil || o.Origin != nil || s.p.session.Version() >= judgeVersion {
		return nil
	}
	return fmt.Errorf("upgrade varve on the other side: it is %s, which cannot call a snapshot suspect", s.p.session.Peer())
}

// judge answers the far store, which asks what becomes of a push.
func (p *peer) judge(_ context.Context, c *call, r *request) error {
	o, err := p.offered(r.ID)
	if err != nil {
		return err
	}
	if o.voice == nil {
		return protocolError("nobody judges")
	}
	d, err := r.Difference.plain(o.voice.sources)
	if err != nil {
		return err
	}
	state, err := o.voice.judge(d)
	if err != nil {
		o.broke(err)
		return err
	}
	return c.sendJSON(msgReply, &reply{State: state})
}

// judge returns a function that asks the other side what becomes of a snapshot. Where there is no answer the push has failed: what the
// function returns then is no state, so that no snapshot comes about.
func (s *pull) judge(ctx context.Context) func(varve.Difference) varve.State {
	return func(d varve.Difference) varve.State {
		r, err := s.p.do(ctx, &request{Op: opJudge, ID: s.id, Difference: wireDifference(d)})
		if err == nil && !s.verdict(r.State) {
			err = protocolError("a verdict that is %.40q", string(r.State))
		}
		if err != nil {
			s.lost(err)
			return ""
		}
		return r.State
	}
}

// verdict reports whether the other side may say that a snapshot is in a state. None makes it better than this side finds it.
func (s *pull) verdict(state varve.State) bool {
	return state == varve.Complete || state == varve.Suspect || state == varve.Incomplete && !s.humble
}
