package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// post is where one program works in one round.
type post struct {
	source   string // the data set
	store    string // for the backups; does not exist before the first
	scratch  string // for what the program needs besides; exists
	restored string // where a restore lands; exists, empty
	made     int    // backups made so far
	far      end    // which of source and store is on the far side; their paths are the same there
}

// peer is a program that is measured. Its methods say which commands a step takes, one after the other, and run none that counts.
type peer interface {
	name() string
	// version is one line; an error where the program is not installed.
	version(ctx context.Context) (string, error)
	// first makes the first backup, in a store that is made before the clock starts where the program asks for one.
	first(ctx context.Context, p post) ([]command, error)
	// again makes the next backup.
	again(p post) ([]command, error)
	// read does something with the newest backup: stepList prints the names of all that is in it, stepRestore puts its content into
	// p.restored, stepVerify checks every byte of it. It is asked for what the program has.
	read(ctx context.Context, st step, p post) ([]command, error)
	// forget removes the oldest backup, and gives back the space.
	forget(ctx context.Context, p post) ([]command, error)
}

// The names of our own: as a tree, and as a vault.
const (
	ourTree  = "varve"
	ourVault = "varve-vault"
)

// treeNames returns the programs that keep plain files, vaultNames those that keep sealed objects. Each is compared with ours of its kind.
func treeNames() []string { return []string{ourTree, "rsync", "cp-al", "rsnapshot", "rdiff-backup"} }

func vaultNames() []string {
	return []string{ourVault, "restic", "borg", "borg-zstd", "kopia", "kopia-zstd"}
}

func peerNames() []string { return append(treeNames(), vaultNames()...) }

// isOurs reports whether a program is varve.
func isOurs(name string) bool {
	return name == ourTree || name == ourVault || slices.Contains(farOurs(), name)
}

// isVault reports whether a program keeps sealed objects.
func isVault(name string) bool {
	return slices.Contains(vaultNames(), name) || name == vaultSFTP || name == vaultSSH || name == resticSFTP
}

// oursBeside returns which of our own a program is compared with; those of our own with themselves.
func oursBeside(name string) []string {
	switch {
	case isOurs(name):
		return []string{name}
	case slices.Contains(treeNames(), name):
		return []string{ourTree}
	case slices.Contains(farNames(), name):
		return farOursBeside(name)
	}
	return []string{ourVault}
}

// has reports whether a program has a step: plain copies cannot be listed or checked but by the tools for any file.
func has(name string, st step) bool {
	return st != stepList && st != stepVerify || isOurs(name) || isVault(name)
}

// newPeer returns the program of that name; varve is the path of our own.
func newPeer(name, varve string) peer {
	switch name {
	case ourTree, ourVault:
		return ours{binary: varve, vault: name == ourVault}
	case "restic":
		return restic{}
	case "borg":
		return borg{"borg", "lz4"}
	case "borg-zstd":
		return borg{"borg-zstd", "zstd,3"}
	case "kopia":
		return kopia{"kopia", "none"}
	case "kopia-zstd":
		return kopia{"kopia-zstd", "zstd-fastest"}
	case "rsync":
		return linkDest{}
	case "cp-al":
		return copyLinks{}
	case "rsnapshot":
		return rsnapshot{}
	}
	return rdiffBackup{}
}

// contents names a directory so that rsync takes what is in it.
func contents(dir string) string { return dir + "/" }

// numbered is where the n-th backup is, for the programs that know nothing of numbers themselves.
func (p post) numbered(n int) string { return filepath.Join(p.store, strconv.Itoa(n)) }

// firstLine runs a command and returns the first line it prints.
func firstLine(ctx context.Context, argv ...string) (string, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return "", err
	}
	out, err := output(ctx, argv...)
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return line, err
}

// linkDest is rsync with --link-dest.
type linkDest struct {
	line  line
	fsync bool // each file is made durable, as ours are in a store
}

func (l linkDest) name() string {
	switch {
	case l.line.here():
		return "rsync"
	case l.fsync:
		return rsyncFsync
	}
	return rsyncSSH
}

