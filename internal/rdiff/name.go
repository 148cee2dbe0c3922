package rdiff

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"varve/internal/disk"
)

// suffix is what a name ends in that stands for something at a time: NAME.TIME.KIND[.gz].
type suffix struct {
	kind string // one of the kinds below
	time int64  // seconds since 1970
	gz   bool
}

// The kinds of files with a time in their names.
const (
	kindSnapshot = "snapshot"
	kindDiff     = "diff"
	kindDir      = "dir"
	kindMissing  = "missing"
	kindData     = "data"
)

// splitName returns what comes before the suffix of name, and the suffix; false where it has none.
func splitName(name string) (string, suffix, bool) {
	var s suffix
	name, s.gz = strings.CutSuffix(name, ".gz")
	rest, kind, _ := cutLast(name)
	base, stamp, found := cutLast(rest)
	if !found {
		return "", s, false
	}
	switch kind {
	case kindSnapshot, kindDiff, kindDir, kindMissing, kindData:
	default:
		return "", s, false
	}
	t, ok := parseTime(stamp)
	s.kind, s.time = kind, t
	return base, s, ok
}

// cutLast cuts s at its last dot.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// parseTime reads a time such as 2001-09-09T01:46:40Z or …+02:00, in seconds since 1970. On disks that allow no colons, hyphens take
// their place.
func parseTime(s string) (int64, bool) {
	const length = len("2001-09-09T01:46:40")
	if len(s) <= length || s[4] != '-' || s[7] != '-' || s[10] != 'T' || !colon(s[13]) || !colon(s[16]) {
		return 0, false
	}
	var n [6]int
	for i, part := range [...]string{s[:4], s[5:7], s[8:10], s[11:13], s[14:16], s[17:19]} {
		v, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return 0, false
		}
		n[i] = int(v)
	}
	if n[0] <= 1900 || n[0] >= 2100 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 61 {
		return 0, false
	}
	ahead, ok := parseZone(s[length:])
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC).Unix() - ahead, ok
}

func colon(c byte) bool { return c == ':' || c == '-' }

// parseZone returns how far a zone is ahead of UTC, in seconds. Minutes count eastwards whatever the sign of the hours: rdiff-backup
// writes three and a half hours behind as -04:30.
func parseZone(s string) (int64, bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || !colon(s[3]) {
		return 0, false
	}
	hours, err := strconv.ParseUint(s[1:3], 10, 8)
	minutes, err2 := strconv.ParseUint(s[4:], 10, 8)
	if err != nil || err2 != nil || hours > 23 || minutes > 59 {
		return 0, false
	}
	h := int64(hours) * 3600
	if s[0] == '-' {
		h = -h
	}
	return h + int64(minutes)*60, true
}

// when is t for messages.
func when(t int64) string { return time.Unix(t, 0).UTC().Format(time.RFC3339) }

// unquoteName undoes what is done to names on disks that cannot hold all of them: ";" and three decimal digits stand for a byte.
func unquoteName(name string) string {
	var out strings.Builder
	for {
		i := strings.IndexByte(name, ';')
		if i < 0 || len(name) < i+4 {
			break
		}
		n, err := strconv.ParseUint(name[i+1:i+4], 10, 8)
		if err != nil {
			out.WriteString(name[:i+1])
			name = name[i+1:]
			continue
		}
		out.WriteString(name[:i])
		out.WriteByte(byte(n))
		name = name[i+4:]
	}
	out.WriteString(name)
	return out.String()
}

// unescapeLine undoes what keeps paths in mirror_metadata on one line: \n and \\.
func unescapeLine(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(s)
}

// unescapeOctal undoes what is done to paths and names of attributes: a backslash and three octal digits stand for a byte.
func unescapeOctal(s string) string {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || len(s) < i+4 {
			break
		}
		n, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
		if err != nil {
			out.WriteString(s[:i+1])
			s = s[i+1:]
			continue
		}
		out.WriteString(s[:i])
		out.WriteByte(byte(n))
		s = s[i+4:]
	}
	out.WriteString(s)
	return out.String()
}

// maxPath is how long a path may be, in bytes.
const maxPath = 1 << 20

// checkPath returns the path of an entry for one that the metadata tell; "." is the root.
func checkPath(path string) (string, error) {
	if path == "." {
		return "", nil
	}
	if len(path) > maxPath {
		return "", fmt.Errorf("a path of %d bytes", len(path))
	}
	for name := range strings.SplitSeq(path, "/") {
		if err := disk.CheckName(name); err != nil {
			return "", fmt.Errorf("path %q: %w", path, err)
		}
	}
	return path, nil
}

// comparePreorder orders paths as rdiff-backup does: what lies in a directory comes directly after it.
func comparePreorder(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch ca, cb := a[i], b[i]; {
		case ca == cb:
		case ca == '/':
			return -1
		case cb == '/':
			return 1
		default:
			return int(ca) - int(cb)
		}
	}
	return len(a) - len(b)
}
