package vault

import (
	"context"
	"testing"

	"varve"
	"varve/internal/backend/mem"
	"varve/internal/seal"
	"varve/internal/storetest"
)

// ground is a vault in memory, and what one machine knows of it.
type ground struct {
	backend varve.Backend
	key     seal.KeyFile
	opts    Options
}

// newGround makes a vault.
func newGround(t *testing.T) *ground {
	t.Helper()
	p := &ground{backend: mem.New(mem.Options{}), opts: Options{Cache: t.TempDir(), State: t.TempDir()}}
	key, err := Init(context.Background(), p.backend, InitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.key = key
	return p
}

// Open opens the vault with its restore key.
func (p *ground) Open() (varve.Store, error) { return p.open(p.key) }

func (p *ground) open(key seal.KeyFile) (*Store, error) {
	return Open(context.Background(), unclosed{p.backend}, Credentials{Key: &key}, p.opts)
}

// unclosed is a backend that outlives the Store.
type unclosed struct{ varve.Backend }

func (unclosed) Close() error { return nil }

func TestContractOfAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Storage { return newGround(t) })
}
