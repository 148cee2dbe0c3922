package seal

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWitnessIsWrittenAsItsInventorDoes(t *testing.T) {
	hash := [32]byte{127, 0, 0, 1, 63, 84, 220, 193, 0xff}
	if got := Witness(hash); got != "lusab-babad-gutih-tugad" {
		t.Errorf("witness: %s", got)
	}
}

func TestWitnessIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		for _, text := range []string{Witness(hash), strings.ToUpper(Witness(hash)), " " + strings.ReplaceAll(Witness(hash), "-", "  \n")} {
			bits, err := ParseWitness(text)
			if err != nil || bits != [8]byte(hash[:8]) {
				t.Fatalf("%q: %x, %v", text, bits, err)
			}
		}
	})
}

func TestWordsOfNoWitnessAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "lusab", "lusab-babad-gutih", "lusab-babad-gutih-tugad-lusab", "lusab-babad-gutih-tuga", "lusab-babad-gutih-tugadd",
		"lusab-babad-gutih-tuged", "lusab-babad-gutih-uagad", "lusabbabadgutihtugad", "lusab-babad-gutih-tug\xffd",
	} {
		if bits, err := ParseWitness(text); err == nil {
			t.Errorf("%q: %x", text, bits)
		}
	}
}
