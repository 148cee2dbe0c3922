//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
)

// churn changes things in dir until stop is closed. What fails, fails.
func churn(dir string, seed uint64, stop <-chan struct{}) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func() string { return fmt.Sprintf("%s/%d/%d", dir, rnd.IntN(20), rnd.IntN(20)) }
	for {
		select {
		case <-stop:
			return
		default:
		}
		path := pick()
		switch rnd.IntN(8) {
		case 0:
			_ = os.Rename(path, pick())
		case 1:
			_ = os.Remove(path)
		case 2:
			_ = os.WriteFile(path, []byte(strings.Repeat("new", rnd.IntN(100_000))), 0o600)
		case 3:
			_ = os.Truncate(path, int64(rnd.IntN(1000)))
		case 4:
			_ = os.Rename(filepath.Dir(path), filepath.Dir(path)+".away")
			_ = os.Rename(filepath.Dir(path)+".away", filepath.Dir(path))
		case 5:
			_ = os.Link(path, pick())
		case 6:
			_ = os.Symlink(pick(), path)
		case 7:
			if f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0); err == nil {
				_, _ = f.WriteString(strings.Repeat("more", 10_000))
				_ = f.Close()
			}
		}
	}
}

func TestASourceThatMovesIsSavedAsFarAsItStoodStill(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		for j := range 20 {
			text(t, fmt.Sprintf("%s/source/moving/%d/%d", dir, i, j), strings.Repeat("old", 10_000))
			text(t, fmt.Sprintf("%s/source/still/%d/%d", dir, i, j), fmt.Sprint(i, j))
		}
	}
	store := openStore(t, dir+"/store")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { churn(dir+"/source/moving", uint64(i), stop) })
	}
	begin := time.Now()
	var snaps []varve.Snapshot
	for len(snaps) < 3 && time.Since(begin) < 30*time.Second {
		snap, events := backup(t, store, dir+"/source")
		for _, e := range events {
			if varve.Within(e.Path, strings.TrimPrefix(dir, "/")+"/source/still") {
				t.Errorf("%s does not move: event %d, %v", e.Path, e.Kind, e.Err)
			}
		}
		snaps = append(snaps, snap)
	}
	close(stop)
	wg.Wait()
	verified(t, store)
	for i, snap := range snaps {
		target := fmt.Sprintf("%s/restored-%d", dir, i)
		for _, e := range restored(t, store, snap.ID, dir+"/source", target) {
			t.Errorf("restore: %s: %v, %v", e.Path, e.Action, e.Err)
		}
		if out := run(t, "", "rsync", "-aHAXnic", "--delete", dir+"/source/still/", target+"/still/"); out != "" {
			differ(t, "rsync", out)
		}
	}
	final, events := backup(t, store, dir+"/source")
	quiet(t, events)
	byRsync(t, dir+"/source", within(dir+"/store", final, dir+"/source"))
	ok(t, store.Close())
}
