package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"varve/internal/ssh"
)

// Level says how much a finding matters.
type Level string

// The levels. With one that is Wrong, varve cannot use the place, or not for what it is.
const (
	Good    Level = "good"
	Note    Level = "note"
	Warning Level = "warning"
	Wrong   Level = "wrong"
)

// Finding is one thing that was looked at. Its texts are harmless to print.
type Finding struct {
	Level Level
	// What was looked at, in a word or a few, such as "host key".
	What string
	// Detail is what was found: a sentence without a stop, at most about 2,000 bytes.
	Detail string
	// Mend is what to do about it: commands and sentences, one a line; empty where there is nothing to be done.
	Mend string
}

// maxText is how many bytes of a text are kept.
const maxText = 2000

// harmless returns text with everything that a terminal could obey written out.
func harmless(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if b.Len() >= maxText {
			b.WriteString("...")
			break
		}
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

// harmlessLines is harmless for lines that stay lines.
func harmlessLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = harmless(lines[i])
	}
	return strings.Join(lines, "\n")
}

// command returns words as a line that can be given to a shell.
func command(words ...string) string {
	line, err := ssh.Quote(words)
	if err != nil { // a NUL, which no word from a command line has
		return strings.Join(words, " ")
	}
	return line
}

// reason returns the text of an error on one line.
func reason(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// count returns a number with the word for one or for several.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + several
}

// size returns a number of bytes with a unit, in powers of 1024.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 1023.95 && unit < 6 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, " KMGTPE"[unit])
}
