package seal

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The letters of proquints (Daniel S. Wilkerson, arXiv:0901.4016): a consonant is 4 bits, a vowel 2.
const (
	consonants = "bdfghjklmnprstvz"
	vowels     = "aiou"
)

// witnessWords is how many words a witness has, of 16 bits each.
const witnessWords = 4

// Witness returns the first 8 bytes of a hash as four words that can be read aloud, as "lusab-babad-gutih-tugad".
func Witness(hash [32]byte) string {
	var words [witnessWords]string
	for i := range words {
		words[i] = word(binary.BigEndian.Uint16(hash[2*i:]))
	}
	return strings.Join(words[:], "-")
}

func word(n uint16) string {
	return string([]byte{consonants[n>>12], vowels[n>>10&3], consonants[n>>6&15], vowels[n>>4&3], consonants[n&15]})
}

// ParseWitness returns the 8 bytes that the words of Witness stand for. Case does not matter; blanks or hyphens part the words.
func ParseWitness(text string) (bits [2 * witnessWords]byte, err error) {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return plainLetter(r) == 0 || r == '\n' })
	if len(words) != witnessWords {
		return bits, fmt.Errorf("witness: %d words, want %d", len(words), witnessWords)
	}
	for i, w := range words {
		n, ok := parseWord(w)
		if !ok {
			return bits, fmt.Errorf("witness: word %d, %q, is none of a witness", i+1, w)
		}
		binary.BigEndian.PutUint16(bits[2*i:], n)
	}
	return bits, nil
}

func parseWord(w string) (n uint16, ok bool) {
	if len(w) != 5 {
		return 0, false
	}
	for i := range len(w) {
		set, width := consonants, 4
		if i%2 == 1 {
			set, width = vowels, 2
		}
		at := strings.IndexByte(set, w[i])
		if at < 0 {
			return 0, false
		}
		n = n<<width | uint16(at)
	}
	return n, true
}
