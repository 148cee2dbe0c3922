package seal

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sheetInTestdata returns the seven lines of the sheet in testdata, with their numbers.
func sheetInTestdata(t testing.TB) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(string(goldenText(t, "sheet.txt"))) {
		if n, _ := lineNumber(strings.TrimSpace(line)); n > 0 {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != sheetLines {
		t.Fatalf("%d lines", len(lines))
	}
	return lines
}

func TestSheetIsWrittenAndReadInTheSameWayForEver(t *testing.T) {
	want := testKeys()["restore.key"]
	text, err := FormatSheet(want)
	if err != nil || !bytes.Equal(text, goldenText(t, "sheet.txt")) {
		t.Errorf("written as %q, %v", text, err)
	}
	for line := range strings.Lines(string(text)) {
		if len(line) > 77 {
			t.Errorf("line too wide: %q", line)
		}
	}
	want.Name = ""
	for _, read := range []func([]byte) (KeyFile, error){ParseSheet, ParseKeyFile} {
		if got, err := read(text); err != nil || !sameKey(got, want) {
			t.Errorf("the whole sheet: %v", err)
		}
	}
}

func TestSheetIsReadHoweverItIsTyped(t *testing.T) {
	lines := sheetInTestdata(t)
	text := strings.Join(lines, "\n")
	bare := strings.NewReplacer("1.", "", "2.", "", "3.", "", "4.", "", "5.", "", "6.", "", "7.", "").Replace(text)
	backwards := slices.Clone(lines)
	slices.Reverse(backwards)
	for what, typed := range map[string]string{
		"as printed":      text,
		"small letters":   strings.ToLower(text),
		"without numbers": bare,
		"no hyphens":      strings.ReplaceAll(text, "-", ""),
		"blanks":          strings.ReplaceAll(text, "-", "  "),
		"long dashes":     strings.ReplaceAll(text, "-", "\u2014"),
		"O for 0":         strings.ReplaceAll(text, "0", "O"),
		"o for 0":         strings.ReplaceAll(text, "0", "o"),
		"l for 1":         strings.ReplaceAll(text, "1", "l"),
		"I for 1":         strings.ReplaceAll(text, "1", "I"),
		"another order":   strings.Join(backwards, "\n"),
		"CRLF":            strings.ReplaceAll(text, "\n", "\r\n"),
		"blank lines":     "\ufeff\n" + strings.ReplaceAll(text, "\n", "\n\n# and\n"),
		"numbers, no dot": strings.ReplaceAll(text, ". ", " "),
		"colons":          strings.ReplaceAll(text, ".", ":"),
		"text around it":  "My sheet:\n" + text + "\nI typed this on Monday.\n",
	} {
		for _, read := range []func([]byte) (KeyFile, error){ParseSheet, ParseKeyFile} {
			got, err := read([]byte(typed))
			if err != nil || got.Secret != testRoot().Secret() || got.Vault != testVault() || got.Kind != RestoreKey || got.Generation != 1 {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

func TestMistakeInASheetIsFoundInItsLine(t *testing.T) {
	lines := sheetInTestdata(t)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, sheetLines-1).Draw(t, "line")
		typed := slices.Clone(lines)
		row := []byte(typed[n])
		at := rapid.IntRange(4, len(row)-1).Filter(func(i int) bool { return row[i] != '-' }).Draw(t, "character")
		old := row[at]
		row[at] = letters[rapid.IntRange(0, 31).Filter(func(i int) bool { return letters[i] != old }).Draw(t, "letter")]
		typed[n] = string(row)
		_, err := ParseSheet([]byte(strings.Join(typed, "\n")))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d:", n+1)) || strings.Count(err.Error(), "line ") != 1 {
			t.Fatalf("%s: %v", row, err)
		}
		if strings.Contains(err.Error(), string(row[4:8])) {
			t.Fatalf("the error repeats what was typed: %v", err)
		}
	})
}

func TestSheetsThatAreNoneAreRefused(t *testing.T) {
	lines := sheetInTestdata(t)
	text := strings.Join(lines, "\n")
	other := testKeys()["restore.key"]
	other.Secret = testSecret(0x99)
	otherText, err := FormatSheet(other)
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, _ := strings.Cut(string(otherText), "    3.")
	foreign, _, _ = strings.Cut(foreign, "\n")
	swapped := strings.NewReplacer("1.", "2.", "2.", "1.").Replace(text)
	for what, c := range map[string]struct{ text, want string }{
		"nothing":               {"", "not a recovery sheet"},
		"prose":                 {"hello\n", "not a recovery sheet"},
		"a line missing":        {strings.Join(lines[:6], "\n"), "line 7: is not there"},
		"a line empty":          {strings.Replace(text, lines[2], "3.", 1), "line 3: is not there"},
		"a line twice":          {text + "\n" + lines[4], "line 5: is there twice"},
		"a line cut":            {strings.Replace(text, "-F0RC", "", 1), "line 1: 12 characters, want 16"},
		"a line too long":       {strings.Replace(text, "F0RC", "F0RCC", 1), "line 1: 17 characters, want 16"},
		"a letter of none":      {strings.Replace(text, "F0RC", "F0RU", 1), "line 1: character 16"},
		"two lines swapped":     {swapped, "line 1: has a mistake; line 2: has a mistake"},
		"a line of another":     {strings.Replace(text, lines[2], "3."+foreign, 1), "not of one sheet"},
		"six without numbers":   {strings.Join([]string{"000G-40R4-0M30-F0RC", "a", "b", "c", "d", "e"}, "\n"), "not a recovery sheet"},
		"more than is sensible": {strings.Repeat("1", keyFileMax+1), "too long"},
	} {
		_, err := ParseSheet([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
}
