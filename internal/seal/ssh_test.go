package seal

import (
	"crypto"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestSSHKeysWrapAndUnwrap(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := wrapForSSH(t, key)
	open, errOpen := ssh.MarshalPrivateKey(key, "")
	locked, errLocked := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("correct horse"))
	if err := errors.Join(errOpen, errLocked); err != nil {
		t.Fatal(err)
	}
	asked := 0
	prompt := Prompt{Ask: func(question string, secret bool) (string, error) {
		asked++
		if !secret || !strings.Contains(question, "ssh key") {
			t.Errorf("asked %q", question)
		}
		return "correct horse", nil
	}}
	for _, block := range []*pem.Block{open, locked} {
		identities, err := ParseIdentities(pem.EncodeToMemory(block), prompt)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Unwrap(wrapped, identities...); err != nil || got != testSecret(1) {
			t.Error(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func wrapForSSH(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := ParseRecipients(string(ssh.MarshalAuthorizedKey(public)), Prompt{})
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := Wrap(testSecret(1), recipients...)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func TestSSHKeyThatCannotBeOpenedIsAnError(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := wrapForSSH(t, key)
	locked, errLocked := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("correct horse"))
	other, errOther := ssh.MarshalPrivateKey(stranger, "")
	if err := errors.Join(errLocked, errOther); err != nil {
		t.Fatal(err)
	}
	wrong := func(string, bool) (string, error) { return "correct house", nil }
	for what, c := range map[string]struct {
		block *pem.Block
		ask   func(string, bool) (string, error)
		key   bool
	}{
		"nobody to ask":    {locked, nil, false},
		"wrong passphrase": {locked, wrong, false},
		"another key":      {other, nil, true},
	} {
		identities, err := ParseIdentities(pem.EncodeToMemory(c.block), Prompt{Ask: c.ask})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Unwrap(wrapped, identities...); err == nil || errors.Is(err, ErrKey) != c.key {
			t.Errorf("%s: %v", what, err)
		}
	}
}
