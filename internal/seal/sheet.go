package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A recovery sheet has seven lines of 16 characters, 10 bytes each: 8 that count and 2 of check.
//
//	1, 2      vault ID
//	3 to 6    root secret
//	7         generation (1), then the first 7 bytes of SHA-256 of "varve sheet 1", vault ID, root secret, generation
//
// The check of a line is the start of SHA-256 of "varve sheet 1 line", its number in one byte, and its 8 bytes. All else on the sheet
// is for people.
const (
	sheetTitle = "varve sheet 1"
	sheetLines = 7
	lineBytes  = 8
	lineCheck  = 2
)

// errNoSheet says that a text is no attempt at typing a sheet.
var errNoSheet = errors.New("not a recovery sheet")

// FormatSheet returns the text of a recovery sheet for printing, at most 76 columns wide. It holds the secret of k, which must be a
// RestoreKey.
func FormatSheet(k KeyFile) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("format recovery sheet: %w", err)
	}
	if k.Kind != RestoreKey {
		return nil, fmt.Errorf("format recovery sheet: a %s key", k.Kind)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "VARVE RECOVERY SHEET\n\nvault       %v\ngeneration  %d\n", k.Vault, k.Generation)
	if k.Name != "" {
		fmt.Fprintf(&b, "name        %s\n", k.Name)
	}
	b.WriteString(sheetText)
	for i, data := range k.sheet() {
		fmt.Fprintf(&b, "    %d.  %s\n", i+1, spell(checkedLine(i+1, data), 4))
	}
	return []byte(b.String()), nil
}

const sheetText = `
Whoever has this sheet can read every backup in the vault. Whoever has lost
this sheet, and every other key, can read none: nobody can help then. Print
it, keep it where neither fire nor strangers come, and do not photograph it.

To read backups with it, type the seven lines below into a file, numbers
included, and name the file with --key. Capitals, blanks and hyphens do not
matter. The letters I, L, O and U are not used: what looks like one of the
first three is a 1 or a 0. Each line is checked by itself, so that a mistake
is found where it is.

`

// sheet returns the lines of k without their checks.
func (k *KeyFile) sheet() [][]byte {
	all := slices.Concat(k.Vault[:], k.Secret[:], []byte{k.Generation})
	sum := sha256.Sum256(append([]byte(sheetTitle), all...))
	all = append(all, sum[:lineBytes-1]...)
	return slices.Collect(slices.Chunk(all, lineBytes))
}

// checkedLine returns line n, counted from 1, with its check.
func checkedLine(n int, data []byte) []byte {
	sum := sha256.Sum256(append(append([]byte(sheetTitle+" line"), byte(n)), data...))
	return append(slices.Clone(data), sum[:lineCheck]...)
}

// ParseSheet reads what a person typed from a recovery sheet: the seven lines with their numbers, in any order, among whatever other
// text; or these lines alone, in order, without numbers. It returns a RestoreKey without a name. Errors name the lines to look
// at again, and repeat nothing of them.
func ParseSheet(text []byte) (KeyFile, error) {
	if len(text) > keyFileMax {
		return KeyFile{}, errors.New("recovery sheet: too long")
	}
	typed, err := sheetLinesOf(string(text))
	if err != nil {
		return KeyFile{}, fmt.Errorf("recovery sheet: %w", err)
	}
	var all []byte
	var faults []string
	for i, line := range typed {
		data, err := parseLine(i+1, line)
		if err != nil {
			faults = append(faults, fmt.Sprintf("line %d: %v", i+1, err))
		}
		all = append(all, data...)
	}
	if len(faults) > 0 {
		return KeyFile{}, fmt.Errorf("recovery sheet: %s", strings.Join(faults, "; "))
	}
	k := KeyFile{Vault: VaultID(all), Kind: RestoreKey, Secret: Secret(all[16:]), Generation: all[48]}
	if !bytes.Equal(slices.Concat(k.sheet()...), all) {
		return KeyFile{}, errors.New("recovery sheet: each line fits by itself, but they are not of one sheet")
	}
	if err := k.check(); err != nil {
		return KeyFile{}, fmt.Errorf("recovery sheet: %w", err)
	}
	return k, nil
}

func parseLine(n int, line string) ([]byte, error) {
	if line == "" {
		return nil, errors.New("is not there")
	}
	data, err := unspell(line, lineBytes+lineCheck)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(checkedLine(n, data[:lineBytes]), data) {
		return nil, errors.New("has a mistake")
	}
	return data[:lineBytes], nil
}

// sheetLinesOf finds the seven lines in text; those that are not there are empty.
func sheetLinesOf(text string) (found [sheetLines]string, err error) {
	var plain []string
	numbered := false
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimSpace(line)
		n, rest := lineNumber(line)
		switch {
		case line == "" || line[0] == '#':
		case n == 0:
			plain = append(plain, line)
		case found[n-1] != "":
			return found, fmt.Errorf("line %d: is there twice", n)
		default:
			numbered = true
			found[n-1] = rest
		}
	}
	if numbered {
		return found, nil
	}
	if len(plain) != sheetLines {
		return found, errNoSheet
	}
	copy(found[:], plain)
	return found, nil
}

// lineNumber returns the number that line begins with, from 1 to 7, and what follows; 0 where it begins with none.
func lineNumber(line string) (int, string) {
	if len(line) < 2 || strings.IndexByte(".:) \t", line[1]) < 0 {
		return 0, ""
	}
	if blank := line[1] == ' ' || line[1] == '\t'; blank && (line[0] < '1' || line[0] > '7') {
		return 0, "" // text that begins with "I", say
	}
	n := int(plainLetter(rune(line[0])) - '0')
	if n < 1 || n > sheetLines {
		return 0, ""
	}
	return n, strings.TrimSpace(line[2:])
}
