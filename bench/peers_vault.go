package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// password is where the password of a vault is, for programs that read it from a file.
func (p post) password() string { return filepath.Join(p.scratch, "password") }

// thePassword protects every vault that is measured here.
const thePassword = "as good as any"

// prepare writes the password, and runs what a program needs before its first backup; it is not measured.
func (p post) prepare(ctx context.Context, commands ...command) error {
	if err := os.WriteFile(p.password(), []byte(thePassword+"\n"), 0o600); err != nil {
		return err
	}
	for _, c := range commands {
		if _, err := output(ctx, c...); err != nil {
			return err
		}
	}
	return nil
}

// restic is restic with what it does by default. It is started in the source, and so keeps paths without what lies above.
type restic struct{ line line }

func (r restic) name() string {
	if r.line.here() {
		return "restic"
	}
	return resticSFTP
}

func (restic) version(ctx context.Context) (string, error) {
	return firstLine(ctx, "restic", "version")
}

func (r restic) command(p post, args ...string) command {
	store := p.store
	if !r.line.here() {
		store = "sftp:" + r.line.at(p.store)
		args = append(args, "-o", "sftp.command="+r.line.ssh()+" "+farHost+" -s sftp")
	}
	return append(command{"env", "-C", p.source, "restic", "-q", "-r", store, "--password-file", p.password(),
		"--cache-dir", filepath.Join(p.scratch, "cache")}, args...)
}

func (r restic) first(ctx context.Context, p post) ([]command, error) {
	if err := p.prepare(ctx, r.command(p, "init")); err != nil {
		return nil, err
	}
	return r.again(p)
}

func (r restic) again(p post) ([]command, error) { return []command{r.command(p, "backup", ".")}, nil }

func (r restic) read(_ context.Context, st step, p post) ([]command, error) {
	switch st {
	case stepList:
		return []command{r.command(p, "ls", "latest")}, nil
	case stepVerify:
		return []command{r.command(p, "check", "--read-data")}, nil
	}
	return []command{r.command(p, "restore", "latest", "--target", p.restored)}, nil
}

func (r restic) forget(_ context.Context, p post) ([]command, error) {
	return []command{r.command(p, "forget", "--keep-last", strconv.Itoa(p.made-1), "--prune")}, nil
}

// borg is borg 1, encrypted, its key in the store.
type borg struct{ label, compression string }

func (b borg) name() string { return b.label }

func (borg) version(ctx context.Context) (string, error) { return firstLine(ctx, "borg", "--version") }

// command returns borg started in a directory.
func (borg) command(p post, dir string, args ...string) command {
	return append(command{"env", "-C", dir, "BORG_PASSPHRASE=" + thePassword, "BORG_BASE_DIR=" + p.scratch, "borg"}, args...)
}

// archive names the n-th backup.
func (borg) archive(p post, n int) string { return p.store + "::" + strconv.Itoa(n) }

func (b borg) first(ctx context.Context, p post) ([]command, error) {
	if err := p.prepare(ctx, b.command(p, p.scratch, "init", "--encryption", "repokey-blake2", p.store)); err != nil {
		return nil, err
	}
	return b.again(p)
}

func (b borg) again(p post) ([]command, error) {
	return []command{b.command(p, p.source, "create", "--compression", b.compression, b.archive(p, p.made), ".")}, nil
}

func (b borg) read(_ context.Context, st step, p post) ([]command, error) {
	newest := b.archive(p, p.made-1)
	switch st {
	case stepList:
		return []command{b.command(p, p.scratch, "list", newest)}, nil
	case stepVerify:
		return []command{b.command(p, p.scratch, "check", "--verify-data", p.store)}, nil
	}
	return []command{b.command(p, p.restored, "extract", newest)}, nil
}

func (b borg) forget(_ context.Context, p post) ([]command, error) {
	return []command{b.command(p, p.scratch, "delete", b.archive(p, 0)), b.command(p, p.scratch, "compact", p.store)}, nil
}

// kopia is kopia with a compression, and else with what it does by default.
type kopia struct{ label, compression string }

func (k kopia) name() string { return k.label }

func (kopia) version(ctx context.Context) (string, error) {
	return firstLine(ctx, "kopia", "--version")
}

func (kopia) command(p post, args ...string) command {
	within := func(name string) string { return filepath.Join(p.scratch, name) }
	return append(command{"env", "KOPIA_PASSWORD=" + thePassword, "KOPIA_CONFIG_PATH=" + within("config"),
		"KOPIA_CACHE_DIRECTORY=" + within("cache"), "KOPIA_LOG_DIR=" + within("log"), "KOPIA_CHECK_FOR_UPDATES=false",
		"kopia", "--no-progress"}, args...)
}

func (k kopia) first(ctx context.Context, p post) ([]command, error) {
	err := p.prepare(ctx,
		command{"mkdir", p.store},
		k.command(p, "repository", "create", "filesystem", "--path", p.store),
		k.command(p, "policy", "set", "--global", "--compression", k.compression))
	if err != nil {
		return nil, err
	}
	return k.again(p)
}

func (k kopia) again(p post) ([]command, error) {
	return []command{k.command(p, "snapshot", "create", p.source)}, nil
}

func (k kopia) read(ctx context.Context, st step, p post) ([]command, error) {
	if st == stepVerify {
		return []command{k.command(p, "snapshot", "verify", "--verify-files-percent=100")}, nil
	}
	all, err := k.snapshots(ctx, p)
	if err != nil {
		return nil, err
	}
	root := all[len(all)-1].Root.Object
	if st == stepList {
		return []command{k.command(p, "ls", "-r", root)}, nil
	}
	return []command{k.command(p, "restore", root, p.restored)}, nil
}

func (k kopia) forget(ctx context.Context, p post) ([]command, error) {
	all, err := k.snapshots(ctx, p)
	if err != nil {
		return nil, err
	}
	return []command{
		k.command(p, "snapshot", "delete", all[0].ID, "--delete"),
		k.command(p, "maintenance", "run", "--full", "--safety=none"),
	}, nil
}

// kopiaSnapshot is what is used of an element of kopia snapshot list --json.
type kopiaSnapshot struct {
	ID    string    `json:"id"`
	Start time.Time `json:"startTime"`
	Root  struct {
		Object string `json:"obj"`
	} `json:"rootEntry"`
}

// snapshots returns the snapshots of the source, the oldest first; there is one at least. By default kopia shows one of several that
// are equal.
func (k kopia) snapshots(ctx context.Context, p post) ([]kopiaSnapshot, error) {
	list, err := output(ctx, k.command(p, "snapshot", "list", p.source, "--show-identical", "--json")...)
	if err != nil {
		return nil, err
	}
	return parseKopia([]byte(list))
}

func parseKopia(list []byte) ([]kopiaSnapshot, error) {
	var all []kopiaSnapshot
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, fmt.Errorf("read the list of snapshots: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("read the list of snapshots: there are none")
	}
	for _, s := range all {
		if s.ID == "" || s.Start.IsZero() || s.Root.Object == "" {
			return nil, errors.New("read the list of snapshots: incomplete")
		}
	}
	slices.SortFunc(all, func(a, b kopiaSnapshot) int { return a.Start.Compare(b.Start) })
	return all, nil
}
