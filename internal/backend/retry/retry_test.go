package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/faulty"
	"varve/internal/backend/mem"
	"varve/internal/backend/retry"
	"varve/internal/disk"
	"varve/internal/mux"
)

// clock counts how long was waited.
type clock struct{ waits []time.Duration }

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.waits = append(c.waits, d)
	return ctx.Err()
}

// tired returns b with retries that take no time.
func tired(b varve.Backend) (*retry.Retry, *clock) {
	c := &clock{}
	return retry.New(b, retry.Options{Attempts: 4, Sleep: c.sleep, Chance: func() float64 { return 0.5 }}), c
}

func TestTheContractHolds(t *testing.T) {
	backendtest.Run(t, func(*testing.T) varve.Backend {
		return retry.New(mem.New(mem.Options{}), retry.Options{})
	}, backendtest.Options{Big: 1 << 20})
}

// flaky returns b with faults that befall a third of all operations: half of them do nothing, the others what they were asked.
func flaky(b varve.Backend, rng *rand.Rand) varve.Backend {
	for _, effect := range []faulty.Effect{faulty.Nothing, faulty.Whole} {
		b = faulty.New(b, &faulty.Injector{
			At: 1, Sticky: true, Fault: faulty.Fault{Err: faulty.ErrFault, Effect: effect}, Filter: func(faulty.Op) bool { return rng.IntN(6) == 0 },
		})
	}
	return b
}

