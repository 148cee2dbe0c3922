package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"varve/internal/disk/faultfs"
)

// commandFaults are the ways to fail that are tried through the command line, each at every step-th operation.
func commandFaults() []faultfs.Kind {
	writes := func(op faultfs.Op) bool { return op.Method == "Writer.WriteAt" }
	return []faultfs.Kind{
		{Name: "EIO", Fault: faultfs.Fault{Err: syscall.EIO}},
		{Name: "EACCES", Fault: faultfs.Fault{Err: syscall.EACCES}},
		{Name: "ENOSPC", Fault: faultfs.Fault{Err: syscall.ENOSPC}, On: faultfs.Writes},
		{Name: "lost answer", Fault: faultfs.Fault{Err: syscall.EIO, Effect: faultfs.Whole}, On: faultfs.Writes},
		{Name: "short write", Fault: faultfs.Fault{Err: syscall.ENOSPC, Effect: faultfs.Half}, On: writes},
	}
}

func TestWhateverFailsTheCommandSaysSoOrItsWorkIsIdentical(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			template := newGround(t, memoryDir(t))
			s.prepare(template)
			work, step, points := memoryDir(t), 3, 0
			switch {
			case os.Getenv("VARVE_TEST_EVERY") == "1":
				step = 1
			case testing.Short():
				step = 29
			}
			for i, kind := range commandFaults() {
				count := kind.At(0)
				g := template.copy(t, filepath.Join(work, "count "+kind.Name))
				if code, errs := g.under(count, s.args(g)...); code != exitGood {
					t.Fatalf("exit code %d: %s", code, errs)
				}
				for at := 1 + i%step; at <= count.Count() && !t.Failed(); at += step {
					s.fail(t, template, filepath.Join(work, kind.Name+strconv.Itoa(at)), kind.At(at))
					points++
					if t.Failed() {
						t.Logf("%s at operation %d", kind.Name, at)
					}
				}
			}
			t.Logf("%d faults", points)
		})
	}
}

// fail plays the story with one fault, and then the run after it. A run that succeeded may have left, and then warns of it, what the
// next one tidies up.
func (s *story) fail(t *testing.T, template *ground, dir string, inj *faultfs.Injector) {
	g := template.copy(t, dir)
	defer os.RemoveAll(dir)
	code, errs := g.under(inj, s.args(g)...)
	switch code {
	case exitGood:
		s.done(g)
		if errs == "" && !linkless(inj) {
			g.tidy()
		}
	case exitFailed, exitIncomplete, exitDamaged, exitRestoreGaps:
		if errs == "" {
			t.Errorf("exit code %d, and nothing was said", code)
		}
	default:
		t.Errorf("exit code %d: %s", code, errs)
	}
	defer func() {
		if t.Failed() {
			t.Logf("%+v failed, exit code %d, printed %s", struck(inj), code, errs)
		}
	}()
	if !t.Failed() {
		s.repeat(g)
	}
}

// linkless reports whether the fault is that of a disk that cannot hold symlinks, where a store has no latest and says nothing of it.
func linkless(inj *faultfs.Injector) bool {
	return struck(inj).Method == "FS.Symlink" && inj.Fault.Err == syscall.EACCES
}

// struck returns the operation that failed; none where the run made fewer than the one that was counted.
func struck(inj *faultfs.Injector) (op faultfs.Op) {
	if ops := inj.Ops(); inj.At <= len(ops) {
		op = ops[inj.At-1]
	}
	return op
}
