package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"varve"
	"varve/internal/seal"
)

// What config says of the format.
const (
	formatName    = "varve vault"
	formatVersion = 1
)

// configName is the name of the one object that is not named by its content.
const configName = "config"

// config is what a vault says of itself, in the order in which it is signed.
type config struct {
	Format      string       `json:"format"`
	Version     int          `json:"version"`
	ID          seal.VaultID `json:"id"`
	Restore     []byte       `json:"restore"`
	Maintenance []byte       `json:"maintenance"`
	Admin       []byte       `json:"admin"`
	Created     time.Time    `json:"created"`
	Root        []byte       `json:"root,omitempty"` // of an unencrypted vault
	Signature   []byte       `json:"signature,omitempty"`

	sum [32]byte // of its bytes
}

// newConfig returns the signed config of a new vault. With open set, it gives the root secret away.
func newConfig(id seal.VaultID, root *seal.Root, created time.Time, open bool) ([]byte, error) {
	p := root.Publics(1)
	c := config{Format: formatName, Version: formatVersion, ID: id, Restore: p.Restore, Maintenance: p.Maintenance, Admin: p.Admin,
		Created: created.UTC().Truncate(time.Second)}
	if open {
		secret := root.Secret()
		c.Root = secret[:]
	}
	text, err := json.Marshal(&c)
	if err != nil {
		return nil, err
	}
	sig := root.Maintenance().Signer().SignConfig(text)
	c.Signature = sig[:]
	return c.text()
}

// maxConfig is how long config may be, in bytes.
const maxConfig = 1 << 20

// readConfig reads and checks what b says of itself. varve.ErrNoStore where it is no vault; seal.ErrVersion where it is of another version.
func readConfig(ctx context.Context, b varve.Backend) (*config, error) {
	data, err := b.Get(ctx, configName, 0, maxConfig+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, varve.ErrNoStore
	}
	if err != nil {
		return nil, err
	}
	return parseConfig(data)
}

func parseConfig(data []byte) (*config, error) {
	var c config
	head := struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}{}
	if err := json.Unmarshal(data, &head); err != nil || head.Format != formatName || len(data) > maxConfig {
		return nil, fmt.Errorf("config is not that of a vault: %w", varve.ErrDamaged)
	}
	if head.Version != formatVersion {
		return nil, fmt.Errorf("config: version %d: %w", head.Version, seal.ErrVersion)
	}
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return nil, fmt.Errorf("config: %w: %w", varve.ErrDamaged, err)
	}
	if err := c.publics().Check(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if !c.spells(data) {
		return nil, fmt.Errorf("config is not written as a vault writes it: %w", varve.ErrDamaged)
	}
	whole, err := c.text()
	if err != nil || !bytes.Equal(whole, data) { // base64 has bits that mean nothing
		return nil, fmt.Errorf("config is not as it was written: %w", varve.ErrDamaged)
	}
	sig := c.Signature
	c.Signature = nil
	signed, err := json.Marshal(&c)
	if err != nil || !seal.VerifyConfig(c.Admin, signed, sig) {
		return nil, fmt.Errorf("config: signature is wrong: %w", varve.ErrDamaged)
	}
	c.sum = sha256.Sum256(data)
	return &c, nil
}

// text returns c as it is stored.
func (c *config) text() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	return append(text, '\n'), err
}

// spells reports whether data is the one way to write c, white space aside. A parser of JSON reads many others.
func (c *config) spells(data []byte) bool {
	var plain bytes.Buffer
	text, err := json.Marshal(c)
	return err == nil && json.Compact(&plain, data) == nil && bytes.Equal(plain.Bytes(), text)
}

// publics are the public keys of generation 1.
func (c *config) publics() seal.Publics {
	return seal.Publics{Generation: 1, Restore: c.Restore, Maintenance: c.Maintenance, Admin: c.Admin}
}

// open returns the root that an unencrypted vault gives away; nil where it is encrypted.
func (c *config) open() *seal.Root {
	if len(c.Root) != len(seal.Secret{}) {
		return nil
	}
	return seal.OpenRoot(seal.Secret(c.Root))
}
