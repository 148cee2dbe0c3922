package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begin = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)

// world is a machine whose time passes while the daemon waits, and what happens on it.
type world struct {
	*testing.T
	now  time.Time
	jobs []*job
	log  []string
	// wake is called before each wait, with what it is the n-th of; true has the configuration read anew. The end is after ends waits.
	wake  func(n int) bool
	ends  int
	loads []error // what reading the configuration comes to, each time
	waits []time.Duration
	warns []string
	close error
	stop  context.CancelFunc
}

// job is due at a time, and again some time after that.
type job struct {
	name  string
	at    time.Time
	every time.Duration
	takes time.Duration
}

func (w *world) Agenda() (a Agenda) {
	for _, j := range w.jobs {
		switch {
		case !j.at.After(w.now):
			a.Due = append(a.Due, j.name)
		case a.Next == "" || j.at.Before(a.At):
			a.Next, a.At = j.name, j.at
		}
	}
	return a
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%s ", w.now.Format("15:04"))+fmt.Sprintf(format, args...))
}

func (w *world) Run(ctx context.Context, name string) {
	w.say("run %s", name)
	for _, j := range w.jobs {
		if j.name == name {
			w.now = w.now.Add(j.takes)
			for j.every > 0 && !j.at.After(w.now) {
				j.at = j.at.Add(j.every)
			}
		}
	}
}

func (w *world) Alarm(context.Context) { w.say("alarm") }
func (w *world) Close() error          { w.say("close"); return w.close }

