package location

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/vault"
)

// newVault makes a vault and returns its path, and options that open it.
func newVault(t *testing.T) (spec string, opts Options) {
	t.Helper()
	spec = filepath.Join(t.TempDir(), "a", "vault")
	key, err := InitVault(t.Context(), spec, Options{}, vault.InitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	known := t.TempDir()
	opts.Unlock = func(_ context.Context, path string) (vault.Credentials, vault.Options, error) {
		if path != spec {
			t.Errorf("asked for %s", path)
		}
		return vault.Credentials{Key: &key}, vault.Options{Cache: filepath.Join(known, "cache"), State: filepath.Join(known, "state")}, nil
	}
	return spec, opts
}

func TestTheKindIsReadFromTheStoreItself(t *testing.T) {
	spec, opts := newVault(t)
	place, err := Open(t.Context(), spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer place.Close()
	if place.Vault == nil || place.Store != varve.Store(place.Vault) || place.Path != spec || len(place.Skip) != 1 || place.Skip[0].Ino == 0 {
		t.Errorf("%+v", place)
	}
	skip, err := Skip(t.Context(), spec, Options{})
	if err != nil || len(skip) != 1 || skip[0] != place.Skip[0] {
		t.Errorf("%v, %v; want %v", skip, err, place.Skip)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	if err := Init(t.Context(), tree, Options{}); err != nil {
		t.Fatal(err)
	}
	other, err := Open(t.Context(), tree, Options{Unlock: func(context.Context, string) (vault.Credentials, vault.Options, error) {
		t.Error("asked for a tree")
		return vault.Credentials{}, vault.Options{}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other.Vault != nil || other.Store == nil {
		t.Errorf("%+v", other)
	}
	if n, err := other.CleanUp(t.Context()); n != 0 || err != nil {
		t.Errorf("clean up a tree: %d, %v", n, err)
	}
}

func TestAVaultWantsItsKey(t *testing.T) {
	spec, opts := newVault(t)
	if _, err := Open(t.Context(), spec, Options{}); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("without credentials: %v", err)
	}
	broken := errors.New("test")
	opts.Unlock = func(context.Context, string) (vault.Credentials, vault.Options, error) {
		return vault.Credentials{}, vault.Options{}, broken
	}
	if _, err := Open(t.Context(), spec, opts); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestAFileConfigMakesNoVault(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "another's": "[core]\n\tbare = false\n", "binary": "\x00\x01\xff"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, varve.ErrNoStore) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Skip(t.Context(), dir, Options{}); !errors.Is(err, varve.ErrNoStore) {
			t.Errorf("skip %s: %v", name, err)
		}
		if err := Init(t.Context(), dir, Options{}); !errors.Is(err, disk.ErrNotEmpty) {
			t.Errorf("init %s: %v", name, err)
		}
		if _, err := InitVault(t.Context(), dir, Options{}, vault.InitOptions{}); err == nil {
			t.Errorf("init vault %s: it became one", name)
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "config", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, varve.ErrNoStore) {
		t.Errorf("a directory: %v", err)
	}
}

func TestADamagedConfigIsThatOfAVault(t *testing.T) {
	spec, opts := newVault(t)
	path := filepath.Join(spec, "config")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(text); i += 1 + i/40 { // the first bytes say what it is
		bad := append([]byte(nil), text...)
		bad[i] ^= 0x08
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		place, err := Open(t.Context(), spec, opts)
		if errors.Is(err, varve.ErrNoStore) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if err == nil {
			_ = place.Close() // nothing was written
		}
	}
}

func TestInitOfAVaultTakesNoDirectoryInUse(t *testing.T) {
	spec, _ := newVault(t)
	init := func(path string) error {
		_, err := InitVault(t.Context(), path, Options{}, vault.InitOptions{})
		return err
	}
	if err := init(spec); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a vault: %v", err)
	}
	if err := Init(t.Context(), spec, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a vault, for a tree: %v", err)
	}
	tree := filepath.Join(t.TempDir(), "tree")
	if err := Init(t.Context(), tree, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := init(tree); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a tree: %v", err)
	}
	for _, name := range []string{"file", "index", "snapshots", "tmp-x"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := init(dir); !errors.Is(err, disk.ErrNotEmpty) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnInterruptedInitIsMadeAnew(t *testing.T) {
	spec, _ := newVault(t)
	if err := os.Remove(filepath.Join(spec, "config")); err != nil { // which comes last
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spec, initLock), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(filepath.Join(spec, "keys"))
	if err != nil || len(before) == 0 {
		t.Fatalf("%v, %v", before, err)
	}
	if _, err := InitVault(t.Context(), spec, Options{}, vault.InitOptions{}); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadDir(filepath.Join(spec, "keys"))
	if err != nil || len(after) != len(before) || after[0].Name() == before[0].Name() {
		t.Errorf("keys %v, before %v, %v", after, before, err)
	}
	if _, err := os.Stat(filepath.Join(spec, initLock)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lock: %v", err)
	}
}

func TestWhoIsMakingAVaultIsNotDisturbed(t *testing.T) {
	spec := t.TempDir()
	dir, err := osfs.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	lease, err := dir.Lock(initLock)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	if _, err := InitVault(t.Context(), spec, Options{}, vault.InitOptions{}); !errors.Is(err, varve.ErrBusy) {
		t.Errorf("%v", err)
	}
}

func TestTheCacheIsMarkedAsOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "cache")
	for range 2 {
		tagCache(dir)
		text, err := os.ReadFile(filepath.Join(dir, "CACHEDIR.TAG"))
		if err != nil || string(text) != cacheTag {
			t.Errorf("%q, %v", text, err)
		}
	}
	tagCache("")
	tagCache(filepath.Join(dir, "CACHEDIR.TAG", "x")) // which cannot be, and harms nobody
}
