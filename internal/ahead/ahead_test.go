package ahead_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/ahead"
)

func TestFilesThatAreWantedComeInTheTimeOfAFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFar(20 * time.Millisecond)
		entries := src.many(1000, 100)
		s := ahead.New(t.Context(), src, 50)
		defer s.Close()
		begin := time.Now()
		for _, e := range entries {
			s.Want(e)
		}
		for i, e := range entries {
			if got := read(t, s, e); !bytes.Equal(got, src.files[e.Path].data) {
				t.Fatalf("file %d holds %d bytes", i, len(got))
			}
		}
		// One by one it would be five calls for each file: 100 s.
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("reading took %v", took)
		}
	})
}

func TestTheLooksAreThoseBeforeAndAfterTheContentWasRead(t *testing.T) {
	for name, data := range map[string][]byte{"some": []byte("content"), "none": nil} {
		synctest.Test(t, func(t *testing.T) {
			src := newFar(time.Millisecond)
			e := src.add("f", content{data: data, gone: true})
			s := ahead.New(t.Context(), src, 1)
			defer s.Close()
			s.Want(e)
			synctest.Wait()
			f, err := s.Open(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			look := func(want int64) {
				t.Helper()
				if e, err := f.Entry(); err != nil || e.MTime.Sec != want || e.Path != "f" {
					t.Errorf("%s: look %d of %q, error %v, want look %d", name, e.MTime.Sec, e.Path, err, want)
				}
			}
			look(1)
			look(1) // nothing was read since
			if n := len(data); n > 0 {
				io.ReadFull(f, make([]byte, n-1))
				look(1)
			}
			if _, err := io.ReadAll(f); err != nil {
				t.Error(err)
			}
			look(2)
		})
	}
}

func TestErrorsComeOutWhereTheyWouldHaveCome(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]content{
		"at opening":         {openErr: fs.ErrPermission},
		"at the first look":  {data: []byte("abc"), lookErrs: map[int]error{1: broken}},
		"at the second look": {data: []byte("abc"), lookErrs: map[int]error{2: broken}},
		"while it is read":   {data: []byte("abc"), readErr: broken},
	} {
		synctest.Test(t, func(t *testing.T) {
			src := newFar(time.Millisecond)
			e := src.add("f", c)
			s := ahead.New(t.Context(), src, 1)
			defer s.Close()
			s.Want(e)
			synctest.Wait()
			f, err := s.Open(t.Context(), e)
			if !errors.Is(err, c.openErr) {
				t.Fatalf("%s: Open says %v", name, err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			if _, err := f.Entry(); err != c.lookErrs[1] {
				t.Errorf("%s: the first look says %v", name, err)
			}
			data, err := io.ReadAll(f)
			if first := c.lookErrs[1]; first != nil {
				if err != first {
					t.Errorf("%s: Read after a look that failed says %v", name, err)
				}
				return
			}
			if string(data) != "abc" || err != c.readErr {
				t.Errorf("%s: read %q, error %v", name, data, err)
			}
			if _, err := f.Entry(); err != c.lookErrs[2] {
				t.Errorf("%s: the second look says %v", name, err)
			}
			if src.opened("f") != 1 {
				t.Errorf("%s: opened %d times", name, src.opened("f"))
			}
		})
	}
}

func TestNobodyWaitsForWhatNobodyHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFar(time.Millisecond)
		entries := src.many(60, 1<<20) // twice the room
		s := ahead.New(t.Context(), src, 4)
		defer s.Close()
		for _, e := range entries {
			s.Want(e)
		}
		time.Sleep(time.Hour)
		// All the room is taken by the first ones. The others come first and all stay open.
		for i := len(entries) - 1; i >= 0; i-- {
			f, err := s.Open(t.Context(), entries[i])
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if data, err := io.ReadAll(f); err != nil || len(data) != 1<<20 {
				t.Fatalf("%d bytes, error %v", len(data), err)
			}
		}
	})
}

func TestWhatWaitsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFar(time.Millisecond)
		entries := src.many(100, 1<<20)
		s := ahead.New(t.Context(), src, 16)
		defer s.Close()
		for _, e := range entries {
			s.Want(e)
		}
		time.Sleep(time.Hour)
		waiting := src.bytes.Load()
		if waiting > 32<<20 || waiting < 28<<20 {
			t.Errorf("%d MiB wait", waiting>>20)
		}
		for _, e := range entries[:10] {
			s.Drop(e.Path)
		}
		time.Sleep(time.Hour)
		if more := src.bytes.Load() - waiting; more < 9<<20 || more > 11<<20 {
			t.Errorf("%d MiB came in the place of what was dropped", more>>20)
		}
		waiting = src.bytes.Load()
		for _, e := range entries[10:20] {
			read(t, s, e)
		}
		time.Sleep(time.Hour)
		if more := src.bytes.Load() - waiting; more < 9<<20 || more > 11<<20 {
			t.Errorf("%d MiB came in the place of what was consumed", more>>20)
		}
	})
}

