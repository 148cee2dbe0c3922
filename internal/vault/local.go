package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"varve"
)

// local is what a machine remembers of one vault: in cache what can be had again, in state what cannot.
type local struct {
	cache string // directories; empty where nothing is to be kept
	state string
	own   bool // cache is temporary and goes with the Store
}

// openLocal makes the directories.
func openLocal(cache, state string) (*local, error) {
	l := &local{cache: cache, state: state}
	if cache == "" {
		dir, err := os.MkdirTemp("", "varve-cache-")
		if err != nil {
			return nil, err
		}
		l.cache, l.own = dir, true
	}
	for _, dir := range []string{l.cache, l.state} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("directory for what is known of the vault: %w", err)
		}
	}
	return l, nil
}

func (l *local) Close() error {
	if l.own {
		return os.RemoveAll(l.cache)
	}
	return nil
}

// nothingHeld is the lease where nothing is kept that two runs could meet at.
type nothingHeld struct{}

func (nothingHeld) Close() error { return nil }

// lock takes the lease on a series on this machine, so that two runs do not do the same work; safety does not rest on it. It ends with the
// process. varve.ErrBusy where somebody holds it.
func (l *local) lock(series string) (io.Closer, error) {
	if l.state == "" {
		return nothingHeld{}, nil
	}
	f, err := os.OpenFile(filepath.Join(l.state, "series-"+nameOf(series)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = varve.ErrBusy
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("series %s: %w", series, err), f.Close())
	}
	return f, nil
}

// memory is the directory for what finds chunks: for a put-only client, which can read nothing back, it is no cache.
func (l *local) memory(k *keyring) string {
	if k.admin == nil && l.state != "" {
		return l.state
	}
	return l.cache
}

// exclusive calls do while no other process is within exclusive for the same state.
func (l *local) exclusive(do func() error) error {
	if l.state == "" {
		return do()
	}
	f, err := os.OpenFile(filepath.Join(l.state, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(do(), f.Close())
}

// nameOf returns a file name for a series.
func nameOf(series string) string {
	return hex.EncodeToString([]byte(series))[:min(2*len(series), 200)] + "-" + shortHash(series)
}

// readState returns the content of a file of the state; nil where there is none.
func (l *local) readState(name string) ([]byte, error) {
	if l.state == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(l.state, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// writeState replaces a file of the state, durably.
func (l *local) writeState(name string, data []byte) (err error) {
	if l.state == "" {
		return nil
	}
	f, err := os.CreateTemp(l.state, "tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(l.state, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(l.state)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// shortHash returns 16 hexadecimal digits that stand for s.
func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
