package seal

import (
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// letters are the 32 that secrets are spelled with: no I, L, O, which look like digits, and no U. (Douglas Crockford's base 32.)
const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// spell writes data, whole multiples of 5 bytes, in groups of n letters.
func spell(data []byte, n int) string {
	text := base32.NewEncoding(letters).EncodeToString(data)
	var groups []string
	for ; len(text) > n; text = text[n:] {
		groups = append(groups, text[:n])
	}
	return strings.Join(append(groups, text), "-")
}

// unspell reads size bytes, a multiple of 5, that spell wrote. Case, blanks and hyphens do not matter, and a letter that looks like
// a digit is that digit. Its errors do not repeat the text.
func unspell(text string, size int) ([]byte, error) {
	var b strings.Builder
	for _, r := range text {
		switch r = plainLetter(r); {
		case r == 0:
		case strings.ContainsRune(letters, r):
			b.WriteRune(r)
		default:
			return nil, fmt.Errorf("character %d is not one of those that are used", b.Len()+1)
		}
	}
	if want := size / 5 * 8; b.Len() != want {
		return nil, fmt.Errorf("%d characters, want %d", b.Len(), want)
	}
	data, err := base32.NewEncoding(letters).DecodeString(b.String())
	if err != nil {
		return nil, errors.New("not spelled as it should be")
	}
	return data, nil
}

// plainLetter returns the letter that r stands for; 0 where it stands for none.
func plainLetter(r rune) rune {
	switch r {
	case ' ', '\t', '\r', '\u00a0', '-', '\u2010', '\u2011', '\u2013', '\u2014':
		return 0
	case 'o', 'O':
		return '0'
	case 'i', 'I', 'l', 'L':
		return '1'
	}
	if r >= 'a' && r <= 'z' {
		r += 'A' - 'a'
	}
	return r
}
