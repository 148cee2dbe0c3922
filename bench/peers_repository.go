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
	line   line
	both   bool // varve is at both ends of the line; else the far side has an SFTP server and nothing of ours
}

func (o ours) name() string {
	name := ourTree
	if o.vault {
		name = ourVault
	}
	switch {
	case o.line.here():
		return name
	case o.both:
		return name + endSSH
	}
	return name + endSFTP
}

func (o ours) version(ctx context.Context) (string, error) {
	if _, err := os.Stat(o.binary); err != nil {
		return "", fmt.Errorf("%w (make build)", err)
	}
	return firstLine(ctx, o.binary, "version")
}

// command returns varve with arguments; what it remembers of a vault goes to the scratch directory.
func (o ours) command(p post, args ...string) command {
	switch {
	case o.vault:
		return append(o.apart(p, args...), "--key", p.sheet())
	case o.line.here():
		return append(command{o.binary}, args...)
	}
	return o.apart(p, args...)
}

// apart returns varve with arguments, with directories of its own for what it remembers, and with the way to the far side.
func (o ours) apart(p post, args ...string) command {
	all := append(command{"env", "VARVE_CACHE_DIR=" + filepath.Join(p.scratch, "cache"), "VARVE_STATE_DIR=" + filepath.Join(p.scratch, "state"),
		o.binary}, args...)
	if !o.line.here() {
		all = append(all, "--ssh", o.line.ssh())
	}
	if o.both {
		all = append(all, "--remote-varve", o.binary)
	}
	return all
}

// source returns what the source is called, store what the store is.
func (o ours) source(p post) string {
	if p.far != farSource {
		return p.source
	}
	return o.there(p.source)
}

func (o ours) store(p post) string {
	if p.far != farStore {
		return p.store
	}
	return o.there(p.store)
}

func (o ours) there(path string) string {
	if o.both {
		return "ssh://" + farHost + path
	}
	return o.line.at(path)
}

// sheet is where the restore key of a vault is.
func (p post) sheet() string { return filepath.Join(p.scratch, "sheet") }

func (o ours) first(ctx context.Context, p post) ([]command, error) {
	if !o.vault {
		return []command{o.command(p, "backup", "--init", "-s", o.store(p), o.source(p))}, nil
	}
	if err := p.prepare(ctx, o.apart(p, "init", o.store(p), "--kind", "vault", "--recovery", p.sheet(), "--passphrase-file", p.password())); err != nil {
		return nil, err
	}
	return o.again(p)
}

func (o ours) again(p post) ([]command, error) {
	return []command{o.command(p, "backup", "-s", o.store(p), o.source(p))}, nil
}

func (o ours) read(_ context.Context, st step, p post) ([]command, error) {
	newest := "latest:" + p.source
	switch st {
	case stepList:
		return []command{o.command(p, "ls", "-s", o.store(p), "-R", newest)}, nil
	case stepVerify:
		return []command{o.command(p, "verify", "-s", o.store(p))}, nil
	}
	return []command{o.command(p, "restore", "-s", o.store(p), newest, "-t", p.restored)}, nil
}

func (o ours) forget(ctx context.Context, p post) ([]command, error) {
	list, err := output(ctx, o.command(p, "snapshots", "-s", o.store(p), "--json")...)
	if err != nil {
		return nil, err
	}
	id, err := oldest([]byte(list))
	if err != nil {
		return nil, err
	}
	commands := []command{o.command(p, "forget", "-s", o.store(p), id)}
	if o.vault {
		commands = append(commands, o.command(p, "prune", "-s", o.store(p), "--now"))
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
