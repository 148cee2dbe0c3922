package seal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestKeysAreDerivedInTheSameWayForEver(t *testing.T) {
	root, client := testRoot(), testClient()
	for _, c := range []struct {
		what string
		got  Secret
		want string
	}{
		{"maintenance secret", root.Maintenance().Secret(), "5399f1c5e9115819718a4b85a20fcbf8bce4cf670eb8b208e6dfa86dd31bd4c7"},
		{"client secret", root.Client().Secret(), "dcdf0b242731618ff6b5f93d309cf7937f311d0a6e3d81652a3bff0ee1565d56"},
		{"restore kem", root.secret.derive("restore kem"), "f1457550db2b3f391e626d7803de6548f0ae70023a680793aff6c02544eb8481"},
		{"before", root.secret.derive("before"), "c15e665c68e2fcbe0c583ae67e9419df24db3465f9d9603dabfe3d5d9c23e41c"},
		{"maintenance kem", root.maintenance.secret.derive("kem"), "65b86862bdaaba23935b7b7d3ab17627fbcb793a4969c7bcfb83ffa0c8ca21a0"},
		{"admin", root.maintenance.secret.derive("signature"), "cbd0e6379316abceb5faf391e5cce1896788c02ab9af849db3457a07d789e121"},
		{"client key", client.secret.derive("signature"), "2a0eb3a92b15178f72e836c71ca9d46f0ee770d214082f8fd893509bcd4d3209"},
		{"chunk ID key", client.ChunkIDKey(), "a48f10faadf7d97649f3eab01cbf7c4539324156aa947102fea73e34fffcbbad"},
		{"chunker key", client.ChunkerKey(), "f9ff712fe59ea4682719018b391e1f35ffbb6a0243d9b6b011343350195f4714"},
		{"local key", client.LocalKey(), "6b749eb11e95b5cb1c20740f698e1c1bdc91ce5fe7d34e86b3280e66b22426e3"},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	if got := client.Domain().String(); got != "e72eabdcf6692b8a110fb31c0f88e78f" {
		t.Errorf("domain: %s", got)
	}
	if got := root.Maintenance().Signer().ID().String(); got != "9877f4f10d6ea3d4fd47fc2e22fe7d2f" {
		t.Errorf("admin's signer ID: %s", got)
	}
}

func TestSignaturesAreMadeInTheSameWayForEver(t *testing.T) {
	s := testClient().Signer()
	object := s.Sign("object", testVault(), []byte("a"), []byte("b"))
	config := s.SignConfig([]byte("{}"))
	for what, c := range map[string]struct {
		got  [SignatureLen]byte
		want string
	}{
		"object": {object, "ad0268223b5f9b60c21d6cec1e84fba8d98ba95c0120390491a06cc478c697a0236f24607bb2b307037eaa73791686f776e832eecc43b01dbb6ec552f597ba02"},
		"config": {config, "d844a76078612a392896aa7371dc8398b08f4daaf46cb9b51c3db73d5a1b95350dd011fcb1b89afd7b3a390326bdccb2212a1cee35002b3702b7941c1605b501"},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	if !VerifyConfig(s.Public(), []byte("{}"), config[:]) || VerifyConfig(s.Public(), []byte("{ }"), config[:]) {
		t.Error("the signature of a config does not tell texts apart")
	}
}

func TestSignatureHoldsForItsKeyLabelVaultAndTextOnly(t *testing.T) {
	s := testClient().Signer()
	sig := s.Sign("pack", testVault(), []byte("footer"))
	other := testVault()
	other[0] ^= 1
	changed := sig
	changed[40] ^= 1
	for what, got := range map[string]bool{
		"another label":     Verify(s.Public(), "object", testVault(), sig[:], []byte("footer")),
		"another vault":     Verify(s.Public(), "pack", other, sig[:], []byte("footer")),
		"another text":      Verify(s.Public(), "pack", testVault(), sig[:], []byte("Footer")),
		"another key":       Verify(RandomClient().Signer().Public(), "pack", testVault(), sig[:], []byte("footer")),
		"another signature": Verify(s.Public(), "pack", testVault(), changed[:], []byte("footer")),
		"half a signature":  Verify(s.Public(), "pack", testVault(), sig[:32], []byte("footer")),
		"no key":            Verify(nil, "pack", testVault(), sig[:], []byte("footer")),
	} {
		if got {
			t.Errorf("%s: verified", what)
		}
	}
	if !Verify(s.Public(), "pack", testVault(), sig[:], []byte("foot"), []byte("er")) {
		t.Error("the right one: not verified")
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	root, client := testRoot(), testClient()
	key := KeyFile{Vault: testVault(), Kind: RestoreKey, Generation: 1, Secret: root.Secret()}
	session := newSession(t, root)
	identity, err := PassphraseIdentity("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	held := struct {
		Name string
		Key  Secret
	}{"x", root.Secret()}
	things := []any{
		root.Secret(), &held, held, []Secret{root.Secret()}, root, *root, root.Maintenance(), *root.Maintenance(), client, *client,
		client.Signer(), *client.Signer(), openerOf(root), key, &key, identity, *session,
	}
	secrets := []Secret{root.Secret(), root.Maintenance().Secret(), client.Secret(), session.Content, session.Structure}
	for _, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%08b"} {
			text := strings.ToLower(fmt.Sprintf(verb, thing))
			for _, s := range secrets {
				for _, as := range []string{"%x", "%d", "%v"} {
					middle := strings.Trim(fmt.Sprintf(as, s[8:16]), "[]")
					if strings.Contains(text, middle) {
						t.Errorf("%s of a %T prints a secret", verb, thing)
					}
				}
			}
			if strings.Contains(text, "correct") {
				t.Errorf("%s of a %T prints a passphrase", verb, thing)
			}
		}
	}
	if text, err := json.Marshal(key); err == nil {
		t.Errorf("JSON of a key: %d bytes", len(text))
	}
	if got := root.Secret().String(); got != placeholder {
		t.Errorf("String: %q", got)
	}
}

func TestNewKeysDiffer(t *testing.T) {
	root, root2, client, client2, vault, vault2 := NewRoot(), NewRoot(), RandomClient(), RandomClient(), NewVaultID(), NewVaultID()
	if root.Secret() == root2.Secret() || client.Domain() == client2.Domain() || vault == vault2 {
		t.Error("two new keys are the same")
	}
}

func TestGenerationsLeadBackToTheOneBefore(t *testing.T) {
	old, now := testRoot(), NewRoot()
	vault := testVault()
	root, maintenance := now.Before(vault, 2, old), now.Maintenance().Before(vault, 2, old.Maintenance())
	gotRoot, err := now.OpenBefore(vault, 2, root)
	if err != nil || gotRoot.Secret() != old.Secret() {
		t.Errorf("root before: %v", err)
	}
	gotMaintenance, err := now.Maintenance().OpenBefore(vault, 2, maintenance)
	if err != nil || gotMaintenance.Secret() != old.Maintenance().Secret() {
		t.Errorf("maintenance secret before: %v", err)
	}
	_, err = now.OpenBefore(vault, 3, root)
	wantDamaged(t, "root of another generation", err)
	_, err = now.OpenBefore(vault, 2, maintenance)
	wantDamaged(t, "maintenance secret as root", err)
	_, err = now.Maintenance().OpenBefore(vault, 2, root)
	wantDamaged(t, "root with the maintenance key", err)
	long := Seal(nil, now.secret.derive("before"), Scope{vault, KindGeneration, []byte{2}}, make([]byte, 33))
	_, err = now.OpenBefore(vault, 2, long)
	wantDamaged(t, "33 bytes", err)
}

func TestPublicKeysAreChecked(t *testing.T) {
	good := testRoot().Publics(1)
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	full := append([]byte(nil), good.Restore...)
	for i := range full[:1152] {
		full[i] = 0xff // coefficients above the modulus
	}
	for what, spoil := range map[string]func(*Publics){
		"generation 0":              func(p *Publics) { p.Generation = 0 },
		"no restore key":            func(p *Publics) { p.Restore = nil },
		"short maintenance key":     func(p *Publics) { p.Maintenance = p.Maintenance[1:] },
		"restore key out of bounds": func(p *Publics) { p.Restore = full },
		"short admin":               func(p *Publics) { p.Admin = p.Admin[:31] },
	} {
		p := good
		spoil(&p)
		wantDamaged(t, what, p.Check())
		_, err := NewSession(testVault(), p)
		wantDamaged(t, what+": session", err)
		if p.Equal(good) {
			t.Errorf("%s: equal to the good ones", what)
		}
	}
	small := good
	small.Maintenance = append(append([]byte(nil), good.Maintenance[:1184]...), make([]byte, 32)...)
	_, err := NewSession(testVault(), small)
	wantDamaged(t, "maintenance key with a point of small order", err)
	if !good.Equal(testRoot().Publics(1)) || !testRoot().Maintenance().Fits(good) || NewRoot().Maintenance().Fits(good) {
		t.Error("keys do not tell whether they belong together")
	}
}

func TestIDsHaveATextForm(t *testing.T) {
	vault, signer := testVault(), testClient().Domain()
	var vaultAgain VaultID
	var signerAgain SignerID
	text, err := vault.MarshalText()
	if err = errors.Join(err, vaultAgain.UnmarshalText(text)); err != nil || vaultAgain != vault {
		t.Errorf("vault ID: %v, %v", vaultAgain, err)
	}
	text, err = signer.MarshalText()
	if err = errors.Join(err, signerAgain.UnmarshalText(text)); err != nil || signerAgain != signer {
		t.Errorf("signer ID: %v, %v", signerAgain, err)
	}
	for _, text := range []string{"", "00", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("g", 32)} {
		if vaultAgain.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q: read as an ID", text)
		}
	}
}
