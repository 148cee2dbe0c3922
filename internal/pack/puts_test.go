package pack

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"varve/internal/table"
)

// farWriter returns a writer of a world of its own, whose builders put so many packs at once.
func farWriter(t *testing.T, puts int) (*Writer, *filler) {
	w := theWorld(t)
	return &Writer{Vault: w.writer.Vault, Session: w.writer.Session, Signer: w.writer.Signer, Domain: w.writer.Domain,
		Compressor: w.writer.Compressor, Puts: puts}, newFiller(w)
}

func TestPacksArePutBesideWhoFillsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, puts = time.Second, 3
		w, f := farWriter(t, puts)
		var s shelf
		now, most := 0, 0
		buffers := map[*byte]bool{}
		b := w.NewBuilder(func(ctx context.Context, p table.Pack, data []byte) error {
			s.mu.Lock()
			now++
			most = max(most, now)
			buffers[&data[0]] = true
			s.mu.Unlock()
			time.Sleep(each)
			s.mu.Lock()
			now--
			s.mu.Unlock()
			return s.put(ctx, p, data)
		})
		begin := time.Now()
		const packs = 4
		for range packs {
			if err := b.Add(t.Context(), f.blob(8<<20)); err != nil {
				t.Fatal(err)
			}
			if err := b.Add(t.Context(), f.blob(8<<20-100<<10)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > (packs/puts+1)*each {
			t.Errorf("%d packs took %v", packs, took)
		}
		if most < puts || most > puts+openPacks || len(buffers) > puts+openPacks {
			t.Errorf("%d packs were put at once, from %d buffers", most, len(buffers))
		}
		f.check(t, s.packs)
	})
}

func TestAPutThatFailsLaterFailsTheBuilder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := farWriter(t, 2)
		no := errors.New("no")
		puts := 0
		b := w.NewBuilder(func(context.Context, table.Pack, []byte) error {
			puts++
			time.Sleep(time.Second)
			return no
		})
		for range 2 {
			if err := b.Add(t.Context(), f.blob(8<<20-20<<10)); err != nil {
				t.Fatal(err)
			}
		}
		b.Wait()
		if err := b.Add(t.Context(), f.blob(100)); !errors.Is(err, no) {
			t.Errorf("the next Add: %v", err)
		}
		if err := b.Finish(t.Context()); !errors.Is(err, no) || puts != 1 {
			t.Errorf("Finish: %v after %d puts", err, puts)
		}
	})
}

func TestWhoGivesUpWaitsForWhatIsBeingPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, f := farWriter(t, 2)
		ended := false
		b := w.NewBuilder(func(ctx context.Context, _ table.Pack, _ []byte) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			if err := b.Add(ctx, f.blob(8<<20-20<<10)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the put has begun
		cancel()
		b.Wait()
		if !ended {
			t.Error("a put is still under way")
		}
		if err := b.Finish(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Finish: %v", err)
		}
	})
}
