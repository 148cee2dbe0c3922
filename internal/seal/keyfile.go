package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// KeyFile is a key as a file or a sheet of paper holds it.
//
//	varve key 1
//	vault: 32 hexadecimal digits
//	kind: restore | maintenance | put-only
//	name: for people; may be absent
//	generation: 1
//	secret: 56 characters in groups of 7: 32 bytes of secret, 3 of check
//	restore-public: base64         of put-only keys, as are the next two
//	maintenance-public: base64
//	admin-public: base64
//
// The check is the start of SHA-256 of "varve key 1 check", vault ID, kind, generation, public keys and secret. Lines may end in
// CRLF; empty ones and those that begin with "#" mean nothing.
type KeyFile struct {
	Vault VaultID
	Kind  KeyKind
	// Name is for people: at most 128 bytes of printable UTF-8.
	Name string
	// Generation is that of a restore or maintenance secret, and that of the public keys of a put-only key.
	Generation uint8
	// Secret is the root secret, the maintenance secret or the client secret.
	Secret Secret
	// Publics are the public keys of a put-only key; zero for other kinds.
	Publics Publics
}

const (
	keyFileTitle = "varve key 1"
	keyCheckLen  = 3
	// keyFileMax bounds what is read of a key file, in bytes.
	keyFileMax = 64 << 10
	nameMax    = 128
)

// check returns an error where k is not a key.
func (k *KeyFile) check() error {
	switch k.Kind {
	case RestoreKey, MaintenanceKey:
		if k.Publics.Restore != nil || k.Publics.Maintenance != nil || k.Publics.Admin != nil {
			return fmt.Errorf("a %s key has no public keys", k.Kind)
		}
	case PutOnlyKey:
		if err := k.Publics.Check(); err != nil {
			return err
		}
		if k.Publics.Generation != k.Generation {
			return errors.New("the public keys are of another generation")
		}
	default:
		return errors.New("kind: want restore, maintenance or put-only")
	}
	if k.Generation == 0 {
		return errors.New("generation: 0")
	}
	return checkName(k.Name)
}

func checkName(name string) error {
	switch {
	case len(name) > nameMax:
		return fmt.Errorf("name: more than %d bytes", nameMax)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("name: not printable text")
	case name != strings.TrimSpace(name):
		return errors.New("name: begins or ends with a blank")
	}
	return nil
}

// sum is what the check letters of the secret are the start of.
func (k *KeyFile) sum() [32]byte {
	h := sha256.New()
	h.Write([]byte(keyFileTitle + " check"))
	h.Write(k.Vault[:])
	h.Write([]byte{byte(len(k.Kind))})
	h.Write([]byte(k.Kind))
	h.Write([]byte{k.Generation})
	h.Write(k.Publics.Restore)
	h.Write(k.Publics.Maintenance)
	h.Write(k.Publics.Admin)
	h.Write(k.Secret[:])
	return [32]byte(h.Sum(nil))
}

// FormatKeyFile returns the text of a key file. It holds the secret.
func FormatKeyFile(k KeyFile) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("format key file: %w", err)
	}
	sum := k.sum()
	var b strings.Builder
	b.WriteString("# Keep this file secret: who has it can do what the key is for.\n")
	fmt.Fprintf(&b, "%s\nvault: %v\nkind: %s\n", keyFileTitle, k.Vault, k.Kind)
	if k.Name != "" {
		fmt.Fprintf(&b, "name: %s\n", k.Name)
	}
	fmt.Fprintf(&b, "generation: %d\nsecret: %s\n", k.Generation, spell(append(k.Secret[:], sum[:keyCheckLen]...), 7))
	if k.Kind == PutOnlyKey {
		text := base64.StdEncoding.EncodeToString
		fmt.Fprintf(&b, "restore-public: %s\nmaintenance-public: %s\nadmin-public: %s\n",
			text(k.Publics.Restore), text(k.Publics.Maintenance), text(k.Publics.Admin))
	}
	return []byte(b.String()), nil
}

