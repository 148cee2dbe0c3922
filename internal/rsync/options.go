package rsync

import (
	"fmt"
	"strings"
)

// ruling says what becomes of an option.
type ruling uint8

const (
	refuse ruling = iota
	pass
	leaveOut // it means nothing to a directory that begins empty, or is set here
)

// letter is the ruling on a letter in a bundle of short options.
type letter struct {
	ruling ruling
	most   int    // how often it may be repeated; 0 for once
	why    string // it is refused
}

// letters are the short options that clients send. What the protocol depends on is handed on; what changes the destination only by
// keeping it from being a copy of the source is refused.
var letters = map[byte]letter{
	'v': {ruling: pass, most: 5},
	'q': {ruling: pass},
	'n': {ruling: pass}, // no snapshot is made
	'l': {ruling: pass},
	'd': {ruling: pass},
	'm': {ruling: pass},
	'O': {ruling: pass},
	'J': {ruling: pass},
	'y': {ruling: pass, most: 2},
	'W': {ruling: pass},
	'H': {ruling: pass, most: 2},
	'o': {ruling: pass},
	'g': {ruling: pass},
	'D': {ruling: pass},
	't': {ruling: pass},
	'p': {ruling: pass},
	'E': {ruling: pass},
	'A': {ruling: pass},
	'X': {ruling: pass}, // once: twice would also copy the attributes in which --fake-super keeps what it knows
	'r': {ruling: pass},
	'c': {ruling: pass},
	'C': {ruling: pass},
	'I': {ruling: pass},
	'R': {ruling: pass},
	'x': {ruling: pass, most: 2},
	'S': {ruling: pass},
	'z': {ruling: pass},
	'u': {ruling: leaveOut}, // an older file belongs into the snapshot, too
	's': {ruling: leaveOut}, // the arguments have been read, see secluded
	'b': {why: "there is nothing that could be replaced"},
	'K': {why: "a directory is never put where a symlink leads"},
	'U': {why: "access times are not kept"},
	'N': {why: "times of birth cannot be set"},
	'e': {why: "no program is run for a client"},
}

// long is the ruling on a long option.
type long struct {
	ruling ruling
	valid  func(value string) bool // what may stand after "="; nil for no value
	why    string
}

// longs are the long options that clients send, and what else deserves an answer of its own.
var longs = map[string]long{
	"--delete":              {ruling: pass},
	"--delete-before":       {ruling: pass},
	"--delete-during":       {ruling: pass},
	"--delete-delay":        {ruling: pass},
	"--delete-after":        {ruling: pass},
	"--delete-excluded":     {ruling: pass},
	"--force":               {ruling: pass},
	"--stats":               {ruling: pass},
	"--numeric-ids":         {ruling: pass},
	"--no-r":                {ruling: pass},
	"--specials":            {ruling: pass},
	"--no-specials":         {ruling: pass},
	"--no-implied-dirs":     {ruling: pass},
	"--new-compress":        {ruling: pass},
	"--old-compress":        {ruling: pass},
	"--safe-links":          {ruling: pass},
	"--copy-unsafe-links":   {ruling: pass},
	"--msgs2stderr":         {ruling: pass},
	"--no-msgs2stderr":      {ruling: pass},
	"--use-qsort":           {ruling: pass},
	"--compress-level":      {ruling: pass, valid: isNumber},
	"--compress-choice":     {ruling: pass, valid: isAlgorithm},
	"--checksum-choice":     {ruling: pass, valid: isAlgorithm},
	"--checksum-seed":       {ruling: pass, valid: isNumber},
	"--bwlimit":             {ruling: pass, valid: isNumber},
	"--min-size":            {ruling: pass, valid: isSize},
	"--max-size":            {ruling: pass, valid: isSize},
	"--info":                {ruling: pass, valid: isWords},
	"--log-format":          {ruling: pass, valid: isLogFormat},
	"--iconv":               {ruling: pass, valid: isUTF8},
	"--usermap":             {ruling: pass, valid: isIDMap},
	"--groupmap":            {ruling: pass, valid: isIDMap},
	"--timeout":             {ruling: leaveOut, valid: isNumber}, // heeded by write
	"--modify-window":       {ruling: leaveOut, valid: isNumber}, // times are compared to the nanosecond, which is never wrong
	"--max-delete":          {ruling: leaveOut, valid: isNumber},
	"--max-alloc":           {ruling: leaveOut, valid: isSize},
	"--partial":             {ruling: leaveOut}, // set here
	"--preallocate":         {ruling: leaveOut},
	"--fsync":               {ruling: leaveOut}, // a snapshot is durable anyway
	"--mkpath":              {ruling: leaveOut},
	"--super":               {ruling: leaveOut}, // decided here
	"--fake-super":          {ruling: leaveOut},
	"--open-noatime":        {ruling: leaveOut},
	"--sender":              {why: "this key is for pushing; `varve serve --read` lets others read"},
	"--daemon":              {why: "there is no daemon behind this key"},
	"--server":              {why: "it stands at the beginning, once"},
	"--inplace":             {why: "it would write into files that older snapshots share"},
	"--append":              {why: "it would write into files that older snapshots share"},
	"--append-verify":       {why: "it would write into files that older snapshots share"},
	"--write-devices":       {why: "nothing is written to devices"},
	"--copy-devices":        {why: "nothing is read from devices"},
	"--remove-source-files": {why: "the files would be gone before the snapshot is made"},
	"--remove-sent-files":   {why: "the files would be gone before the snapshot is made"},
	"--size-only":           {why: "a changed file of the same size would be missed"},
	"--existing":            {why: "the destination is empty: there would be nothing in the snapshot"},
	"--ignore-existing":     {why: "a changed file would be missed"},
	"--ignore-errors":       {why: "a snapshot has to know of errors"},
	"--delete-missing-args": {why: "what is missing would go unnoticed"},
	"--delay-updates":       {why: "a snapshot appears at once anyway"},
	"--backup-dir":          {why: "there is nothing that could be replaced"},
	"--suffix":              {why: "there is nothing that could be replaced"},
	"--partial-dir":         {why: "paths of the server are not the client's to choose"},
	"--temp-dir":            {why: "paths of the server are not the client's to choose"},
	"--log-file":            {why: "paths of the server are not the client's to choose"},
	"--link-dest":           {why: "paths of the server are not the client's to choose; unchanged files are linked anyway"},
	"--copy-dest":           {why: "paths of the server are not the client's to choose; unchanged files are linked anyway"},
	"--compare-dest":        {why: "paths of the server are not the client's to choose; unchanged files are linked anyway"},
	"--files-from":          {why: "a list of files is for the client to read"},
	"--only-write-batch":    {why: "there would be nothing in the snapshot"},
	"--list-only":           {why: "`varve ls` lists snapshots"},
	"--debug":               {why: "the server's inner life is not the client's"},
}

