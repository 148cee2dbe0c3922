package vault

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/digest"
	"varve/internal/seal"
)

// keyring is who is known to a vault, and what the program at hand may do.
type keyring struct {
	vault   seal.VaultID
	publics []seal.Publics // of all generations, the first one first
	opener  *seal.Opener
	own     *seal.Client // who makes snapshots; nil with a maintenance key
	admin   *seal.Signer // who may forget and prune; nil with a put-only key
	root    *seal.Root   // of the newest generation; nil without a restore key
	// maintenance is that of the newest generation; nil with any other key than a maintenance key.
	maintenance *seal.Maintenance
	clients     map[seal.SignerID]*client
	removed     map[seal.SignerID]*removal
	wraps       []wrap
	lasting     map[string]seal.Kind // the objects that it was read from and that are there for ever
}

// client is somebody who makes snapshots.
type client struct {
	clientRecord
	object string        // its name in the vault
	ids    *digest.IDKey // nil where it cannot be opened
}

// clientRecord is the body of an object of kind k.
type clientRecord struct {
	Name    string            `json:"name"`
	Kind    string            `json:"kind"`
	Public  ed25519.PublicKey `json:"public"`
	Secret  sealedSecret      `json:"secret"`
	Created time.Time         `json:"created"`
}

// The kinds of clients.
const (
	kindFull    = "full"
	kindPutOnly = "put-only"
)

// sealedSecret is a secret that M opens.
type sealedSecret struct {
	Generation uint8  `json:"generation"`
	Enc        []byte `json:"enc"`
	Sealed     []byte `json:"sealed"`
}

// removal is the body of an object of kind r: of a client that was removed, only these records stay valid.
type removal struct {
	Client seal.SignerID `json:"client"`
	Snaps  []string      `json:"snaps"`
}

// wrap is an object of kind w: a secret that a passphrase or an identity opens.
type wrap struct {
	wrapRecord
	object string
}

type wrapRecord struct {
	Name       string    `json:"name"`
	Holds      string    `json:"holds"`
	Generation uint8     `json:"generation"`
	Created    time.Time `json:"created"`
	Age        []byte    `json:"age"`
}

// generationRecord is the body of an object of kind g.
type generationRecord struct {
	Generation        uint8  `json:"generation"`
	Restore           []byte `json:"restore"`
	Maintenance       []byte `json:"maintenance"`
	Admin             []byte `json:"admin"`
	Root              []byte `json:"root"`
	MaintenanceSecret []byte `json:"maintenanceSecret"`
}

// newKeyring returns what is known from first, the public keys of generation 1, alone.
func newKeyring(vault seal.VaultID, first seal.Publics) *keyring {
	return &keyring{vault: vault, publics: []seal.Publics{first}, opener: seal.NewOpener(vault),
		clients: map[seal.SignerID]*client{}, removed: map[seal.SignerID]*removal{}, lasting: map[string]seal.Kind{}}
}

// newest returns the public keys that everything new is sealed to.
func (k *keyring) newest() seal.Publics { return k.publics[len(k.publics)-1] }

// keyObject is one object under keys/ as it was stored.
type keyObject struct {
	name string
	kind seal.Kind
	data []byte
}

// load reads all objects under keys/ into k, several at once. What is damaged is told to report and left out; it takes nothing with it but what it held.
func (k *keyring) load(ctx context.Context, b varve.Backend, requests int, report func(name string, err error)) ([]generationRecord, error) {
	objects, err := keyObjects(ctx, b, requests, report)
	if err != nil {
		return nil, err
	}
	generations := k.follow(objects)
	for _, o := range objects {
		if o.kind == seal.KindGeneration {
			continue
		}
		err := k.enter(o)
		if o.kind == seal.KindWrapped && errors.Is(err, seal.ErrSigner) {
			continue // left by a rotation that broke off: of a generation that never began
		}
		if err != nil {
			report(o.name, err)
		}
	}
	return generations, nil
}