func (linkDest) version(ctx context.Context) (string, error) {
	return firstLine(ctx, "rsync", "--version")
}

func (l linkDest) first(_ context.Context, p post) ([]command, error) {
	if err := os.Mkdir(p.store, 0o755); err != nil {
		return nil, err
	}
	return []command{l.command(p)}, nil
}

func (l linkDest) again(p post) ([]command, error) {
	return []command{l.command(p, "--delete", "--link-dest="+p.numbered(p.made-1))}, nil
}

// command returns rsync making the next copy.
func (l linkDest) command(p post, args ...string) command {
	from, to := contents(p.source), contents(p.numbered(p.made))
	if !l.line.here() {
		args = append(args, "-e", l.line.ssh())
	}
	if l.fsync {
		args = append(args, "--fsync")
	}
	switch p.far {
	case farSource:
		from = l.line.at(from)
	case farStore:
		to = l.line.at(to)
	}
	return append(append(command{"rsync", "-aHAX", "--numeric-ids"}, args...), from, to)
}

func (linkDest) read(_ context.Context, _ step, p post) ([]command, error) {
	return []command{{"rsync", "-aHAX", "--numeric-ids", contents(p.numbered(p.made - 1)), contents(p.restored)}}, nil
}

func (linkDest) forget(_ context.Context, p post) ([]command, error) {
	return []command{{"rm", "-rf", p.numbered(0)}}, nil
}

// copyLinks is cp -al, and rsync over the copy. What it does not say itself, linkDest does.
type copyLinks struct{ linkDest }

func (copyLinks) name() string { return "cp-al" }

func (copyLinks) version(ctx context.Context) (string, error) {
	line, err := firstLine(ctx, "cp", "--version")
	if err != nil {
		return "", err
	}
	_, err = firstLine(ctx, "rsync", "--version")
	return line + ", with rsync", err
}

func (copyLinks) again(p post) ([]command, error) {
	next := p.numbered(p.made)
	return []command{
		{"cp", "-al", p.numbered(p.made - 1), next},
		{"rsync", "-aHAX", "--numeric-ids", "--delete", contents(p.source), contents(next)},
	}, nil
}

// rsnapshot is set to copy links with cp and to keep every metadata that the others keep.
type rsnapshot struct{}

func (rsnapshot) name() string { return "rsnapshot" }

func (rsnapshot) version(ctx context.Context) (string, error) {
	return firstLine(ctx, "rsnapshot", "version")
}

func (r rsnapshot) first(_ context.Context, p post) ([]command, error) {
	lines := [][2]string{
		{"config_version", "1.2"}, {"snapshot_root", contents(p.store)}, {"lockfile", filepath.Join(p.scratch, "pid")},
		{"verbose", "1"}, {"retain", "alpha\t100"}, {"rsync_short_args", "-aHAX"}, {"rsync_long_args", "--delete\t--numeric-ids"},
		{"backup", contents(p.source) + "\tdata/"},
	}
	for _, program := range []string{"cp", "rm", "rsync"} {
		path, err := exec.LookPath(program)
		if err != nil {
			return nil, err
		}
		lines = append(lines, [2]string{"cmd_" + program, path})
	}
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "%s\t%s\n", line[0], line[1])
	}
	if err := os.WriteFile(r.config(p), []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	return r.again(p)
}

func (rsnapshot) config(p post) string { return filepath.Join(p.scratch, "rsnapshot.conf") }

func (r rsnapshot) again(p post) ([]command, error) {
	return []command{{"rsnapshot", "-c", r.config(p), "alpha"}}, nil
}

func (rsnapshot) read(_ context.Context, _ step, p post) ([]command, error) {
	newest := filepath.Join(p.store, "alpha.0", "data")
	return []command{{"rsync", "-aHAX", "--numeric-ids", contents(newest), contents(p.restored)}}, nil
}

func (rsnapshot) forget(_ context.Context, p post) ([]command, error) {
	return []command{{"rm", "-rf", filepath.Join(p.store, fmt.Sprintf("alpha.%d", p.made-1))}}, nil
}
