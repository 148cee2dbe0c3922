// Package seal is the cryptography of the vault: keys and what they are derived from, sessions, sealed messages, signed containers,
// compression before sealing, and the text forms of keys. It implements sections 3 to 5 of docs/format/vault.md, the compression of
// section 6, and docs/format/vault.md is where the bytes and the reasons stand.
//
// # The road of a message
//
//	root ─┬─ maintenance secret ─┬─ M, opens structure
//	      │                      └─ admin, signs
//	      ├─ R, opens content
//	      └─ client secret ─┬─ client key, signs
//	                        ├─ chunk ID key, chunker key
//	                        └─ local key
//
//	Publics ── NewSession ──> Session: one Envelope for whoever holds R or M, two secrets for who writes now
//	Secret + Scope ── Seal ──> message ── Open ──> plaintext
//	Envelope ── Opener ──> Secret
//
// # Not for
//
// The package reads and writes no storage, decides about no permission, and knows neither chunks nor packs. It hides the libraries
// for age files and zstd: nothing of theirs is in its API. Randomness is that of crypto/rand; tests set it with testing/cryptotest.
package seal
