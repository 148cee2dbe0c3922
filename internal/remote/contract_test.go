package remote

import (
	"context"
	"testing"

	"varve"
	"varve/internal/backend/backendtest"
	"varve/internal/backend/mem"
	"varve/internal/storetest"
	"varve/internal/vault"
)

func TestAFarTreeStoreIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Storage {
		g := newGround(t)
		return opener(func() (varve.Store, error) { return through(g.open, Service{Role: Full}) })
	})
}

func TestAFarVaultIsAStore(t *testing.T) {
	if racing {
		t.Skip("the contract is held with a tree store under the race detector")
	}
	storetest.Run(t, func(t *testing.T) storetest.Storage {
		b := mem.New(mem.Options{})
		key, err := vault.Init(context.Background(), b, vault.InitOptions{})
		must(t, err)
		opts := vault.Options{Cache: t.TempDir(), State: t.TempDir()}
		return opener(func() (varve.Store, error) {
			return through(func() (varve.Store, error) {
				return vault.Open(context.Background(), unclosed{b}, vault.Credentials{Key: &key}, opts)
			}, Service{Role: Full})
		})
	})
}

// unclosed is a backend that outlives the store.
type unclosed struct{ varve.Backend }

func (unclosed) Close() error { return nil }

func TestAFarStorageIsABackend(t *testing.T) {
	opts := backendtest.Options{}
	if racing {
		opts.Big = 2 << 20
	}
	backendtest.Run(t, func(t *testing.T) varve.Backend {
		return connect(t, Service{Role: Full, Backend: mem.New(mem.Options{})}).Client.Backend()
	}, opts)
}

func TestAVaultOnAFarStorageIsAStore(t *testing.T) {
	if racing {
		t.Skip("the contract is held with a tree store under the race detector")
	}
	storetest.Run(t, func(t *testing.T) storetest.Storage {
		b := mem.New(mem.Options{})
		key, err := vault.Init(context.Background(), b, vault.InitOptions{})
		must(t, err)
		opts := vault.Options{Cache: t.TempDir(), State: t.TempDir()}
		return opener(func() (varve.Store, error) {
			l := connect(t, Service{Role: Full, Backend: b})
			return vault.Open(context.Background(), l.Client.Backend(), vault.Credentials{Key: &key}, opts)
		})
	})
}
