package seal

import "crypto/ed25519"

// Client is a client secret and what is derived from it. Who holds it makes snapshots, in one domain.
type Client struct {
	redacted
	secret Secret
	signer *Signer
}

// NewClient returns the Client with this secret.
func NewClient(secret Secret) *Client {
	return &Client{secret: secret, signer: newSigner(secret.derive("signature"))}
}

// RandomClient returns a new put-only client.
func RandomClient() *Client { return NewClient(NewSecret()) }

// Secret returns the client secret.
func (c *Client) Secret() Secret { return c.secret }

// Domain names what the client deduplicates against: its signer ID.
func (c *Client) Domain() SignerID { return c.signer.ID() }

// Signer returns what signs the client's objects.
func (c *Client) Signer() *Signer { return c.signer }

// ChunkIDKey is the key of the keyed BLAKE3 that makes a chunk ID.
func (c *Client) ChunkIDKey() Secret { return c.secret.derive("chunk id") }

// ChunkerKey is the key that decides where chunks end.
func (c *Client) ChunkerKey() Secret { return c.secret.derive("chunker") }

// LocalKey seals what a client remembers on its machine. It never leaves it.
func (c *Client) LocalKey() Secret { return c.secret.derive("local") }

// Signer is an Ed25519 key pair.
type Signer struct {
	redacted
	key ed25519.PrivateKey
	id  SignerID
}

func newSigner(seed Secret) *Signer {
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Signer{key: key, id: SignerIDOf(key.Public().(ed25519.PublicKey))}
}

// ID names the key pair.
func (s *Signer) ID() SignerID { return s.id }

// Public returns the public half, 32 bytes, which Verify takes.
func (s *Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// SignatureLen is the length of a signature in bytes.
const SignatureLen = ed25519.SignatureSize

// Sign signs parts, one after the other, for a purpose that label names, in one vault. Labels are "object" and "pack"; where parts
// end is not signed, so each label has one way of dividing them.
func (s *Signer) Sign(label string, vault VaultID, parts ...[]byte) [SignatureLen]byte {
	return [SignatureLen]byte(ed25519.Sign(s.key, signed(label, vault, parts)))
}

// Verify reports whether sig was made by Sign with the private half of public, for the same label, vault and parts.
func Verify(public ed25519.PublicKey, label string, vault VaultID, sig []byte, parts ...[]byte) bool {
	return verify(public, signed(label, vault, parts), sig)
}

// SignConfig signs the JSON text of a vault's config without its signature. The vault ID is in the text.
func (s *Signer) SignConfig(text []byte) [SignatureLen]byte {
	return [SignatureLen]byte(ed25519.Sign(s.key, append([]byte(prefix+"config"), text...)))
}

// VerifyConfig reports whether sig was made by SignConfig over the same text with the private half of admin.
func VerifyConfig(admin ed25519.PublicKey, text, sig []byte) bool {
	return verify(admin, append([]byte(prefix+"config"), text...), sig)
}

func verify(public ed25519.PublicKey, message, sig []byte) bool {
	return len(public) == ed25519.PublicKeySize && len(sig) == SignatureLen && ed25519.Verify(public, message, sig)
}

// signed returns the message that a signature is over.
func signed(label string, vault VaultID, parts [][]byte) []byte {
	n := len(prefix) + len(label) + len(vault)
	for _, p := range parts {
		n += len(p)
	}
	message := make([]byte, 0, n)
	message = append(message, prefix...)
	message = append(message, label...)
	message = append(message, vault[:]...)
	for _, p := range parts {
		message = append(message, p...)
	}
	return message
}
