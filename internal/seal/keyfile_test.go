package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve"
)

// testKeys are the keys in testdata.
func testKeys() map[string]KeyFile {
	root := testRoot()
	return map[string]KeyFile{
		"restore.key":     {Vault: testVault(), Kind: RestoreKey, Name: "home", Generation: 1, Secret: root.Secret()},
		"maintenance.key": {Vault: testVault(), Kind: MaintenanceKey, Generation: 3, Secret: root.Maintenance().Secret()},
		"put-only.key": {
			Vault: testVault(), Kind: PutOnlyKey, Name: "laptop of ann", Generation: 1, Secret: testClient().Secret(), Publics: root.Publics(1),
		},
	}
}

func sameKey(a, b KeyFile) bool {
	return a.Vault == b.Vault && a.Kind == b.Kind && a.Name == b.Name && a.Generation == b.Generation && a.Secret == b.Secret && a.Publics.Equal(b.Publics)
}

func TestKeyFilesAreWrittenAndReadInTheSameWayForEver(t *testing.T) {
	for name, want := range testKeys() {
		text := goldenText(t, name)
		got, err := ParseKeyFile(text)
		if err != nil || !sameKey(got, want) {
			t.Errorf("%s: %v", name, err)
		}
		again, err := FormatKeyFile(want)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s: written as %d bytes, %v", name, len(again), err)
		}
	}
}

func TestKeyFileMayBeEditedWhereItDoesNotMatter(t *testing.T) {
	text := string(goldenText(t, "put-only.key"))
	want := testKeys()["put-only.key"]
	lines := strings.Split(strings.TrimSpace(text), "\n")
	backwards := lines[1] + "\n"
	for _, line := range lines[2:] {
		backwards = strings.Replace(backwards, "\n", "\n"+line+"\n", 1)
	}
	for what, text := range map[string]string{
		"CRLF":            strings.ReplaceAll(text, "\n", "\r\n"),
		"byte order mark": "\ufeff" + text,
		"no end of line":  strings.TrimSpace(text),
		"blank lines":     "\n\n# hello\n" + strings.ReplaceAll(text, "\n", "\n\n  # more\n"),
		"blanks":          strings.ReplaceAll(strings.ReplaceAll(text, ": ", " :\t  "), "\n", "  \n"),
		"another order":   backwards,
	} {
		if got, err := ParseKeyFile([]byte(text)); err != nil || !sameKey(got, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	typed := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(string(goldenText(t, "restore.key")), "40GJ48S", "4O GJ48S"), "44MK2EA-1958NJR", "44MK2EAl958NJR"))
	if got, err := ParseKeyFile([]byte(typed)); err != nil || got.Secret != testRoot().Secret() {
		t.Errorf("secret typed by hand: %v", err)
	}
}

