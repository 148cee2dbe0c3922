package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ours is varve.
type ours struct {
	binary string
	vault  bool // its store is a vault, opened with its restore key, as where nobody is asked for a passphrase
}

func (o ours) name() string {
	if o.vault {
		return ourVault
	}
	return ourTree
}

func (o ours) version(ctx context.Context) (string, error) {
	if _, err := os.Stat(o.binary); err != nil {
		return "", fmt.Errorf("%w (make build)", err)
	}
	return firstLine(ctx, o.binary, "version")
}

// command returns varve with arguments; what it remembers of a vault goes to the scratch directory.
func (o ours) command(p post, args ...string) command {
	if !o.vault {
		return append(command{o.binary}, args...)
	}
	return append(o.apart(p, args...), "--key", p.sheet())
}

// apart returns varve with arguments, and with directories of its own for what it remembers.
func (o ours) apart(p post, args ...string) command {
	return append(command{"env", "VARVE_CACHE_DIR=" + filepath.Join(p.scratch, "cache"), "VARVE_STATE_DIR=" + filepath.Join(p.scratch, "state"),
		o.binary}, args...)
}

// sheet is where the restore key of a vault is.
func (p post) sheet() string { return filepath.Join(p.scratch, "sheet") }

func (o ours) first(ctx context.Context, p post) ([]command, error) {
	if !o.vault {
		return []command{o.command(p, "backup", "--init", "-s", p.store, p.source)}, nil
	}
	if err := p.prepare(ctx, o.apart(p, "init", p.store, "--kind", "vault", "--recovery", p.sheet(), "--passphrase-file", p.password())); err != nil {
		return nil, err
	}
	return o.again(p)
}

func (o ours) again(p post) ([]command, error) {
	return []command{o.command(p, "backup", "-s", p.store, p.source)}, nil
}

func (o ours) read(_ context.Context, st step, p post) ([]command, error) {
	newest := "latest:" + p.source
	switch st {
	case stepList:
		return []command{o.command(p, "ls", "-s", p.store, "-R", newest)}, nil
	case stepVerify:
		return []command{o.command(p, "verify", "-s", p.store)}, nil
	}
	return []command{o.command(p, "restore", "-s", p.store, newest, "-t", p.restored)}, nil
}

func (o ours) forget(ctx context.Context, p post) ([]command, error) {
	list, err := output(ctx, o.command(p, "snapshots", "-s", p.store, "--json")...)
	if err != nil {
		return nil, err
	}
	id, err := oldest([]byte(list))
	if err != nil {
		return nil, err
	}
	commands := []command{o.command(p, "forget", "-s", p.store, id)}
	if o.vault {
		commands = append(commands, o.command(p, "prune", "-s", p.store, "--now"))
	}
	return commands, nil
}

// oldest returns the ID of the oldest snapshot in the output of varve snapshots --json.
func oldest(list []byte) (string, error) {
	var snapshots []struct {
		ID   string    `json:"id"`
		Time time.Time `json:"time"`
	}
	if err := json.Unmarshal(list, &snapshots); err != nil {
		return "", fmt.Errorf("read the list of snapshots: %w", err)
	}
	if len(snapshots) == 0 {
		return "", errors.New("read the list of snapshots: there are none")
	}
	first := snapshots[0]
	for _, s := range snapshots[1:] {
		if s.Time.Before(first.Time) {
			first = s
		}
	}
	if first.ID == "" {
		return "", errors.New("read the list of snapshots: no id")
	}
	return first.ID, nil
}

// rdiffBackup is rdiff-backup 2.
type rdiffBackup struct{}

func (rdiffBackup) name() string { return "rdiff-backup" }

func (rdiffBackup) version(ctx context.Context) (string, error) {
	return firstLine(ctx, "rdiff-backup", "--version")
}

func (r rdiffBackup) first(_ context.Context, p post) ([]command, error) { return r.again(p) }

func (rdiffBackup) again(p post) ([]command, error) {
	return []command{{"rdiff-backup", "backup", p.source, p.store}}, nil
}

func (rdiffBackup) read(_ context.Context, _ step, p post) ([]command, error) {
	return []command{{"rdiff-backup", "restore", p.store, p.restored}}, nil
}

// forget keeps the mirror alone: what lies before it is one increment, or none where nothing had changed, which is told as a
// warning by status 2.
func (rdiffBackup) forget(_ context.Context, p post) ([]command, error) {
	return []command{{"sh", "-c", `rdiff-backup --force remove increments --older-than 0B "$1" || [ $? -eq 2 ]`, "sh", p.store}}, nil
}
