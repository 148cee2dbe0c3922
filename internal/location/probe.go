package location

import (
	"context"
	"errors"
	"io"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/remote"
	"varve/internal/ssh"
	"varve/internal/tree"
)

// Pipe runs a service on the machine of s, as everything else here does that reaches it. Errors are those of ssh.Dial.
func (r Reach) Pipe(ctx context.Context, s Spec, service ssh.Service) (*ssh.Conn, error) {
	return r.dial(ctx, s, service)
}

// Peer asks the varve on the machine of s, started with these arguments of serve, what it is. varve.ErrNoStore where it says that what the
// arguments name is no store; ssh.ErrCommand where there is no varve; else errors of ssh and of the package remote.
func (r Reach) Peer(ctx context.Context, s Spec, args ...string) (remote.Info, error) {
	client, err := r.client(ctx, s, args...)
	if err != nil {
		return remote.Info{}, err
	}
	return client.Info(), client.Close()
}

// Dir opens a directory of this machine by its path, whose symlinks are followed.
func (o Options) Dir(path string) (disk.FS, error) {
	if o.OpenDir != nil {
		return o.OpenDir(path)
	}
	return osfs.Open(path)
}

// Sight is what can be seen of a store without a key, and without changing anything.
type Sight struct {
	Kind Kind
	// Format is the line that says which version of the format a tree has, as it stands there; empty for a vault.
	Format string
	// Snapshots are those of a tree; nil for a vault.
	Snapshots []varve.Snapshot
}

// Look tells what store lies in dir, which it closes. varve.ErrNoStore where there is none. With an error that matches varve.ErrDamaged
// the Sight holds what can be read.
func (o Options) Look(ctx context.Context, dir disk.FS, far bool) (Sight, error) {
	kind, _, err := look(dir)
	if err != nil || kind == Vault {
		return Sight{Kind: kind}, errors.Join(err, dir.Close())
	}
	see := Sight{Kind: kind, Format: treeFormat(dir)}
	store, err := tree.Open(dir, o.tree(far))
	if err != nil {
		return see, err
	}
	see.Snapshots, err = store.Snapshots(ctx)
	return see, errors.Join(err, store.Close())
}

// maxFormat is how much of the marker of a tree is read, in bytes.
const maxFormat = 256

// treeFormat returns the second line of the marker of the tree in dir; empty where there is none.
func treeFormat(dir disk.FS) string {
	control, err := dir.OpenDir(".varve")
	if err != nil {
		return ""
	}
	defer control.Close()
	r, err := control.Open("format")
	if err != nil {
		return ""
	}
	defer r.Close()
	text, err := io.ReadAll(io.NewSectionReader(r, 0, maxFormat))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
