package seal

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"varve"
)

// FuzzKeyFile holds that whatever a key file says, the outcome is an error, or a key that is written and read as the same.
func FuzzKeyFile(f *testing.F) {
	for _, name := range []string{"restore.key", "maintenance.key", "put-only.key", "sheet.txt"} {
		f.Add(goldenText(f, name))
	}
	f.Add([]byte("varve key 1\r\nvault: 00\r\n"))
	f.Add([]byte("\ufeffvarve key 1\nsecret: -----\nname:\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseKeyFile(text)
		if err != nil {
			return
		}
		again, err := FormatKeyFile(k)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseKeyFile(again); err != nil || !sameKey(back, k) {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

// FuzzSheet holds that whatever is typed, the outcome is an error, or a root whose sheet is read as the same.
func FuzzSheet(f *testing.F) {
	lines := sheetInTestdata(f)
	f.Add(strings.Join(lines, "\n"))
	f.Add(strings.ToLower(strings.Join(lines, "\r\n\r\n")))
	f.Add("1.\n2:\n3)\n4 \n5\nl.\nI:\n7.7")
	f.Add(strings.Repeat("000G-40R4-0M30-F0RC\n", 7))
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseSheet([]byte(text))
		if err != nil {
			return
		}
		again, err := FormatSheet(k)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseSheet(again); err != nil || !sameKey(back, k) {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

// FuzzObject holds that no bytes are taken for an object unless they are signed, and that bodies that are signed and hostile are
// refused in good order.
func FuzzObject(f *testing.F) {
	for _, name := range []string{"snapshot.hex", "tomb.hex"} {
		object := golden(f, name)
		f.Add(object)
		f.Add(object[:len(object)/2])
	}
	f.Add([]byte("varvei\x01\x01"))
	signer, o := testClient().Signer(), openerOf(testRoot())
	signers := signersOf(signer, testRoot().Maintenance().Signer())
	known := map[string]bool{string(golden(f, "snapshot.hex")): true, string(golden(f, "tomb.hex")): true}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := OpenObject(o, data, signers); err == nil != known[string(data)] {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		if len(data) < headerLen {
			return
		}
		message := append(signed(objectLabel, testVault(), nil), data...)
		copy(message[len(message)-len(data)+8:], signer.id[:])
		h, body, err := OpenObject(o, finishObject(message, signer), func(Header) (ed25519.PublicKey, bool) { return signer.Public(), true })
		if err == nil && (h.Kind.Sealed() || !bytes.Equal(body, data[headerLen:])) {
			t.Fatalf("%+v: %d bytes", h, len(body))
		}
		if err != nil && !errors.Is(err, varve.ErrDamaged) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrKey) {
			t.Fatal(err)
		}
	})
}

// FuzzSealedBody holds that what is in a sealed object, whoever sealed it, is an error or not longer than is allowed.
func FuzzSealedBody(f *testing.F) {
	f.Add(pad(nil))
	f.Add(pad(prose(5000)))
	f.Add(pad(noise(2000)))
	f.Add(append([]byte{255, 255, 255, 255, 1, 255, 255, 255, 255}, make([]byte, 1015)...))
	o := NewOpener(testVault())
	f.Fuzz(func(t *testing.T, plain []byte) {
		body, err := o.unpad(plain, 1<<16)
		if err != nil && !errors.Is(err, varve.ErrDamaged) {
			t.Fatal(err)
		}
		if len(body) > 1<<16 {
			t.Fatalf("%d bytes", len(body))
		}
	})
}

// FuzzDecompress holds that data decompresses to the length that is asked for, or is refused.
func FuzzDecompress(f *testing.F) {
	var c Compressor
	for _, plain := range [][]byte{nil, prose(300), noise(300), make([]byte, 1<<16)} {
		codec, data := c.Compress(nil, plain)
		f.Add(byte(codec), data, len(plain))
		f.Add(byte(Zstd), data, len(plain)+1)
	}
	f.Add(byte(Zstd), []byte{0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255}, 10)
	f.Fuzz(func(t *testing.T, codec byte, data []byte, plainLen int) {
		plainLen = min(plainLen, 1<<20)
		out, err := c.Decompress([]byte("before"), Codec(codec), data, plainLen)
		if err == nil && (len(out) != 6+plainLen || string(out[:6]) != "before") {
			t.Fatalf("%d bytes, want %d", len(out), plainLen)
		}
		if err != nil && !errors.Is(err, varve.ErrDamaged) {
			t.Fatal(err)
		}
	})
}

// FuzzMessage holds that nothing opens but what was sealed.
func FuzzMessage(f *testing.F) {
	secret, scope := testSecret(0x80), Scope{testVault(), KindContent, []byte("context")}
	f.Add([]byte("hello"), 3)
	f.Add(prose(1000), 70)
	f.Add([]byte(nil), 0)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		if _, err := Open(nil, secret, scope, data); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("%x: %v", data, err)
		}
		sealed := Seal(nil, secret, scope, data)
		plain, err := Open(nil, secret, scope, sealed)
		if err != nil || !bytes.Equal(plain, data) {
			t.Fatalf("%x: %v", plain, err)
		}
		sealed[uint(at)%uint(len(sealed))]++
		if _, err := Open(nil, secret, scope, sealed); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	})
}

// FuzzWitness holds that words are refused, or are the witness of what they stand for.
func FuzzWitness(f *testing.F) {
	f.Add("lusab-babad-gutih-tugad")
	f.Add("LUSAB babad\ngutih\u2013tugad")
	f.Add("lusab-babad-gutih-tuga\u017f")
	f.Fuzz(func(t *testing.T, text string) {
		bits, err := ParseWitness(text)
		if err != nil {
			return
		}
		again, err := ParseWitness(Witness([32]byte(append(bits[:], make([]byte, 24)...))))
		if err != nil || again != bits {
			t.Fatalf("%q: %x, %x, %v", text, bits, again, err)
		}
	})
}

// FuzzEnvelope holds that an envelope is what it was read from.
func FuzzEnvelope(f *testing.F) {
	f.Add(golden(f, "envelope.hex"))
	f.Add(make([]byte, EnvelopeLen))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEnvelope(data)
		if err == nil && !bytes.Equal(e.AppendTo(nil), data) {
			t.Fatalf("%x", data)
		}
	})
}

// FuzzIdentities holds that what names recipients or identities is an error or names at least one.
func FuzzIdentities(f *testing.F) {
	f.Add("# none\n\nage1qqqq\nage1pq1qqqq\nage1x1qqqq")
	f.Add("AGE-SECRET-KEY-1QQQ")
	f.Add("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA me@here")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := ParseRecipients(text, Prompt{}); (len(r) == 0) == (err == nil) {
			t.Fatalf("%d recipients, %v", len(r), err)
		}
		if i, err := ParseIdentities([]byte(text), Prompt{}); (len(i) == 0) == (err == nil) {
			t.Fatalf("%d identities, %v", len(i), err)
		}
	})
}

// FuzzUnwrap holds that nothing but the wrapped secret unwraps. A work factor that makes it slow is left out.
func FuzzUnwrap(f *testing.F) {
	wrapped := golden(f, "wrapped.hex")
	_, identity := passphrase(f, "correct horse")
	f.Add(wrapped)
	f.Add(wrapped[:len(wrapped)-1])
	f.Add([]byte("age-encryption.org/v1\n-> X25519 AAAA\n\n--- AAAA\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.Contains(data, []byte(" 1\n")) {
			return
		}
		if _, err := Unwrap(data, identity); err == nil && !bytes.Equal(data, wrapped) {
			t.Fatalf("%x", data)
		}
	})
}
