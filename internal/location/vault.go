package location

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"varve"
	"varve/internal/backend/limit"
	"varve/internal/backend/retry"
	"varve/internal/vault"
)

// requests is how many operations of a storage on another machine are under way at once.
const requests = 32

// retried tells of an operation that is made again.
func (o Options) retried(e retry.Event) {
	if o.Reach.Warn != nil {
		o.Reach.Warn(fmt.Errorf("%s %s: %w; trying again", e.Op, e.Name, e.Err))
	}
}

// unlock opens the vault in storage, which it takes over.
func (p *Place) unlock(ctx context.Context, storage varve.Backend, opts Options) error {
	var creds vault.Credentials
	var o vault.Options
	if opts.Unlock != nil {
		var err error
		if creds, o, err = opts.Unlock(ctx, p.Path); err != nil {
			return errors.Join(err, storage.Close())
		}
	}
	if p.Far() {
		o.Requests = requests
		storage = retry.New(limit.New(storage, limit.Options{Operations: requests}), retry.Options{Report: opts.retried})
	}
	tagCache(o.Cache)
	store, err := vault.Open(ctx, storage, creds, o)
	if err != nil {
		return errors.Join(err, storage.Close())
	}
	p.Store, p.Vault = store, store
	return nil
}

// leftoverAge is how old a temporary file must be before it counts as left behind. A writer that is slower has to put one object again.
const leftoverAge = 24 * time.Hour

// CleanUp removes the temporary files that interrupted writers left in a vault, and returns how many. A tree has none of them.
func (p *Place) CleanUp(ctx context.Context) (int, error) {
	if p.files == nil {
		return 0, nil
	}
	return p.files.CleanUp(ctx, leftoverAge)
}

// cacheTag is what tells backup programs, varve among them, to leave a directory out; see https://bford.info/cachedir/.
const cacheTag = `Signature: 8a477f597d28d172789f06886806bc55
# This file says that the directory holds nothing worth saving: a cache made by varve.
`

// tagCache marks the directory of a cache, which is made where it is missing. Where that cannot be, opening the vault will tell, or nobody
// misses it.
func tagCache(dir string) {
	if dir == "" || os.MkdirAll(dir, 0o700) != nil {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, "CACHEDIR.TAG"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, _ = f.WriteString(cacheTag)
	_ = f.Close()
}

// wrapPath names the store in an error; nil stays nil.
func wrapPath(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", strings.TrimSpace(op+" "+path), err)
}
