package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"varve/internal/location"
)

// exam is one place being looked at. It runs in a goroutine of its own, which tells what it finds through found.
type exam struct {
	o     Options
	ctx   context.Context // when it is done nothing more is looked at
	stop  context.CancelFunc
	found chan Finding
	steps chan step
	lines lines
}

// step is what is being done, and how long it may take.
type step struct {
	what  string
	limit time.Duration
}

func newExam(ctx context.Context, o Options) *exam {
	e := &exam{o: o, found: make(chan Finding), steps: make(chan step)}
	e.ctx, e.stop = context.WithCancel(ctx)
	return e
}

// run looks at the place.
func (e *exam) run(place string) {
	s, err := location.Parse(place)
	if err != nil {
		e.wrong("place", "write a directory, HOST:DIR, sftp://HOST/DIR, ssh://HOST/DIR or rsync://HOST/MODULE", "%s", reason(err))
		return
	}
	switch s.Scheme {
	case location.SFTP:
		e.sftp(s)
	case location.SSH:
		e.peer(s)
	case location.Rsync:
		e.daemon(s)
	default:
		e.local(s)
	}
}

// begin says what is done next. False where the exam is to end.
func (e *exam) begin(what string) bool { return e.beginLong(what, e.o.Patience) }

// beginLong is begin for what may take longer.
func (e *exam) beginLong(what string, limit time.Duration) bool {
	select {
	case e.steps <- step{what, limit}:
		return true
	case <-e.ctx.Done():
		return false
	}
}

// tell tells a finding, unless the exam is to end.
func (e *exam) tell(level Level, what, mend, format string, args ...any) {
	f := Finding{level, what, harmless(fmt.Sprintf(format, args...)), harmlessLines(mend)}
	select {
	case e.found <- f:
	case <-e.ctx.Done():
	}
}

func (e *exam) good(what, format string, args ...any) { e.tell(Good, what, "", format, args...) }

func (e *exam) note(what, mend, format string, args ...any) {
	e.tell(Note, what, mend, format, args...)
}

func (e *exam) warn(what, mend, format string, args ...any) {
	e.tell(Warning, what, mend, format, args...)
}

func (e *exam) wrong(what, mend, format string, args ...any) {
	e.tell(Wrong, what, mend, format, args...)
}

// lines are the connections that are open, so that they can be cut.
type lines struct {
	mu    sync.Mutex
	open  []io.Closer
	isCut bool
}

var errCut = errors.New("the connection was cut")

// add enters a connection. Where all were cut it is closed and refused.
func (l *lines) add(c io.Closer) error {
	l.mu.Lock()
	refused := l.isCut
	if !refused {
		l.open = append(l.open, c)
	}
	l.mu.Unlock()
	if refused {
		return errors.Join(errCut, c.Close())
	}
	return nil
}

// cut closes all connections. Closing twice must do no harm.
func (l *lines) cut() {
	l.mu.Lock()
	open := l.open
	l.open, l.isCut = nil, true
	l.mu.Unlock()
	var closing sync.WaitGroup
	for _, c := range open {
		closing.Go(func() { _ = c.Close() }) // given up
	}
	closing.Wait()
}