func (w *world) load(context.Context) (Work, error) {
	w.say("load")
	if len(w.loads) > 0 {
		err := w.loads[0]
		w.loads = w.loads[1:]
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) wait(_ context.Context, d time.Duration) bool {
	w.waits = append(w.waits, d)
	if len(w.waits) > w.ends {
		w.stop()
		return false
	}
	w.now = w.now.Add(d)
	return w.wake != nil && w.wake(len(w.waits))
}

// run runs a daemon on the machine until it has waited so often.
func (w *world) run(ends int) error {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	defer stop()
	w.ends, w.stop = ends, stop
	if w.now.IsZero() {
		w.now = begin
	}
	return Run(ctx, Options{Load: w.load, Wait: w.wait, Now: func() time.Time { return w.now },
		Warn: func(err error) { w.warns = append(w.warns, err.Error()) }})
}

// runs are the entries of the log about runs.
func (w *world) runs() string {
	only := slices.DeleteFunc(slices.Clone(w.log), func(l string) bool { return !strings.Contains(l, " run ") })
	return strings.ReplaceAll(strings.Join(only, "; "), " run ", " ")
}

func TestAJobRunsWhenItIsDueAndNotBefore(t *testing.T) {
	w := &world{T: t, jobs: []*job{{name: "home", at: begin.Add(90 * time.Second), every: time.Hour, takes: 5 * time.Minute}}}
	if err := w.run(40); err != nil {
		t.Fatal(err)
	}
	if got := w.runs(); got != "01:01 home" {
		t.Errorf("runs: %s", got)
	}
	if !slices.Equal(w.waits[:3], []time.Duration{time.Minute, 30 * time.Second, 0}) {
		t.Errorf("waits: %v", w.waits)
	}
	for _, d := range w.waits {
		if d > time.Minute || d < 0 {
			t.Errorf("it does not look at the clock for %s", d)
		}
	}
	if w.log[0] != "01:00 load" || w.log[len(w.log)-1] != w.now.Format("15:04")+" close" || len(w.warns) > 0 {
		t.Errorf("%q, %q", w.log, w.warns)
	}
}

func TestAMachineThatSleptCatchesUpWithOneRun(t *testing.T) {
	w := &world{T: t, jobs: []*job{{name: "home", at: begin.Add(time.Hour), every: time.Hour}}}
	w.wake = func(n int) bool {
		if n == 3 {
			w.now = w.now.Add(5 * time.Hour)
		}
		return false
	}
	if err := w.run(10); err != nil {
		t.Fatal(err)
	}
	if got := w.runs(); got != "06:03 home" {
		t.Errorf("runs: %s", got)
	}
}

func TestAClockThatIsSetBackStallsNothing(t *testing.T) {
	w := &world{T: t, jobs: []*job{{name: "home", at: begin}}} // it stays due
	w.wake = func(n int) bool {
		if n == 1 { // just after the first run
			w.now = w.now.AddDate(-30, 0, 0)
			w.jobs[0].at = w.now
		}
		return false
	}
	if err := w.run(20); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(w.runs(), "home"); got < 10 {
		t.Errorf("%d runs: %s", got, w.runs())
	}
}

func TestNoJobKeepsAnotherFromRunning(t *testing.T) {
	w := &world{T: t, jobs: []*job{{name: "busy", at: begin, takes: 2 * time.Minute}, {name: "other", at: begin, takes: time.Minute},
		{name: "third", at: begin.Add(time.Minute), takes: time.Minute, every: 24 * time.Hour}}}
	if err := w.run(7); err != nil {
		t.Fatal(err)
	}
	if got := w.runs(); !strings.HasPrefix(got, "01:00 busy; 01:02 other; 01:03 third; 01:04 busy; 01:06 other; ") {
		t.Errorf("runs: %s", got)
	}
}

func TestAJobThatStaysDueRestsForAMinute(t *testing.T) {
	w := &world{T: t, jobs: []*job{{name: "busy", at: begin}}}
	if err := w.run(6); err != nil {
		t.Fatal(err)
	}
	if got := w.runs(); got != "01:00 busy; 01:01 busy; 01:02 busy; 01:03 busy" {
		t.Errorf("runs: %s", got)
	}
}

func TestAlarmsComeAfterRunsAndEveryQuarterOfAnHour(t *testing.T) {
	w := &world{T: t, jobs: []*job{{name: "home", at: begin, every: 24 * time.Hour}}}
	if err := w.run(35); err != nil {
		t.Fatal(err)
	}
	want := []string{"01:00 load", "01:00 run home", "01:00 alarm", "01:15 alarm", "01:30 alarm"}
	if len(w.log) < len(want) || !slices.Equal(w.log[:len(want)], want) {
		t.Errorf("%q", w.log)
	}
	w = &world{T: t, jobs: []*job{{name: "a", at: begin, takes: time.Hour}, {name: "b", at: begin, takes: time.Hour}}} // there is no end of them
	if err := w.run(8); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(w.log, "07:00 alarm") || strings.Count(strings.Join(w.log, " "), "alarm") > 2 {
		t.Errorf("%q", w.log)
	}
}

// hanging is work whose one job ends once it was told of while it ran.
type hanging struct {
	*world
	told chan struct{}
}

func (h hanging) Run(context.Context, string) { <-h.told }
func (h hanging) Alarm(context.Context)       { h.told <- struct{}{} }

func TestAlarmsAreRaisedWhileAJobHangs(t *testing.T) {
	fires := make(chan time.Time, 1)
	fires <- begin
	stopped := 0
	d := &daemon{turn: map[string]int{}, ended: map[string]time.Time{}}
	d.Now = func() time.Time { return begin }
	d.Tick = func(every time.Duration) (<-chan time.Time, func()) { return fires, func() { stopped++ } }
	d.work = hanging{&world{T: t}, make(chan struct{})}
	d.run(t.Context(), "home")
	if stopped != 1 {
		t.Errorf("the ticker was stopped %d times", stopped)
	}
}

func TestTheConfigurationIsReadAnewOnDemandAndABrokenOneChangesNothing(t *testing.T) {
	w := &world{T: t, jobs: []*job{{name: "home", at: begin.Add(6 * time.Minute), every: time.Hour}}, loads: []error{nil, errors.New("line 3"), nil}}
	w.wake = func(n int) bool { return n == 2 || n == 4 }
	if err := w.run(8); err != nil {
		t.Fatal(err)
	}
	if len(w.warns) != 1 || w.warns[0] != "the configuration stays as it was: line 3" {
		t.Errorf("warned: %q", w.warns)
	}
	want := []string{"01:00 load", "01:00 alarm", "01:02 load", "01:04 load", "01:04 close", "01:04 alarm", "01:06 run home"}
	if len(w.log) < len(want) || !slices.Equal(w.log[:len(want)], want) {
		t.Errorf("%q", w.log)
	}
}

func TestABrokenConfigurationAtTheBeginningIsAnError(t *testing.T) {
	broken := errors.New("line 3")
	w := &world{T: t, loads: []error{broken}}
	if err := w.run(3); !errors.Is(err, broken) || len(w.waits) > 0 {
		t.Errorf("%v after %v", err, w.waits)
	}
}

func TestAnErrorOfTheEndIsReturned(t *testing.T) {
	w := &world{T: t, close: errors.New("no space")}
	if err := w.run(1); !errors.Is(err, w.close) {
		t.Error(err)
	}
}