// keyObjects reads all objects under keys/.
func keyObjects(ctx context.Context, b varve.Backend, requests int, report func(name string, err error)) ([]keyObject, error) {
	var listed []varve.Object
	for o, err := range b.List(ctx, backend.Keys.Prefix()) {
		if err != nil {
			return nil, err
		}
		listed = append(listed, o)
	}
	objects, faults := make([]keyObject, len(listed)), make([]error, len(listed))
	err := together(ctx, requests, len(listed), func(i int) error {
		o := &objects[i]
		o.name = listed[i].Name
		data, err := backend.Load(ctx, b, o.name)
		if err == nil {
			var h seal.Header
			h, err = seal.ParseHeader(data)
			o.kind, o.data = h.Kind, data
		}
		if isDamage(err) || errors.Is(err, seal.ErrVersion) {
			faults[i] = err
			return nil
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", o.name, err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	whole := objects[:0]
	for i, fault := range faults {
		if fault != nil {
			report(objects[i].name, fault)
			continue
		}
		whole = append(whole, objects[i])
	}
	return whole, nil
}

// follow goes from generation to generation, each signed by the admin of the one before.
func (k *keyring) follow(objects []keyObject) (all []generationRecord) {
	for {
		next := uint8(len(k.publics) + 1)
		found := false
		for _, o := range objects {
			if o.kind != seal.KindGeneration {
				continue
			}
			var g generationRecord
			if k.body(o, k.newest().Admin, &g) != nil || g.Generation != next {
				continue
			}
			p := seal.Publics{Generation: next, Restore: g.Restore, Maintenance: g.Maintenance, Admin: g.Admin}
			if p.Check() != nil {
				continue
			}
			k.publics, all, found = append(k.publics, p), append(all, g), true
			k.lasting[o.name] = o.kind
			break
		}
		if !found {
			return all
		}
	}
}

// body verifies a plain object signed with public and reads its body.
func (k *keyring) body(o keyObject, public ed25519.PublicKey, into any) error {
	_, body, err := seal.VerifyObject(k.vault, o.data, func(h seal.Header) (ed25519.PublicKey, bool) {
		return public, h.Signer == seal.SignerIDOf(public)
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %w", varve.ErrDamaged, err)
	}
	return nil
}

// enter takes in one object that an admin signed.
func (k *keyring) enter(o keyObject) error {
	public, err := k.adminOf(o)
	if err != nil {
		return err
	}
	switch o.kind {
	case seal.KindClient:
		c := &client{object: o.name}
		if err := k.body(o, public, &c.clientRecord); err != nil {
			return err
		}
		if len(c.Public) != ed25519.PublicKeySize {
			return fmt.Errorf("key of client %q: %w", c.Name, varve.ErrDamaged)
		}
		k.clients[seal.SignerIDOf(c.Public)] = c
		k.lasting[o.name] = o.kind
	case seal.KindRemoved:
		r := &removal{}
		if err := k.body(o, public, r); err != nil {
			return err
		}
		if twice := k.removed[r.Client]; twice != nil { // by two admins at the same time: nothing of what either left is lost
			r.Snaps = append(r.Snaps, twice.Snaps...)
		}
		k.removed[r.Client] = r
		k.lasting[o.name] = o.kind
	case seal.KindWrapped:
		w := wrap{object: o.name}
		if err := k.body(o, public, &w.wrapRecord); err != nil {
			return err
		}
		k.wraps = append(k.wraps, w)
	default:
		return fmt.Errorf("an object of kind %v among keys: %w", o.kind, varve.ErrDamaged)
	}
	return nil
}

// adminOf returns the public key of the admin who signed o.
func (k *keyring) adminOf(o keyObject) (ed25519.PublicKey, error) {
	h, err := seal.ParseHeader(o.data)
	if err != nil {
		return nil, err
	}
	if p := k.adminKey(h.Signer); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("signed by %v: %w", h.Signer, seal.ErrSigner)
}

// adminKey returns the public key of the admin with this ID; nil where there is none.
func (k *keyring) adminKey(id seal.SignerID) ed25519.PublicKey {
	for _, p := range k.publics {
		if seal.SignerIDOf(p.Admin) == id {
			return p.Admin
		}
	}
	return nil
}

// openClients gets the chunk ID keys of all clients that the keys at hand open.
func (k *keyring) openClients() error {
	for id, c := range k.clients {
		secret, err := k.openSecret(id, c)
		if errors.Is(err, ErrKey) {
			continue
		}
		if err != nil {
			return fmt.Errorf("client %q: %w", c.Name, err)
		}
		c.ids = digest.NewIDKey(secret)
	}
	if k.own != nil {
		id := k.own.Domain()
		if k.clients[id] == nil && k.root != nil { // all of it follows from the root secret
			k.clients[id] = &client{clientRecord: clientRecord{Name: kindFull, Kind: kindFull, Public: k.own.Signer().Public()}}
		}
		if k.clients[id] == nil {
			return fmt.Errorf("the vault does not know this key: %w", ErrKey)
		}
		k.clients[id].ids = digest.NewIDKey(k.own.ChunkIDKey())
	}
	return nil
}

func (k *keyring) openSecret(id seal.SignerID, c *client) (secret seal.Secret, err error) {
	structure, err := k.opener.StructureOf(c.Secret.Generation, c.Secret.Enc)
	if err != nil {
		return secret, err
	}
	plain, err := seal.Open(nil, structure, seal.Scope{Vault: k.vault, Kind: seal.KindClient, Context: id[:]}, c.Secret.Sealed)
	if err == nil && len(plain) != len(secret) {
		err = varve.ErrDamaged
	}
	if err != nil {
		return secret, err
	}
	return seal.Secret(plain), nil
}
