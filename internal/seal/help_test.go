package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"varve"
)

// The keys that the tests and the files in testdata use.

func testVault() (id VaultID) {
	for i := range id {
		id[i] = byte(i)
	}
	return id
}

func testSecret(first byte) (s Secret) {
	for i := range s {
		s[i] = first + byte(i)
	}
	return s
}

func testRoot() *Root { return OpenRoot(testSecret(0x20)) }

func testClient() *Client { return NewClient(testSecret(0x60)) }

// openerOf returns an Opener that has the root as that of generation 1.
func openerOf(r *Root) *Opener {
	o := NewOpener(testVault())
	o.AddRoot(1, r)
	return o
}

func newSession(t testing.TB, r *Root) *Session {
	t.Helper()
	s, err := NewSession(testVault(), r.Publics(1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signersOf knows these signers and no others.
func signersOf(known ...*Signer) Signers {
	return func(h Header) (ed25519.PublicKey, bool) {
		for _, s := range known {
			if s.ID() == h.Signer {
				return s.Public(), true
			}
		}
		return nil, false
	}
}

// golden returns the bytes in a file of testdata that is written in hexadecimal.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(goldenText(t, name))), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goldenText(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func wantDamaged(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("%s: %v, want damaged", what, err)
	}
}

func wantBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes %.64x, want %d bytes %.64x", what, len(got), got, len(want), want)
	}
}

// noise returns n bytes that do not compress, always the same.
func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// prose returns n bytes that compress well.
func prose(n int) []byte {
	words := strings.Fields("the lake lays down a layer of sediment in every year and whoever reads them reads the years")
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = append(append(b, words[r.IntN(len(words))]...), ' ')
	}
	return b[:n]
}
