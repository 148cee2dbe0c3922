package pack

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
)

var updating = flag.Bool("update", false, "write the golden files instead of comparing with them")

// goldenPack is a pack that was written once, with the secrets of theWorld, and must be readable for ever.
var goldenPack = filepath.Join("testdata", "tiny.hex")

func TestAPackWrittenOnceIsReadForEver(t *testing.T) {
	text, err := os.ReadFile(goldenPack)
	if err != nil {
		t.Fatal(err)
	}
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte("first"), noise(1, 40), make([]byte, 900), []byte("a page")}
	w := theWorld(t)
	if _, got, err := w.readAll(data, [32]byte{}); err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %q, %v", got, err)
	}
}

// With the same randomness the same bytes are written. Another compressor, or another use that the standard library makes of
// randomness, may change them: then go test -update writes the file anew, once the test above has read the old one.
func TestTheSamePackIsWrittenAgain(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	p, _ := theWorld(t).tinyPack(t)
	var text strings.Builder
	for line := range slices.Chunk(p.data, 64) {
		text.WriteString(hex.EncodeToString(line) + "\n")
	}
	if *updating {
		if err := os.WriteFile(goldenPack, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenPack)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text.String() {
		t.Errorf("the pack differs from %s:\n%s", goldenPack, text.String())
	}
}