func TestAStorageThatFailsAThirdOfTheTimeDoesAllTheSame(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		m := mem.New(mem.Options{})
		b := retry.New(flaky(m, rng), retry.Options{Attempts: 50, Sleep: (&clock{}).sleep})
		want := map[string]bool{}
		for range 200 {
			data := fmt.Append(nil, rng.IntN(20))
			name := backend.NameOf(backend.Data, data)
			var err error
			switch rng.IntN(4) {
			case 0:
				if err = b.Put(t.Context(), name, data); want[name] && errors.Is(err, fs.ErrExist) {
					err = nil
				}
				want[name] = true
			case 1:
				err = backend.Remove(t.Context(), b, name)
				delete(want, name)
			case 2:
				var got []byte
				if got, err = b.Get(t.Context(), name, 0, -1); !want[name] && errors.Is(err, fs.ErrNotExist) {
					err = nil
				} else if string(got) != string(data) {
					t.Errorf("got %q instead of %q", got, data)
				}
			default:
				var objects []varve.Object
				if objects, err = backend.Objects(t.Context(), b, backend.Data); len(objects) != len(want) {
					t.Errorf("%d objects are listed of %d", len(objects), len(want))
				}
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

var data = []byte("some bytes")

func name() string { return backend.NameOf(backend.Data, data) }

// holding returns a storage with the object and one more.
func holding(t *testing.T) *mem.Mem {
	t.Helper()
	m := mem.New(mem.Options{})
	for _, d := range [][]byte{data, []byte("more")} {
		if _, err := backend.Save(t.Context(), m, backend.Data, d); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func lost(n int, effect faulty.Effect) *faulty.Injector {
	return &faulty.Injector{At: n, Fault: faulty.Fault{Err: faulty.ErrFault, Effect: effect}}
}

func TestALostAnswerDoesNotFailAnOperation(t *testing.T) {
	for _, effect := range []faulty.Effect{faulty.Nothing, faulty.Whole} {
		m := mem.New(mem.Options{})
		b, _ := tired(faulty.New(m, lost(1, effect)))
		if err := b.Put(t.Context(), name(), data); err != nil {
			t.Errorf("put: %v", err)
		}
		b, _ = tired(faulty.New(m, lost(1, effect)))
		if got, err := b.Get(t.Context(), name(), 5, 100); err != nil || string(got) != "bytes" {
			t.Errorf("get: %q, error %v", got, err)
		}
		b, _ = tired(faulty.New(m, lost(1, effect)))
		if err := b.Delete(t.Context(), name()); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, err := m.Get(t.Context(), name(), 0, -1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
}

func TestAPutThatFindsOtherBytesIsNoSuccess(t *testing.T) {
	for what, there := range map[string]string{"torn": "some ", "longer": "some bytes more", "other": "same bytes", "empty": ""} {
		m := mem.New(mem.Options{})
		inj := lost(1, faulty.Nothing)
		inj.Do = func(faulty.Op) { m.Set(name(), []byte(there)) }
		b, _ := tired(faulty.New(m, inj))
		if err := b.Put(t.Context(), name(), data); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTheFirstAttemptTellsWhatExists(t *testing.T) {
	m := holding(t)
	b, c := tired(m)
	if err := b.Put(t.Context(), name(), data); !errors.Is(err, fs.ErrExist) {
		t.Errorf("put: %v", err)
	}
	if err := b.Delete(t.Context(), backend.NameOf(backend.Data, nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("delete: %v", err)
	}
	if len(c.waits) > 0 {
		t.Errorf("waited %v", c.waits)
	}
}

func TestAnObjectThatIsSaidToExistAndDoesNotIsPutAgain(t *testing.T) {
	m := mem.New(mem.Options{})
	puts := func(op faulty.Op) bool { return op.Method == "Put" }
	lies := &faulty.Injector{At: 1, Fault: faulty.Fault{Err: fs.ErrExist}, Filter: puts}
	first := &faulty.Injector{At: 1, Fault: faulty.Fault{Err: faulty.ErrFault}, Filter: puts}
	b, _ := tired(faulty.New(faulty.New(m, lies), first)) // the first attempt is lost, the second one is lied to
	if err := b.Put(t.Context(), name(), data); err != nil {
		t.Errorf("put: %v", err)
	}
	if got, err := m.Get(t.Context(), name(), 0, -1); string(got) != string(data) || first.Count() != 3 {
		t.Errorf("after %d attempts there is %q, error %v", first.Count(), got, err)
	}
}

func TestAFailureWhileComparingIsTriedAgain(t *testing.T) {
	m := mem.New(mem.Options{})
	inj := &faulty.Injector{
		At: 1, Fault: faulty.Fault{Err: faulty.ErrFault, Effect: faulty.Whole}, Filter: func(op faulty.Op) bool { return op.Method == "Put" },
	}
	get := &faulty.Injector{At: 1, Fault: faulty.Fault{Err: faulty.ErrFault}, Filter: func(op faulty.Op) bool { return op.Method == "Get" }}
	b, c := tired(faulty.New(faulty.New(m, inj), get))
	if err := b.Put(t.Context(), name(), data); err != nil || len(c.waits) != 2 {
		t.Errorf("error %v after waiting %d times", err, len(c.waits))
	}
}

func TestAListingThatStartsAgainYieldsNothingTwice(t *testing.T) {
	m := mem.New(mem.Options{})
	for n := range 20 {
		if _, err := backend.Save(t.Context(), m, backend.Data, []byte{byte(n)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range []faulty.Fault{
		{Err: faulty.ErrFault}, {Err: faulty.ErrFault, Effect: faulty.Half}, {Err: faulty.ErrFault, Effect: faulty.Whole}, {Effect: faulty.Doubled},
	} {
		b, _ := tired(faulty.New(m, &faulty.Injector{At: 1, Fault: fault}))
		seen := map[string]int{}
		for o, err := range b.List(t.Context(), "data/") {
			if err != nil {
				t.Fatalf("%+v: %v", fault, err)
			}
			seen[o.Name]++
		}
		if len(seen) != 20 {
			t.Errorf("%+v: %d objects", fault, len(seen))
		}
		for name, n := range seen {
			if n > 1 {
				t.Errorf("%+v: %s is yielded %d times", fault, name, n)
			}
		}
	}
}

func TestAListingThatNeverEndsWellIsGivenUp(t *testing.T) {
	m := holding(t)
	inj := lost(1, faulty.Half)
	inj.Sticky = true
	b, c := tired(faulty.New(m, inj))
	var last error
	count := 0
	for _, last = range b.List(t.Context(), "data/") {
		count++
	}
	if !errors.Is(last, faulty.ErrFault) || count != 2 || len(c.waits) != 3 {
		t.Errorf("yields %d times, waits %v, error %v", count, c.waits, last)
	}
}

func TestABrokenOffListingIsNotStartedAgain(t *testing.T) {
	m := holding(t)
	inj := lost(1, faulty.Whole)
	b, c := tired(faulty.New(m, inj))
	for range b.List(t.Context(), "") {
		break
	}
	if inj.Count() != 1 || len(c.waits) > 0 {
		t.Errorf("listed %d times, waited %v", inj.Count(), c.waits)
	}
}

func TestWhatDoesNotPassIsNotTriedAgain(t *testing.T) {
	for _, final := range []error{
		fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, fs.ErrClosed, context.Canceled, varve.ErrDamaged, backend.ErrName, disk.ErrNoSpace, disk.ErrKind,
		disk.ErrUnsupported, mux.ErrBreach, errors.ErrUnsupported, faulty.ErrKilled, syscall.EACCES, fmt.Errorf("put: %w", disk.ErrNoSpace),
	} {
		inj := &faulty.Injector{At: 1, Fault: faulty.Fault{Err: final}, Sticky: true}
		b, c := tired(faulty.New(mem.New(mem.Options{}), inj))
		if err := b.Put(t.Context(), name(), data); !errors.Is(err, final) {
			t.Errorf("%v became %v", final, err)
		}
		if _, err := b.Get(t.Context(), name(), 0, 1); !errors.Is(err, final) {
			t.Errorf("%v became %v", final, err)
		}
		if retry.Temporary(final) || len(c.waits) > 0 {
			t.Errorf("%v is tried again", final)
		}
	}
	for _, passing := range []error{syscall.EIO, syscall.ECONNRESET, context.DeadlineExceeded, errors.New("anything")} {
		if !retry.Temporary(passing) {
			t.Errorf("%v is not tried again", passing)
		}
	}
	if retry.Temporary(nil) {
		t.Error("success is tried again")
	}
}

func TestWaitsDoubleUpToABoundAndAreReported(t *testing.T) {
	inj := lost(1, faulty.Nothing)
	inj.Sticky = true
	c := &clock{}
	var events []retry.Event
	chance := 0.5
	b := retry.New(faulty.New(mem.New(mem.Options{}), inj), retry.Options{
		Attempts: 7, First: time.Second, Max: 10 * time.Second, Sleep: c.sleep,
		Chance: func() float64 { return chance }, Report: func(e retry.Event) { events = append(events, e) },
	})
	if err := b.Delete(t.Context(), name()); !errors.Is(err, faulty.ErrFault) {
		t.Error(err)
	}
	if got := fmt.Sprint(c.waits); got != "[1s 2s 4s 8s 10s 10s]" {
		t.Error(got)
	}
	if len(events) != 6 || events[2].Op != "delete" || events[2].Name != name() || events[2].Attempt != 3 || events[2].Wait != 4*time.Second ||
		!errors.Is(events[2].Err, faulty.ErrFault) {
		t.Errorf("reported: %v", events)
	}
	c.waits = nil
	chance = 0
	if err := b.Delete(t.Context(), name()); err == nil || c.waits[0] != 500*time.Millisecond {
		t.Errorf("error %v, shortest wait %v", err, c.waits)
	}
}

func TestAnEndedContextEndsTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inj := lost(1, faulty.Nothing)
		inj.Sticky = true
		b := retry.New(faulty.New(mem.New(mem.Options{}), inj), retry.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		err := b.Put(ctx, name(), data)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, faulty.ErrFault) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("it took %v", d)
		}
		start = time.Now()
		if err := b.Put(t.Context(), name(), data); !errors.Is(err, faulty.ErrFault) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d < time.Minute || d > 5*time.Minute {
			t.Errorf("by default it is tried for %v", d)
		}
	})
}

func TestWhatWasCutOffIsMadeAgainAtOnceAndAsOftenAsItTakes(t *testing.T) {
	for _, effect := range []faulty.Effect{faulty.Nothing, faulty.Whole} {
		m := holding(t)
		cuts := 0
		inj := &faulty.Injector{At: 1, Sticky: true, Fault: faulty.Fault{Err: fmt.Errorf("%w: %w", retry.ErrCut, mux.ErrLost), Effect: effect},
			Filter: func(faulty.Op) bool {
				cuts++
				return cuts%50 != 0
			}}
		var events []retry.Event
		c := &clock{}
		b := retry.New(faulty.New(m, inj), retry.Options{Attempts: 1, Sleep: c.sleep, Report: func(e retry.Event) { events = append(events, e) }})
		another := []byte("another")
		if err := b.Put(t.Context(), backend.NameOf(backend.Data, another), another); err != nil {
			t.Errorf("put: %v", err)
		}
		if got, err := b.Get(t.Context(), name(), 0, -1); err != nil || string(got) != string(data) {
			t.Errorf("get: %q, %v", got, err)
		}
		if list, err := backend.Objects(t.Context(), b, backend.Data); err != nil || len(list) != 3 {
			t.Errorf("list: %v, %v", list, err)
		}
		if err := b.Delete(t.Context(), name()); err != nil {
			t.Errorf("delete: %v", err)
		}
		if len(c.waits) > 0 || len(events) > 0 {
			t.Errorf("waited %v, told %v", c.waits, events)
		}
	}
}

func TestWhatIsCutOffEndsWithItsContextAndWithTheLastWord(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	inj := &faulty.Injector{At: 1, Sticky: true, Fault: faulty.Fault{Err: retry.ErrCut}, Filter: func(faulty.Op) bool {
		if calls++; calls == 20 {
			cancel()
		}
		return true
	}}
	b, _ := tired(faulty.New(holding(t), inj))
	if _, err := b.Get(ctx, name(), 0, 1); !errors.Is(err, context.Canceled) || calls != 20 {
		t.Errorf("after %d attempts: %v", calls, err)
	}
	inj = &faulty.Injector{At: 1, Fault: faulty.Fault{Err: retry.ErrCut}}
	last := &faulty.Injector{At: 2, Sticky: true, Fault: faulty.Fault{Err: disk.ErrLost}}
	b, c := tired(faulty.New(faulty.New(holding(t), last), inj))
	if _, err := b.Get(t.Context(), name(), 0, 1); err != nil {
		t.Error(err)
	}
	if _, err := b.Get(t.Context(), name(), 0, 1); !errors.Is(err, disk.ErrLost) || len(c.waits) > 0 {
		t.Errorf("waited %v: %v", c.waits, err)
	}
}
