package main

import (
	"context"
	"errors"
	"strings"

	"varve"
	"varve/internal/config"
	"varve/internal/disk"
	"varve/internal/freeze"
	"varve/internal/hook"
	jobs "varve/internal/job"
	"varve/internal/remote"
	"varve/internal/vault"
)

// jobCode returns the exit code that stands for what a run of a job met. A snapshot that was made and is not good comes before everything
// that went wrong besides. A store that is absent is no accident here: the configuration says where it is, and a later run mends it.
func jobCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitGood
	case errors.Is(err, jobs.ErrSuspect), errors.Is(err, jobs.ErrIncomplete):
		return exitIncomplete
	case errors.Is(err, varve.ErrDamaged) && ctx.Err() == nil: // whatever was absent or busy besides
		return exitDamaged
	}
	code := exitCode(ctx, err)
	if code == exitNoStore {
		code = exitNotRun
		if errors.Is(err, vault.ErrKey) {
			code = exitWrongKey
		}
	}
	return code
}

// jobHint returns what may help somebody who is told of a run, for each thing that went wrong; empty where nothing comes to mind.
func jobHint(err error) string {
	var faults config.Faults
	var hints []string
	for _, h := range [...]struct {
		sentinel error
		text     string
	}{
		{jobs.ErrBarred, "varve config check tells what is wrong in the configuration file; where it is gone for good, varve schedule remove"},
		{jobs.ErrIncomplete, "make what is missing readable, or exclude it"},
		{jobs.ErrGuard, "is it a disk that is not mounted? The guard of the job names what must be there"},
		{jobs.ErrClock, "correct the clock; the next run removes what may go"},
		{jobs.ErrRoom, "make room there, or ask for less: guard.min-free, max-size, keep-free"},
		{remote.ErrQuota, "who looks after that store makes room there, with varve forget, or gives the key a larger --quota"},
		{disk.ErrNoSpace, "make room in the store: varve forget, in a vault together with varve prune; both work on a full disk"},
		{jobs.ErrCommand, "run the command by hand to see what it says; a snapshot is made when it succeeds"},
		{freeze.ErrKind, "the key snapshot of the job says of what kind it is; none reads the files as they are"},
		{hook.ErrTimeout, "the key timeout of the command says how long it may take"},
		{jobs.ErrHook, "run the command by hand to see what it says"},
		{varve.ErrNoStore, "is it a disk that is not mounted? A new store is made by hand: varve init STORE"},
		{varve.ErrBusy, "another run goes on; try again when it has ended"},
		{vault.ErrKey, "the keys passphrase-file, passphrase-command and key-file of the store name what opens it"},
	} {
		if errors.Is(err, h.sentinel) {
			hints = append(hints, h.text)
		}
	}
	if errors.As(err, &faults) || len(hints) > 0 {
		return strings.Join(hints, "; ")
	}
	return hint(err)
}