// ParseKeyFile reads a key file, or a recovery sheet as ParseSheet does. Errors name the line, and repeat nothing of a secret.
func ParseKeyFile(text []byte) (KeyFile, error) {
	if len(text) > keyFileMax {
		return KeyFile{}, errors.New("key file: too long")
	}
	if !utf8.Valid(text) {
		return KeyFile{}, errors.New("key file: not UTF-8 text")
	}
	r := keyReader{seen: map[string]int{}}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case !r.titled && line != keyFileTitle:
			return notKeyFile(text, n, line)
		case !r.titled:
			r.titled = true
		default:
			if err := r.field(n, line); err != nil {
				return KeyFile{}, fmt.Errorf("key file: line %d: %w", n, err)
			}
		}
	}
	if !r.titled {
		return KeyFile{}, errors.New("key file: empty")
	}
	return r.finish()
}

// notKeyFile deals with a text whose first line is not the title.
func notKeyFile(text []byte, n int, line string) (KeyFile, error) {
	if strings.HasPrefix(line, "varve key ") {
		return KeyFile{}, fmt.Errorf("key file: line %d: %w", n, ErrVersion)
	}
	k, err := ParseSheet(text)
	if errors.Is(err, errNoSheet) {
		return KeyFile{}, fmt.Errorf("key file: line %d: neither %q nor a recovery sheet", n, keyFileTitle)
	}
	return k, err
}

// keyReader is a key file, half read.
type keyReader struct {
	titled bool
	key    KeyFile
	seen   map[string]int // the line of each field
	check  [keyCheckLen]byte
}

func (r *keyReader) field(n int, line string) error {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok {
		return errors.New("want a field, a colon and a value")
	}
	if first, twice := r.seen[name]; twice {
		return fmt.Errorf("%s: also on line %d", name, first)
	}
	if err := r.set(name, value); err != nil {
		return err
	}
	r.seen[name] = n
	return nil
}

func (r *keyReader) set(name, value string) (err error) {
	k := &r.key
	switch name {
	case "vault":
		return k.Vault.UnmarshalText([]byte(value))
	case "kind":
		k.Kind = KeyKind(value)
	case "name":
		k.Name = value
	case "generation":
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || n == 0 {
			return errors.New("generation: want a number from 1 to 255")
		}
		k.Generation = uint8(n)
	case "secret":
		return r.secret(value)
	case "restore-public":
		k.Publics.Restore, err = publicKey(name, value)
	case "maintenance-public":
		k.Publics.Maintenance, err = publicKey(name, value)
	case "admin-public":
		k.Publics.Admin, err = publicKey(name, value)
	default:
		return errors.New("not a field of a key file")
	}
	return err
}

func (r *keyReader) secret(value string) error {
	data, err := unspell(value, len(Secret{})+keyCheckLen)
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	r.key.Secret, r.check = Secret(data[:32]), [keyCheckLen]byte(data[32:])
	return nil
}

func publicKey(name, value string) (ed25519.PublicKey, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, fmt.Errorf("%s: not base64", name)
	}
	return data, nil
}

// finish checks the key as a whole.
func (r *keyReader) finish() (KeyFile, error) {
	want := []string{"vault", "kind", "generation", "secret"}
	if r.key.Kind == PutOnlyKey {
		want = append(want, "restore-public", "maintenance-public", "admin-public")
		r.key.Publics.Generation = r.key.Generation
	}
	for _, name := range want {
		if r.seen[name] == 0 {
			return KeyFile{}, fmt.Errorf("key file: no line %q", name+":")
		}
	}
	if err := r.key.check(); err != nil {
		return KeyFile{}, fmt.Errorf("key file: %w", err)
	}
	if sum := r.key.sum(); [keyCheckLen]byte(sum[:]) != r.check {
		return KeyFile{}, fmt.Errorf("key file: line %d: secret: the check does not fit: a character of it, or another line, was changed",
			r.seen["secret"])
	}
	return r.key, nil
}
