package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestPeakMemoryIsThatOfTheCommandAndNotOurs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is measured on Linux only")
	}
	large := bytes.Repeat([]byte{1}, 200<<20) // would be counted if the command were started directly
	u, err := measure(t.Context(), []command{{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	if u.Memory <= 0 || u.Memory > 100<<20 {
		t.Errorf("true took %d bytes", u.Memory)
	}
	runtime.KeepAlive(large)
}

func TestCommandsOfAStepAreAddedUp(t *testing.T) {
	u := usage{Wall: 2 * time.Second, CPU: time.Second, Memory: 10}
	u.add(usage{Wall: time.Second, CPU: 3 * time.Second, Memory: 7})
	if want := (usage{Wall: 3 * time.Second, CPU: 4 * time.Second, Memory: 10}); u != want {
		t.Errorf("got %v, want %v", u, want)
	}
}

func TestAFailedCommandEndsTheStepAndSaysWhy(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	_, err := measure(t.Context(), []command{{"sh", "-c", "echo first >&2; echo no room >&2; exit 3"}, {"touch", mark}})
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no room") {
		t.Errorf("error: %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the second command ran after the first had failed")
	}
	if _, err := measure(t.Context(), []command{{"/nonexistent/program"}}); err == nil {
		t.Error("no error for a program that does not exist")
	}
}

func TestACommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := measure(ctx, []command{{"sh", "-c", "sleep 1000 & sleep 1000"}})
	if err == nil || time.Since(start) > 30*time.Second {
		t.Errorf("after %v: error %v", time.Since(start), err)
	}
}

func TestTheTailOfOutputIsBounded(t *testing.T) {
	var out tail
	for range 100 {
		if n, err := out.Write(bytes.Repeat([]byte("x"), 999)); n != 999 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := out.Write([]byte("\nlast line\n\n")); err != nil {
		t.Fatal(err)
	}
	if len(out.text) > tailSize || out.hint() != ": last line" {
		t.Errorf("%d bytes kept, hint %q", len(out.text), out.hint())
	}
}