// refusal is the error that names what a client may not have.
func refusal(option, why string) error {
	if why == "" {
		why = "it is not known to be harmless"
	}
	return fmt.Errorf("rsync option %s %w: %s", show(option), ErrRefused, why)
}

// show returns what a client sent such that it can be printed.
func show(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "..."
	}
	quoted := fmt.Sprintf("%q", text)
	if quoted == `"`+text+`"` && !strings.Contains(text, " ") {
		return text
	}
	return quoted
}

// all reports whether s has from 1 to most bytes, all of them letters, digits or in others.
func all(s, others string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for _, c := range []byte(s) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

func digits(s string, most int) bool {
	return strings.Trim(s, "0123456789") == "" && s != "" && len(s) <= most
}

func isNumber(s string) bool { return digits(strings.TrimPrefix(s, "-"), 10) }

func isWords(s string) bool { return all(s, ",", 300) }

// isAlgorithm accepts names of compressions and checksums. Without a checksum nobody would notice what a transfer damaged.
func isAlgorithm(s string) bool {
	return all(s, ",-", 60) && !strings.Contains(strings.ToLower(s), "none")
}

func isLogFormat(s string) bool { return s == "%i" || s == "%i%I" || s == "%o" || s == "X" }

// isUTF8 accepts the one encoding that needs no table: others would be read by a library with a history.
func isUTF8(s string) bool { return strings.EqualFold(s, "utf8") || strings.EqualFold(s, "utf-8") }

// isIDMap accepts what maps users or groups of the client to those of the server, names or numbers.
func isIDMap(s string) bool { return all(s, "_-.*?[]@$,: ", 4000) }

// isSize accepts a size such as 3000000, 1.5m or 2GiB-1.
func isSize(s string) bool {
	s = strings.TrimSuffix(strings.TrimSuffix(s, "+1"), "-1")
	unit := strings.TrimLeft(s, "0123456789.")
	number := s[:len(s)-len(unit)]
	whole, fraction, hasPoint := strings.Cut(number, ".")
	if !digits(whole, 18) || hasPoint && !digits(fraction, 6) {
		return false
	}
	switch strings.ToLower(unit) {
	case "", "b", "k", "m", "g", "t", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib":
		return true
	}
	return false
}
