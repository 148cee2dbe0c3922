package sftpfs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
)

// Disk is a directory on a server, with the sessions through which it is reached. Close it when nothing that came from it is in use
// any more.
type Disk struct {
	opts        Options
	pool        *pool
	path        string
	offers      map[sftp.Extension]bool
	tellsOwners bool
	memory      *memory
	owners      owners
	facts       facts
	made        made
	leases      leases
	ledger      *ledger
	writers     writers
	budget      budget
	skew        atomic.Pointer[time.Duration] // how far the server's clock is ahead
}

// Open connects to the server and opens the directory at path, which the server resolves, symlinks included; an empty one is the
// directory that the login leads to. Once ctx is done, a session that is lost is not replaced any more. fs.ErrNotExist and
// disk.ErrKind say that there is no such directory. An error of Options.Dial at this first time is returned at once, within disk.ErrLost;
// only a session that is lost while it is opened is tried again, twice, unless ssh says that it will never be.
func Open(ctx context.Context, path string, o Options) (*Disk, error) {
	d := &Disk{opts: o.filled(), ledger: newLedger()}
	d.pool = newPool(ctx, d.opts)
	d.memory = newMemory(d.opts.Now)
	d.budget.free.Store(maxAheadBytes)
	if err := d.find(path); err != nil {
		d.pool.close()
		return nil, err
	}
	return d, nil
}

// find settles where path lies and what the server offers.
func (d *Disk) find(path string) error {
	real, a, err := d.resolve(path)
	d.path, d.tellsOwners = real, a.Has(sftp.Owner)
	return err
}

// resolve returns where the directory at path lies, as the server resolves it, and what it is.
func (d *Disk) resolve(path string) (real string, a sftp.Attrs, err error) {
	const op = "open directory"
	if path == "" {
		path = "."
	}
	real, err = ask(d, func(t turn) (string, error) {
		if d.offers == nil {
			d.offers = offered(t.m.Session)
		}
		return send(t, sftp.Realpath(path)).Wait(t.ctx)
	})
	switch {
	case errors.Is(err, disk.ErrLost): // it says nothing about path
		return "", a, err
	case err != nil:
		return "", a, wrap(op, path, err)
	}
	if !strings.HasPrefix(real, "/") || strings.IndexByte(real, 0) >= 0 {
		return "", a, wrap(op, path, fmt.Errorf("the server says that it lies at %q", real))
	}
	a, err = one(d, sftp.Stat(real))
	switch {
	case err != nil:
		return "", a, wrap(op, path, err)
	case a.Kind() != varve.Dir:
		return "", a, wrap(op, path, disk.ErrKind)
	}
	return strings.TrimRight(real, "/"), a, nil
}

// Dir opens another directory on the same server, through the same sessions. Path and errors are as for Open.
func (d *Disk) Dir(path string) (disk.FS, error) {
	real, _, err := d.resolve(path)
	if err != nil {
		return nil, err
	}
	return &dir{disk: d, path: real}, nil
}

// Root returns the directory that was opened. It may be called several times; the results are closed independently.
func (d *Disk) Root() disk.FS { return &dir{disk: d, path: d.path} }

// Top returns the topmost directory that the server shows, through the same sessions.
func (d *Disk) Top() disk.FS { return &dir{disk: d} }

// Path is where the directory lies on the server, absolute.
func (d *Disk) Path() string { return onWire(d.path) }

// onWire returns the path of a directory as it is sent.
func onWire(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// Close ends the leases and the sessions. What is asked later fails with fs.ErrClosed.
func (d *Disk) Close() error {
	err := d.leases.end()
	d.pool.close()
	return err
}

// Clock returns how far the server's clock is ahead of ours, to about a second; known once a file was written.
func (d *Disk) Clock() (ahead time.Duration, known bool) {
	if s := d.skew.Load(); s != nil {
		return *s, true
	}
	return 0, false
}

// noteClock takes the time of a file that was made just now.
func (d *Disk) noteClock(a sftp.Attrs) {
	if a.Has(sftp.Times) {
		ahead := time.Unix(int64(a.MTime), 0).Sub(d.opts.Now()).Round(time.Second)
		d.skew.Store(&ahead)
	}
}

// owners remembers the names of users and groups.
type owners struct {
	mu     sync.Mutex
	users  map[uint32]string
	groups map[uint32]string
}

// Owners returns the names of a user and a group on the server; empty where it does not tell.
func (d *Disk) Owners(uid, gid uint32) (user, group string) {
	if !d.offers[sftp.ExtUsersGroups] {
		return "", ""
	}
	o := &d.owners
	o.mu.Lock()
	defer o.mu.Unlock()
	user, haveUser := o.users[uid]
	group, haveGroup := o.groups[gid]
	if haveUser && haveGroup {
		return user, group
	}
	names, err := one(d, sftp.UsersGroups([]uint32{uid}, []uint32{gid}))
	if err != nil {
		return user, group
	}
	if o.users == nil || len(o.users)+len(o.groups) > maxOwners {
		o.users, o.groups = map[uint32]string{}, map[uint32]string{}
	}
	o.users[uid], o.groups[gid] = names.Users[0], names.Groups[0]
	return names.Users[0], names.Groups[0]
}

// maxOwners bounds the memory for names of users and groups.
const maxOwners = 1 << 16
