package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"varve"
)

func passphrase(t testing.TB, text string) (Recipient, Identity) {
	t.Helper()
	r, errR := Passphrase(text, 1)
	i, errI := PassphraseIdentity(text)
	if err := errors.Join(errR, errI); err != nil {
		t.Fatal(err)
	}
	return r, i
}

func TestGoldenWrappedSecretOpensForEver(t *testing.T) {
	_, right := passphrase(t, "correct horse")
	_, wrong := passphrase(t, "correct house")
	if got, err := Unwrap(golden(t, "wrapped.hex"), wrong, right); err != nil || got != testRoot().Secret() {
		t.Error(err)
	}
}

func TestWrappedSecretOpensForItsRecipientsAlone(t *testing.T) {
	x25519, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, public, private string }{
		{"X25519", x25519.Recipient().String(), x25519.String()},
		{"hybrid", hybrid.Recipient().String(), hybrid.String()},
	} {
		recipients, err := ParseRecipients("# mine\n\n "+c.public+"\r\n", Prompt{})
		if err != nil {
			t.Fatal(err)
		}
		identities, err := ParseIdentities([]byte("# mine\r\n"+c.private), Prompt{})
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := Wrap(testSecret(1), recipients...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Unwrap(wrapped, identities...); err != nil || got != testSecret(1) {
			t.Errorf("%s: %v", c.what, err)
		}
		_, stranger := passphrase(t, "x")
		if _, err := Unwrap(wrapped, stranger); !errors.Is(err, ErrKey) {
			t.Errorf("%s: with a passphrase: %v", c.what, err)
		}
		if _, err := Unwrap(wrapped); !errors.Is(err, ErrKey) {
			t.Errorf("%s: with nothing: %v", c.what, err)
		}
	}
}

func TestWrongPassphraseIsAWrongKeyAndNoDamage(t *testing.T) {
	_, wrong := passphrase(t, "x")
	_, err := Unwrap(golden(t, "wrapped.hex"), wrong)
	if !errors.Is(err, ErrKey) || errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
}

func TestEveryChangeOfAWrappedSecretIsFound(t *testing.T) {
	wrapped := golden(t, "wrapped.hex")
	_, right := passphrase(t, "correct horse")
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		if _, err := Unwrap(changed, right); err == nil {
			t.Fatalf("byte %d changed: opened", i)
		}
		if _, err := Unwrap(wrapped[:i], right); err == nil {
			t.Fatalf("first %d bytes: opened", i)
		}
	}
	if _, err := Unwrap(append(bytes.Clone(wrapped), 0), right); err == nil {
		t.Error("a byte more: opened")
	}
}

func TestWrappedThingsThatAreNoSecretAreRefused(t *testing.T) {
	r, i := passphrase(t, "x")
	for what, content := range map[string][]byte{"31 bytes": make([]byte, 31), "33 bytes": make([]byte, 33), "nothing": nil} {
		var b bytes.Buffer
		w, err := age.Encrypt(&b, r.age)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = Unwrap(b.Bytes(), i)
		wantDamaged(t, what, err)
	}
	_, err := Unwrap([]byte("hello"), i)
	wantDamaged(t, "no age file", err)
	_, err = Unwrap(make([]byte, MaxWrapped+1), i)
	wantDamaged(t, "endless", err)
}

func TestStoredWorkFactorIsBounded(t *testing.T) {
	_, right := passphrase(t, "correct horse")
	dear := bytes.Replace(golden(t, "wrapped.hex"), []byte(" 1\n"), []byte(" 21\n"), 1)
	if !bytes.Contains(dear, []byte(" 21\n")) {
		t.Fatal("the header has no work factor of 1")
	}
	if _, err := Unwrap(dear, right); err == nil || errors.Is(err, ErrKey) {
		t.Error(err)
	}
}

func TestPassphraseGoesAloneAndIsSensible(t *testing.T) {
	r, _ := passphrase(t, "x")
	if wrapped, err := Wrap(testSecret(1), r, r); err == nil {
		t.Errorf("two passphrases: %d bytes", len(wrapped))
	}
	if wrapped, err := Wrap(testSecret(1)); err == nil {
		t.Errorf("nobody: %d bytes", len(wrapped))
	}
	for _, factor := range []int{-1, MaxWorkFactor + 1} {
		if _, err := Passphrase("x", factor); err == nil {
			t.Errorf("work factor %d: taken", factor)
		}
	}
	if _, err := Passphrase("", 1); err == nil {
		t.Error("an empty passphrase: taken")
	}
	if _, err := PassphraseIdentity(""); err == nil {
		t.Error("an empty passphrase: taken for opening")
	}
}

func TestMistakesInRecipientsAndIdentitiesAreNamedByLineAndRepeatNothing(t *testing.T) {
	x25519, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(x25519.String(), "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q", 1)
	for what, c := range map[string]struct {
		text, want string
	}{
		"nothing":   {"# none\n", "none"},
		"a mistake": {"\n" + broken, "line 2"},
		"prose":     {"hello", "line 1"},
		"pem":       {"-----BEGIN OPENSSH PRIVATE KEY-----\n" + broken, "ssh"},
	} {
		_, errI := ParseIdentities([]byte(c.text), Prompt{})
		if errI == nil || !strings.Contains(errI.Error(), c.want) || strings.Contains(errI.Error(), broken[20:30]) {
			t.Errorf("%s: %v", what, errI)
		}
		if _, errR := ParseRecipients(c.text, Prompt{}); errR == nil || strings.Contains(errR.Error(), broken[20:30]) {
			t.Errorf("%s as a recipient: %v", what, errR)
		}
	}
	for _, text := range []string{"age1qqqq", "age1pq1qqqq", "age1x1qqqq", "ssh-dss AAAA", "ssh-ed25519 AAAA"} {
		if _, err := ParseRecipients(text, Prompt{}); err == nil {
			t.Errorf("%s: taken", text)
		}
	}
}
