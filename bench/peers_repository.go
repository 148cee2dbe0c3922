package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// ours is varve; the string is the path of the binary.
type ours struct{ binary string }

func (ours) name() string { return "varve" }

func (o ours) version(ctx context.Context) (string, error) {
	if _, err := os.Stat(o.binary); err != nil {
		return "", fmt.Errorf("%w (make build)", err)
	}
	return firstLine(ctx, o.binary, "version")
}

func (o ours) first(p post) ([]command, error) {
	return []command{{o.binary, "backup", "--init", "-s", p.store, p.source}}, nil
}

func (o ours) again(p post) ([]command, error) {
	return []command{{o.binary, "backup", "-s", p.store, p.source}}, nil
}

func (o ours) restore(p post) ([]command, error) {
	return []command{{o.binary, "restore", "-s", p.store, "latest:" + p.source, "-t", p.restored}}, nil
}

func (o ours) forget(ctx context.Context, p post) ([]command, error) {
	list, err := output(ctx, o.binary, "snapshots", "-s", p.store, "--json")
	if err != nil {
		return nil, err
	}
	id, err := oldest([]byte(list))
	if err != nil {
		return nil, err
	}
	return []command{{o.binary, "forget", "-s", p.store, id}}, nil
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

func (rdiffBackup) first(p post) ([]command, error) {
	return []command{{"rdiff-backup", "backup", p.source, p.store}}, nil
}

func (r rdiffBackup) again(p post) ([]command, error) { return r.first(p) }

func (rdiffBackup) restore(p post) ([]command, error) {
	return []command{{"rdiff-backup", "restore", p.store, p.restored}}, nil
}

// forget keeps the mirror alone: what lies before it is one increment, or none where nothing had changed, which is told as a
// warning by status 2.
func (rdiffBackup) forget(_ context.Context, p post) ([]command, error) {
	return []command{{"sh", "-c", `rdiff-backup --force remove increments --older-than 0B "$1" || [ $? -eq 2 ]`, "sh", p.store}}, nil
}
