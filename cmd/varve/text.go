package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"varve"
)

// quote returns a name as people see it: as it is, or in quotes with escapes where it holds what a terminal would act on, is not
// UTF-8, or could be taken for a quoted name.
func quote(name string) string {
	if name == "" || name[0] == '"' || !printable(name) {
		return strconv.Quote(name)
	}
	return name
}

func printable(s string) bool {
	i := 0
	for i < len(s) && s[i] >= ' ' && s[i] <= '~' {
		i++
	}
	if s = s[i:]; !utf8.ValidString(s) { // nearly all names have ended here
		return false
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}

// plain returns free text with escapes for what a terminal would act on.
func plain(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+n]
		if r == utf8.RuneError && n == 1 || !strconv.IsPrint(r) {
			piece = strings.Trim(strconv.Quote(piece), `"`)
		}
		b.WriteString(piece)
		i += n
	}
	return b.String()
}

// slashed returns the path of an entry as people see it: absolute, quoted where needed.
func slashed(path string) string { return quote("/" + path) }

// sizeText returns a number of bytes with a unit, in powers of 1024.
func sizeText(n int64) string {
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

// parseSize reads a number of bytes: digits, and K, M, G or T for powers of 1024. It is at least 1.
func parseSize(s string) (int64, error) {
	number, shift := s, 0
	if s != "" {
		if i := strings.IndexByte("KMGT", s[len(s)-1]&^0x20); i >= 0 {
			number, shift = s[:len(s)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || n == 0 || n > (1<<63-1)>>shift {
		return 0, fmt.Errorf("size %q: want a number from 1, with K, M, G or T for powers of 1024", s)
	}
	return int64(n) << shift, nil
}

// durationText returns d as hours, minutes and seconds.
func durationText(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// timeText returns t in the location of now, to the second.
func (a *app) timeText(t time.Time) string { return t.In(a.now().Location()).Format(time.DateTime) }

// aspectWords returns the names of the aspects in s; none is an empty list.
func aspectWords(s varve.Aspect) []string {
	if s == 0 {
		return []string{}
	}
	return strings.Split(s.String(), ", ")
}

// change returns a path with what differs about it in parentheses.
func change(path string, differs varve.Aspect) string {
	if differs == 0 {
		return path
	}
	return path + " (" + differs.String() + ")"
}

// modeText returns kind and mode as ls -l does.
func modeText(kind varve.Kind, mode uint32) string {
	text := []byte("?rwxrwxrwx")
	text[0] = "?-dlpscb"[min(int(kind), 7)]
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			text[i+1] = '-'
		}
	}
	for i, bit := range [...]uint32{0o4000, 0o2000, 0o1000} {
		if mode&bit == 0 {
			continue
		}
		at := 3 * (i + 1)
		letter := "sst"[i]
		if text[at] == '-' {
			letter &^= 0x20
		}
		text[at] = letter
	}
	return string(text)
}

// count returns a number with the word for one or for several.
func count(n int64, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + several
}