func TestFilesThatAreNotSmallAreOpenedDirectly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFar(time.Millisecond)
		large := make([]byte, 3<<20)
		for name, e := range map[string]varve.Entry{
			"large":            src.add("large", content{data: large}),
			"grown":            src.add("grown", content{data: large}),
			"without a length": src.add("endless", content{data: large, size: -1}),
		} {
			if name != "large" {
				e.Size = 0
			}
			s := ahead.New(t.Context(), src, 2)
			s.Want(e)
			time.Sleep(time.Second)
			if data := read(t, s, e); len(data) != len(large) {
				t.Errorf("%s: %d bytes", name, len(data))
			}
			s.Close()
		}
	})
}

func TestWhatHasNoContentOfItsOwnIsNotReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFar(0)
		e := src.add("f", content{data: []byte("x")})
		s := ahead.New(t.Context(), src, 2)
		defer s.Close()
		for _, change := range []func(*varve.Entry){
			func(e *varve.Entry) { e.Kind = varve.Dir },
			func(e *varve.Entry) { e.SameAs = "a" },
			func(e *varve.Entry) { e.Err = fs.ErrPermission },
		} {
			other := e
			change(&other)
			s.Want(other)
		}
		synctest.Wait()
		if n := src.opened("f"); n != 0 {
			t.Errorf("opened %d times", n)
		}
	})
}

func TestEachFileIsGivenOutFromMemoryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFar(time.Millisecond)
		e := src.add("f", content{data: []byte("old")})
		s := ahead.New(t.Context(), src, 2)
		defer s.Close()
		s.Want(e)
		s.Want(e)
		time.Sleep(time.Second)
		synctest.Wait()
		src.files["f"].data = []byte("new")
		if first, second := read(t, s, e), read(t, s, e); string(first) != "old" || string(second) != "new" {
			t.Errorf("read %q, then %q", first, second)
		}
	})
}

func TestWithoutReadersEverythingIsPassedThrough(t *testing.T) {
	src := newFar(0)
	e := src.add("f", content{data: []byte("x")})
	s := ahead.New(t.Context(), src, 0)
	s.Want(e)
	if data := read(t, s, e); string(data) != "x" {
		t.Errorf("read %q", data)
	}
	s.Drop("f")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsWhatIsUnderWayAndLeavesOpenFilesUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails where a goroutine stays
		src := newFar(time.Millisecond)
		entries := src.many(50, 10)
		s := ahead.New(t.Context(), src, 2)
		s.Want(entries[0])
		time.Sleep(time.Second)
		f, err := s.Open(t.Context(), entries[0])
		if err != nil {
			t.Fatal(err)
		}
		src.gate = make(chan struct{}) // the others never end by themselves
		for _, e := range entries[1:] {
			s.Want(e)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(f); err != nil || len(data) != 10 {
			t.Errorf("%d bytes, error %v", len(data), err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Read of a closed file says %v", err)
		}
		if _, err := f.Entry(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Entry of a closed file says %v", err)
		}
		if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("the second Close says %v", err)
		}
		if n := src.open.Load(); n != 0 {
			t.Errorf("%d files stay open", n)
		}
	})
}

func TestWhoGivesUpWaitingLosesNothingForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFar(time.Millisecond)
		src.gate = make(chan struct{})
		e := src.add("f", content{data: []byte("x")})
		s := ahead.New(t.Context(), src, 1)
		defer s.Close()
		s.Want(e)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Open(ctx, e); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Open says %v", err)
		}
		s.Want(e) // anew
		close(src.gate)
		if data := read(t, s, e); string(data) != "x" {
			t.Errorf("read %q", data)
		}
	})
}

func TestAnyOrderOfCallsGivesEveryFileItsContent(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) {
			src := newFar(time.Millisecond)
			entries := src.many(60, 1<<20) // twice the room
			s := ahead.New(t.Context(), src, 8)
			defer s.Close()
			var wg sync.WaitGroup
			for worker := range uint64(5) {
				random := rand.New(rand.NewPCG(seed, worker))
				wg.Go(func() {
					for range 30 {
						e := entries[random.IntN(len(entries))]
						switch random.IntN(4) {
						case 0, 1:
							s.Want(e)
						case 2:
							s.Drop(e.Path)
						default:
							f, err := s.Open(t.Context(), e)
							if err != nil {
								t.Error(err)
								return
							}
							if data, err := io.ReadAll(f); err != nil || !bytes.Equal(data, src.files[e.Path].data) {
								t.Errorf("%s: %d bytes, error %v", e.Path, len(data), err)
							}
							f.Close()
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
