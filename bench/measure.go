package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// stepTimeout ends a program that hangs.
const stepTimeout = time.Hour

// measureArg makes this program a measuring process: "bench measure COMMAND…" runs COMMAND and writes its usage to descriptor 3.
//
// The detour is there for the memory figure. The kernel counts the memory of the process that forks as the peak of its child until
// the child has its own image, so a large parent would be measured instead of a small child. The measuring process is small.
const measureArg = "measure"

// measureFD is the descriptor that a measuring process reports on.
const measureFD = 3

// usage is what a command took.
type usage struct {
	Wall time.Duration
	CPU  time.Duration // user and system, of all its processes that were waited for
	// Memory is the peak of resident memory in bytes, of the largest of its processes.
	Memory int64
}

// add counts a command that ran after u's.
func (u *usage) add(next usage) {
	u.Wall += next.Wall
	u.CPU += next.CPU
	u.Memory = max(u.Memory, next.Memory)
}

// command is a program and its arguments.
type command []string

// measured is what a measuring process reports.
type measured struct {
	Usage usage
	Err   string // empty where the command ended with status 0
}

// measureChild runs argv and reports on measureFD. Its own status is 0 unless reporting is impossible.
func measureChild(argv []string) int {
	pipe := os.NewFile(measureFD, "measure")
	if pipe == nil || len(argv) == 0 {
		return exitUsage
	}
	closeOnExec(measureFD)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	var m measured
	start := time.Now()
	err := cmd.Run()
	m.Usage.Wall = time.Since(start)
	if err != nil {
		m.Err = err.Error()
	}
	if s := cmd.ProcessState; s != nil {
		m.Usage.CPU = s.UserTime() + s.SystemTime()
		m.Usage.Memory = peakMemory(s)
	}
	if json.NewEncoder(pipe).Encode(m) != nil {
		return exitFailed
	}
	return exitGood
}

// measure runs commands one after the other and returns what they took together. It ends them, with all that they started, when
// ctx is done or the time is up.
func measure(ctx context.Context, commands []command) (usage, error) {
	var total usage
	for _, argv := range commands {
		u, err := measureOne(ctx, argv)
		if err != nil {
			return total, err
		}
		total.add(u)
	}
	return total, nil
}

func measureOne(ctx context.Context, argv command) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return usage{}, err
	}
	defer r.Close()
	var out tail
	cmd := exec.CommandContext(ctx, self, append([]string{measureArg}, argv...)...)
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdout, cmd.Stderr = &out, &out
	killWithChildren(cmd)
	err = cmd.Start()
	w.Close()
	if err != nil {
		return usage{}, err
	}
	report, readErr := io.ReadAll(r)
	if err := errors.Join(cmd.Wait(), readErr); err != nil {
		return usage{}, fmt.Errorf("%s: %w%s", argv[0], err, out.hint())
	}
	var m measured
	if err := json.Unmarshal(report, &m); err != nil {
		return usage{}, fmt.Errorf("%s: read what it took: %w", argv[0], err)
	}
	if m.Err != "" {
		return usage{}, fmt.Errorf("%s: %s%s", argv[0], m.Err, out.hint())
	}
	return m.Usage, nil
}

// output runs a command whose time does not matter and returns its standard output.
func output(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	killWithChildren(cmd)
	var out strings.Builder
	var errs tail
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w%s", argv[0], err, errs.hint())
	}
	return out.String(), nil
}

// tailSize is how much of a command's output is remembered, in bytes.
const tailSize = 2000

// tail remembers the end of what was written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// hint returns the last line, for an error message; empty where there is none.
func (t *tail) hint() string {
	text := strings.TrimSpace(string(t.text))
	if text == "" {
		return ""
	}
	return ": " + text[strings.LastIndexByte(text, '\n')+1:]
}
