package seal

import (
	"crypto/hpke"
	"sync"
)

// Opener gets the secrets of sessions from their envelopes, with the keys it was given. It may be used by several goroutines.
type Opener struct {
	redacted
	vault VaultID

	mu          sync.Mutex
	restore     map[uint8]hpke.PrivateKey
	maintenance map[uint8]hpke.PrivateKey
	own         map[capsule]Secret // of sessions of this run
	opened      map[capsule]Secret // the rest, bounded
	compressor  Compressor
}

// capsule is one encapsulation.
type capsule struct {
	label      string
	generation uint8
	enc        [EncapsulationLen]byte
}

// openedMax bounds how many secrets an Opener remembers, at about 1.3 KB each. Opening one takes some 100 µs.
const openedMax = 1024

// NewOpener returns an Opener for one vault that has no key yet.
func NewOpener(vault VaultID) *Opener {
	return &Opener{
		vault: vault, restore: map[uint8]hpke.PrivateKey{}, maintenance: map[uint8]hpke.PrivateKey{},
		own: map[capsule]Secret{}, opened: map[capsule]Secret{},
	}
}

// Vault returns the vault that o is for.
func (o *Opener) Vault() VaultID { return o.vault }

// AddRoot gives o the root of a generation, and so both its keys.
func (o *Opener) AddRoot(generation uint8, root *Root) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.restore[generation], o.maintenance[generation] = root.kem, root.maintenance.kem
}

// AddMaintenance gives o the maintenance key of a generation.
func (o *Opener) AddMaintenance(generation uint8, m *Maintenance) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.maintenance[generation] = m.kem
}

// AddSession lets o open what is sealed in s, whose secrets are at hand, without any key.
func (o *Opener) AddSession(s *Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.own[capsule{contentLabel, s.Envelope.Generation, s.Envelope.R}] = s.Content
	o.own[capsule{structureLabel, s.Envelope.Generation, s.Envelope.M}] = s.Structure
}

// Content returns the content secret of e. A *KeyError where no root for it is at hand. With a wrong key the secret is wrong too:
// that shows when something is opened with it.
func (o *Opener) Content(e *Envelope) (Secret, error) {
	return o.open(&capsule{contentLabel, e.Generation, e.R})
}

// Structure returns the structure secret of e. Errors are those of Content.
func (o *Opener) Structure(e *Envelope) (Secret, error) { return o.StructureOf(e.Generation, e.M[:]) }

// StructureOf returns the structure secret of an encapsulation to M, of which nothing but itself is known. Errors are those of
// Content, and varve.ErrDamaged where it has another length than EncapsulationLen.
func (o *Opener) StructureOf(generation uint8, m []byte) (Secret, error) {
	if len(m) != EncapsulationLen {
		return Secret{}, damaged("encapsulation")
	}
	return o.open(&capsule{structureLabel, generation, [EncapsulationLen]byte(m)})
}

func (o *Opener) open(c *capsule) (Secret, error) {
	secret, key, err := o.look(c)
	if err != nil || key == nil {
		return secret, err
	}
	secret, err = decapsulate(c.enc[:], key, o.vault, c.generation, c.label)
	if err == nil {
		o.remember(c, secret)
	}
	return secret, err
}

// look returns the secret where it is known, and otherwise the key that opens c.
func (o *Opener) look(c *capsule) (Secret, hpke.PrivateKey, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, known := range []map[capsule]Secret{o.own, o.opened} {
		if secret, ok := known[*c]; ok {
			return secret, nil, nil
		}
	}
	keys, needs := o.maintenance, MaintenanceKey
	if c.label == contentLabel {
		keys, needs = o.restore, RestoreKey
	}
	if key := keys[c.generation]; key != nil {
		return Secret{}, key, nil
	}
	return Secret{}, nil, &KeyError{Needs: needs, Generation: c.generation}
}

// remember keeps a secret. Where there are too many, any other one goes.
func (o *Opener) remember(c *capsule, secret Secret) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for old := range o.opened {
		if len(o.opened) < openedMax {
			break
		}
		delete(o.opened, old)
	}
	o.opened[*c] = secret
}