func TestMistakesInAKeyFileAreNamedByLineAndRepeatNoSecret(t *testing.T) {
	text := string(goldenText(t, "restore.key"))
	const secret = "40GJ48S-44MK2EA-1958NJR-B9E5WR3-2CHK6GT-KCDSR74-X3PF1X7-RZYMGRJ"
	for what, c := range map[string]struct{ old, new, want string }{
		"no title":           {"varve key 1\n", "", "line 2"},
		"newer version":      {"varve key 1\n", "varve key 2\n", "line 2"},
		"no vault":           {"vault: 000102030405060708090a0b0c0d0e0f\n", "", `"vault:"`},
		"short vault":        {"0e0f", "0e", "line 3"},
		"another vault":      {"0e0f", "0e0e", "line 7"},
		"unknown kind":       {"kind: restore", "kind: everything", "kind"},
		"another kind":       {"kind: restore", "kind: maintenance", "line 7"},
		"generation 0":       {"generation: 1", "generation: 0", "line 6"},
		"generation 256":     {"generation: 1", "generation: 256", "line 6"},
		"another generation": {"generation: 1", "generation: 2", "line 7"},
		"no generation":      {"generation: 1\n", "", `"generation:"`},
		"letter changed":     {"40GJ48S", "40GJ48T", "line 7"},
		"letter lost":        {"40GJ48S", "40GJ48", "line 7"},
		"letter too many":    {"RZYMGRJ", "RZYMGRJ0", "line 7"},
		"no such letter":     {"40GJ48S", "40GJ48U", "line 7"},
		"no letter":          {"40GJ48S", "40GJ48\u00e9", "line 7"},
		"no secret":          {"\nsecret: ", "\n# secret: ", `"secret:"`},
		"empty secret":       {secret, "", "line 7"},
		"field twice":        {"name: home", "name: home\nname: work", "line 6"},
		"unknown field":      {"name: home", "colour: red", "line 5"},
		"no colon":           {"\nsecret: ", "\nsecret ", "line 7"},
		"unprintable name":   {"name: home", "name: ho\x1b[31mme", "name"},
		"endless name":       {"name: home", "name: " + strings.Repeat("x", 129), "name"},
		"public key":         {"name: home", "admin-public: AAAA", "public keys"},
		"not base64":         {"name: home", "admin-public: ?", "line 5"},
	} {
		broken := strings.Replace(text, c.old, c.new, 1)
		if broken == text {
			t.Fatalf("%s: nothing changed", what)
		}
		_, err := ParseKeyFile([]byte(broken))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
			continue
		}
		for _, group := range strings.Split(secret, "-") {
			if strings.Contains(err.Error(), group[:5]) {
				t.Errorf("%s: the error repeats the secret", what)
			}
		}
	}
	for what, text := range map[string]string{
		"nothing": "", "comments": "# varve key 1\n", "not text": "varve key 1\nname: \xff\n", "endless": strings.Repeat("#\n", 1<<16), "prose": "hello\nworld\n",
	} {
		if _, err := ParseKeyFile([]byte(text)); err == nil {
			t.Errorf("%s: taken for a key file", what)
		}
	}
}

func TestEveryChangedLetterOfAPutOnlyKeyIsFound(t *testing.T) {
	text := goldenText(t, "put-only.key")
	start := bytes.Index(text, []byte("vault:"))
	end := bytes.Index(text, []byte("name:"))
	after := bytes.Index(text, []byte("generation:"))
	public := bytes.Index(text, []byte("restore-public:"))
	for i := start; i < len(text); i++ {
		if i > public && i%5 > 0 {
			continue // one in five is enough of what is long
		}
		if i >= end && i < after || text[i] == '\n' || text[i] == '-' || text[i] == ' ' {
			continue
		}
		changed := bytes.Clone(text)
		changed[i] ^= 2
		if got, err := ParseKeyFile(changed); err == nil && !sameKey(got, testKeys()["put-only.key"]) {
			t.Fatalf("character %d, %q: not found", i, text[i])
		}
	}
}

func TestNewerKeyFileIsNoDamage(t *testing.T) {
	_, err := ParseKeyFile([]byte("varve key 2\nall: new\n"))
	if !errors.Is(err, ErrVersion) || errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
}

func TestKeysThatAreNoneAreNotWritten(t *testing.T) {
	for what, spoil := range map[string]func(*KeyFile){
		"no kind":                 func(k *KeyFile) { k.Kind = "" },
		"generation 0":            func(k *KeyFile) { k.Generation = 0 },
		"no public keys":          func(k *KeyFile) { k.Publics = Publics{} },
		"another generation":      func(k *KeyFile) { k.Generation = 2 },
		"restore and public keys": func(k *KeyFile) { k.Kind = RestoreKey },
		"line break in the name":  func(k *KeyFile) { k.Name = "a\nsecret: b" },
		"blank before the name":   func(k *KeyFile) { k.Name = " a" },
		"name that is no text":    func(k *KeyFile) { k.Name = "\xff" },
	} {
		k := testKeys()["put-only.key"]
		spoil(&k)
		if text, err := FormatKeyFile(k); err == nil {
			t.Errorf("%s: written in %d bytes", what, len(text))
		}
	}
	for name, k := range testKeys() {
		text, err := FormatSheet(k)
		if (err == nil) != (k.Kind == RestoreKey) {
			t.Errorf("sheet of %s: %d bytes, %v", name, len(text), err)
		}
	}
	if got := fmt.Sprint(testKeys()["restore.key"].Secret); got != placeholder {
		t.Errorf("secret prints as %q", got)
	}
}
