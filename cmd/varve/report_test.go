package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"varve"
	"varve/internal/restore"
	"varve/internal/seal"
	"varve/internal/vault"
)

func TestOnlyTheFirstWarningsOfAKindArePrinted(t *testing.T) {
	for verbose, want := range []int{maxWarnings + 1, 30} {
		a, _, errs := testApp()
		a.verbose = verbose
		r := newBackupReport(a, a.newMeter())
		for i := range 30 {
			r.event(varve.Event{Kind: varve.Skipped, Path: fmt.Sprint(i), Err: &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}})
		}
		r.close()
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		if len(lines) != want || lines[0] != "varve: warning: skipped: /0: permission denied" {
			t.Errorf("verbose %d: %d lines, want %d; the first is %q", verbose, len(lines), want, lines[0])
		}
		if last := lines[len(lines)-1]; verbose == 0 && last != "varve: warning: 10 more could not be read; -v lists them" {
			t.Errorf("the last is %q", last)
		}
	}
}

func TestWhatCannotBeKeptIsToldOnceForEachSetOfAspects(t *testing.T) {
	a, out, errs := testApp()
	a.verbose = 1
	r := newBackupReport(a, a.newMeter())
	for i := range 5 {
		r.event(varve.Event{Kind: varve.Unkept, Path: fmt.Sprint("a", i), Aspect: varve.Owner})
	}
	r.event(varve.Event{Kind: varve.Unkept, Path: "b", Aspect: varve.Owner | varve.Mode})
	r.close()
	want := "varve: kept in the manifest alone: owner of /a0 and 4 others\nvarve: kept in the manifest alone: owner, mode of /b\n"
	if errs.String() != want || out.String() != "" {
		t.Errorf("printed %q and %q", out, errs)
	}
}

func TestVanishedAndChangedFilesAreNamedOnRequest(t *testing.T) {
	for verbose, want := range []string{"", "varve: vanished while being read: /a\nvarve: changed while being read: /b\n"} {
		a, _, errs := testApp()
		a.verbose = verbose
		r := newBackupReport(a, a.newMeter())
		r.event(varve.Event{Kind: varve.Vanished, Path: "a", Err: fs.ErrNotExist})
		r.event(varve.Event{Kind: varve.Changed, Path: "b"})
		r.close()
		if errs.String() != want {
			t.Errorf("verbose %d: printed %q", verbose, errs)
		}
	}
}

func TestARestoreThatLacksMetadataIsNotGood(t *testing.T) {
	for _, c := range []struct {
		report restore.Report
		aspect varve.Aspect
		code   int
		hint   string
	}{
		{restore.Report{Files: 3}, 0, exitGood, ""},
		{restore.Report{Unkept: 2}, varve.Xattrs, exitRestoreGaps, ""},
		{restore.Report{Failed: 1, Unkept: 2}, varve.Owner, exitRestoreGaps, ""},
		{restore.Report{Unkept: 2}, varve.Owner, exitRestoreGaps, "--no-owner"},
	} {
		a, _, errs := testApp()
		r := &restoreReport{restoring: &restoring{app: a}, meter: a.newMeter(), dir: "/out", failed: a.newLimited(), unkept: unkept{}}
		if c.aspect != 0 {
			r.event(restore.Event{Action: restore.Unkept, Path: "a", Aspect: c.aspect})
		}
		r.close()
		err := r.gaps(&c.report)
		if got := exitCode(t.Context(), err); got != c.code {
			t.Errorf("%+v: exit code %d, want %d", c.report, got, c.code)
		}
		if c.aspect != 0 && errs.String() != "varve: warning: not restored: "+c.aspect.String()+" of /out/a\n" {
			t.Errorf("printed %q", errs)
		}
		if os.Geteuid() != 0 && c.hint != "" && !strings.Contains(hint(err), c.hint) {
			t.Errorf("hint %q lacks %q", hint(err), c.hint)
		}
	}
}

func TestEveryKindOfErrorHasItsCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, exitGood},
		{errors.New("any"), exitFailed},
		{varve.ErrNoSnapshot, exitFailed},
		{marked{"x", errIncomplete}, exitIncomplete},
		{varve.ErrDamaged, exitDamaged},
		{errVerified, exitDamaged},
		{fmt.Errorf("open: %w", varve.ErrNoStore), exitNoStore},
		{errors.Join(errors.New("any"), varve.ErrBusy), exitBusy},
		{usagef("x"), exitUsage},
		{usage(fmt.Errorf("x: %w", varve.ErrDamaged)), exitUsage},
		{errGuarded, exitFailed},
		{fmt.Errorf("open: %w", vault.ErrLocked), exitWrongKey},
		{&seal.KeyError{Needs: seal.RestoreKey, Generation: 1}, exitWrongKey},
		{treeError{"prune", "/store", "nothing"}, exitFailed},
		{errStopped, exitInterrupted},
	} {
		if got := exitCode(t.Context(), c.err); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.code)
		}
	}
	if usage(nil) != nil {
		t.Error("no error became one of usage")
	}
}
