package vault

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"varve"
	"varve/internal/seal"
)

// keysName is the file of the state that names the objects under keys/ that are there for ever.
const keysName = "keys.json"

// rememberKeys holds the keyring against what this machine saw of it earlier, and remembers what is new. That a client or a removal is missing
// is among the faults; that a generation of keys is, an error: what is saved would be sealed to keys that were given up. All match
// varve.ErrDamaged.
func (s *Store) rememberKeys() (faults []error, err error) {
	known := map[string]string{}
	data, err := s.local.readState(keysName)
	if err != nil {
		return nil, err
	}
	path := s.local.state + "/" + keysName
	if data != nil && json.Unmarshal(data, &known) != nil {
		return nil, fmt.Errorf("%s: %w: remove it to begin anew", path, varve.ErrDamaged)
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if s.keys.lasting[name] != 0 {
			continue
		}
		fault := fmt.Errorf("%s is missing, which this machine saw earlier: %w", name, ErrWithheld)
		if known[name] == string(seal.KindGeneration) {
			return nil, fault
		}
		faults = append(faults, fault)
	}
	before := len(known)
	for name, kind := range s.keys.lasting {
		known[name] = string(kind)
	}
	if len(known) == before {
		return faults, nil
	}
	if data, err = json.Marshal(known); err != nil {
		return nil, err
	}
	return faults, s.local.writeState(keysName, append(data, '\n'))
}
