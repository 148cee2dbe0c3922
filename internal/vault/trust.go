package vault

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"varve"
	"varve/internal/seal"
)

// ErrExposed says that a secret was given for a vault that keeps its own in the open: it may not be the one that was meant.
var ErrExposed = errors.New("a secret was given, and the vault keeps its root secret in the open: this is not the vault that the secret is for")

// pin is what a machine remembers of the vault at a place: a storage could put another one there, to whose keys everything would be sealed.
type pin struct {
	Vault  seal.VaultID `json:"vault"`
	Config string       `json:"config"` // the SHA-256 of the bytes of its config
}

// pinsName is the file in the state directory of all vaults that has the pins, by place.
const pinsName = "places.json"

// checkPlace holds the vault at a place against the one that this machine saw there before, and remembers a new one.
func checkPlace(state, place string, c *config) error {
	if state == "" || place == "" {
		return nil
	}
	now := pin{Vault: c.ID, Config: hex.EncodeToString(c.sum[:])}
	return changePins(state, func(pins map[string]pin) error {
		if known, ok := pins[place]; ok && known != now {
			return fmt.Errorf("its config is not the one that this machine saw here earlier, that of vault %s: %w: if it was made anew, remove %s from %s",
				known.Vault, varve.ErrDamaged, place, filepath.Join(state, pinsName))
		}
		pins[place] = now
		return nil
	})
}

// changePins lets change look at the pins, and writes what it changed.
func changePins(state string, change func(map[string]pin) error) (err error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	l := &local{state: state}
	return l.exclusive(func() error {
		pins := map[string]pin{}
		data, err := l.readState(pinsName)
		if err != nil {
			return err
		}
		if data != nil {
			if err := json.Unmarshal(data, &pins); err != nil {
				return fmt.Errorf("%s: %w: %w", filepath.Join(state, pinsName), varve.ErrDamaged, err)
			}
		}
		if err := change(pins); err != nil {
			return err
		}
		after, err := json.MarshalIndent(pins, "", "  ")
		if err != nil || string(after)+"\n" == string(data) {
			return err
		}
		return l.writeState(pinsName, append(after, '\n'))
	})
}
