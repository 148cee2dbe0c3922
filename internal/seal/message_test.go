package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"varve"
)

func TestMessagesAreSealedInTheSameWayForEver(t *testing.T) {
	const want = "0102030000000000000000000000000042b4d1655ca707efe10b8b584af2db2faee55a7f79d1393456f2de20065e7cd45f74936001eab14040cd68f8c7743c33998796700b"
	scope := Scope{testVault(), KindContent, []byte("context")}
	got := sealWith([]byte("before"), [16]byte{1, 2, 3}, testSecret(0x80), scope, []byte("hello"))
	if hex.EncodeToString(got) != hex.EncodeToString([]byte("before"))+want {
		t.Errorf("sealed: %x, want %s", got, want)
	}
	plain, err := Open([]byte("before"), testSecret(0x80), scope, got[len("before"):])
	if err != nil || string(plain) != "beforehello" {
		t.Errorf("opened: %q, %v", plain, err)
	}
}

func TestMessageOpensInItsOwnScopeOnly(t *testing.T) {
	secret, scope := testSecret(0x80), Scope{testVault(), KindContent, []byte("context")}
	sealed := Seal(nil, secret, scope, []byte("hello"))
	vault := testVault()
	vault[15] ^= 1
	for what, open := range map[string]func() ([]byte, error){
		"another secret": func() ([]byte, error) { return Open(nil, testSecret(0x81), scope, sealed) },
		"another kind": func() ([]byte, error) {
			return Open(nil, secret, Scope{testVault(), KindStructure, scope.Context}, sealed)
		},
		"another vault": func() ([]byte, error) { return Open(nil, secret, Scope{vault, KindContent, scope.Context}, sealed) },
		"another context": func() ([]byte, error) {
			return Open(nil, secret, Scope{testVault(), KindContent, []byte("contexT")}, sealed)
		},
		"no context": func() ([]byte, error) { return Open(nil, secret, Scope{testVault(), KindContent, nil}, sealed) },
	} {
		plain, err := open()
		wantDamaged(t, what, err)
		if plain != nil {
			t.Errorf("%s: plaintext nevertheless", what)
		}
	}
}

func TestEveryFlippedBitAndEveryTruncationOfAMessageIsFound(t *testing.T) {
	secret, scope := testSecret(0x80), Scope{Vault: testVault(), Kind: KindTable}
	sealed := Seal(nil, secret, scope, []byte("hello"))
	for bit := range 8 * len(sealed) {
		changed := bytes.Clone(sealed)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := Open(nil, secret, scope, changed); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	for n := range len(sealed) {
		if _, err := Open(nil, secret, scope, sealed[:n]); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("first %d bytes: %v", n, err)
		}
	}
	_, err := Open(nil, secret, scope, append(bytes.Clone(sealed), 0))
	wantDamaged(t, "a byte more", err)
}

func TestEqualPlaintextsAreSealedDifferently(t *testing.T) {
	secret, scope := testSecret(0x80), Scope{Vault: testVault(), Kind: KindTable}
	a, b := Seal(nil, secret, scope, []byte("hello")), Seal(nil, secret, scope, []byte("hello"))
	if bytes.Equal(a[:16], b[:16]) || bytes.Equal(a[16:48], b[16:48]) || bytes.Equal(a[48:], b[48:]) {
		t.Error("salt, commitment or ciphertext repeats")
	}
	if len(a) != len("hello")+Overhead {
		t.Errorf("%d bytes", len(a))
	}
}

func TestSealAndOpenStayInTheBuffersTheyAreGiven(t *testing.T) {
	secret, scope, plain := testSecret(0x80), Scope{Vault: testVault(), Kind: KindContent}, prose(1000)
	dst := make([]byte, 10, 10+Overhead+len(plain))
	sealed := Seal(dst, secret, scope, plain)
	if &sealed[0] != &dst[0] {
		t.Error("Seal took memory of its own")
	}
	back := make([]byte, 3, 3+len(plain))
	opened, err := Open(back, secret, scope, sealed[10:])
	if err != nil || &opened[0] != &back[0] {
		t.Errorf("Open took memory of its own, or %v", err)
	}
	wantBytes(t, "opened", opened[3:], plain)
}
