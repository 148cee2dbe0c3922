package config

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Fault is one thing that is wrong in a file.
type Fault struct {
	// File is the name that the file was read by.
	File string
	// Line and Column count from 1, columns in characters.
	Line, Column int
	// Message says what is wrong.
	Message string
	// Text is the line without what might be a secret, and without control characters; a long one is cut. Mark is how far in it, in
	// characters, the fault begins, and Length how many characters it has, at least 1.
	Text         string
	Mark, Length int
}

// Error returns the fault in three lines: FILE:LINE:COLUMN and the message, the line, and a mark below it.
func (f Fault) Error() string {
	number := strconv.Itoa(f.Line)
	gap := strings.Repeat(" ", len(number))
	return fmt.Sprintf("%s:%d:%d: %s\n %s | %s\n %s | %s^%s", f.File, f.Line, f.Column, f.Message, number, f.Text,
		gap, strings.Repeat(" ", f.Mark), strings.Repeat("~", f.Length-1))
}

// Faults are the things that are wrong in a file, in the order of the file.
type Faults struct {
	Found []Fault
	// More is how many there are besides.
	More int
}

// maxFaults is how many faults are told.
const maxFaults = 50

// Error returns what Fault.Error does for each, one after the other.
func (f Faults) Error() string {
	var texts []string
	for _, fault := range f.Found {
		texts = append(texts, fault.Error())
	}
	if f.More > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", f.More))
	}
	return strings.Join(texts, "\n")
}

// file is the text that faults are in.
type file struct {
	name string
	data []byte
}

// finding is a fault whose line was not looked at yet.
type finding struct {
	at      span
	message string
	show    showing
}

// showing says how much of a line can be shown. What stands behind a key that is not known may be a secret.
type showing uint8

const (
	wholeLine showing = iota
	keyAlone          // what the fault is about, and what stands before it
	nothing           // what stands before the fault
)

// faults returns what was found, each once, in order.
func (f file) faults(found []finding) error {
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.at.from, b.at.from), strings.Compare(a.message, b.message))
	})
	found = slices.CompactFunc(found, func(a, b finding) bool { return a.at.from == b.at.from && a.message == b.message })
	if len(found) == 0 {
		return nil
	}
	all := Faults{More: max(len(found)-maxFaults, 0)}
	for _, one := range found[:min(len(found), maxFaults)] {
		all.Found = append(all.Found, f.fault(one))
	}
	return all
}

// shownBefore and shownAfter are how many characters of a line are shown before and after where a fault begins, and lookedAt how many
// bytes on either side are searched for what might be a secret.
const shownBefore, shownAfter, lookedAt = 60, 60, 1024

// fault finds the line.
func (f file) fault(found finding) Fault {
	at := min(max(found.at.from, 0), len(f.data))
	start := bytes.LastIndexByte(f.data[:at], '\n') + 1
	end := len(f.data)
	if i := bytes.IndexByte(f.data[at:], '\n'); i >= 0 {
		end = at + i
	}
	column := 1 + utf8.RuneCount(f.data[start:at])
	start, end = max(start, at-lookedAt), min(end, at+lookedAt)
	before := harmless(f.data[start:at])
	marked := harmless(f.data[at:max(at, min(found.at.to, end))])
	rest := harmless(bytes.TrimSuffix(f.data[at:end], []byte("\r")))
	switch {
	case found.show == nothing:
		rest, marked = []rune("..."), []rune("...")
	case found.show == keyAlone && len(rest) > len(marked):
		rest = append(slices.Clone(marked), []rune(" ...")...)
	}
	r := Fault{File: f.name, Line: 1 + bytes.Count(f.data[:at], []byte("\n")), Column: column, Message: plain(found.message)}
	text, mark := []rune(masked(string(before)+string(rest))), len(before)
	if from := mark - shownBefore; from > 0 {
		text = append([]rune("..."), text[min(from, len(text)):]...)
		mark = len("...") + shownBefore
	}
	if len(text) > mark+shownAfter {
		text = append(text[:mark+shownAfter], []rune("...")...)
	}
	r.Text, r.Mark = string(text), mark
	r.Length = min(max(len(marked), 1), max(len(text)-mark, 1))
	return r
}

// harmless returns text as it can be shown, a character for every character: what a terminal would act on becomes a blank or "?".
func harmless(text []byte) []rune {
	runes := make([]rune, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\t':
			r = ' '
		case r == utf8.RuneError && n == 1, !strconv.IsPrint(r):
			r = '?'
		}
		runes, text = append(runes, r), text[n:]
	}
	return runes
}

// plain returns a message without what a terminal would act on.
func plain(message string) string { return string(harmless([]byte(message))) }

// secret finds the keys that people would put secrets under, and those of their files.
var secret = regexp.MustCompile(`(?i)([\w-]*(?:pass|pwd|secret|token)[\w-]*|\bkey)["']?\s*=\s*`)

// masked returns a line without the value of a key that people would put a secret under.
func masked(line string) string {
	for _, at := range secret.FindAllStringSubmatchIndex(line, -1) {
		if key := line[at[2]:at[3]]; !strings.HasSuffix(key, "-file") && !strings.HasSuffix(key, "-command") {
			return line[:at[1]] + "..."
		}
	}
	return line
}
