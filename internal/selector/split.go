package selector

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Split splits SNAPSHOT:PATH. The path begins after the last colon that a whole expression stands before, so that
// 2026-11-20T10:20:30:/etc is /etc at half past; what is understood as an expression as a whole has no path. Where nothing is
// understood, expr ends at the first colon, for Select to refuse.
//
// The path is relative to the root of the snapshot, as in varve.Entry: slashes at its ends, double ones and "." are dropped, and ""
// stands for everything. An element ".." is an error.
func Split(arg string) (expr, path string, err error) {
	expr, path = arg, ""
	for !understood(expr) {
		colon := strings.LastIndexByte(expr, ':')
		if colon < 0 {
			expr, path, _ = strings.Cut(arg, ":")
			break
		}
		expr, path = arg[:colon], arg[colon+1:]
	}
	path, err = cleanPath(path)
	if err != nil {
		return "", "", fmt.Errorf("path in %q: %w", arg, err)
	}
	return expr, path, nil
}

// understood reports whether expr has one of the forms, even if it is a date that does not exist.
func understood(expr string) bool {
	_, err := parse(expr, time.Unix(0, 0))
	return !errors.Is(err, errForm)
}

func cleanPath(path string) (string, error) {
	var elements []string
	for element := range strings.SplitSeq(path, "/") {
		switch element {
		case "", ".":
		case "..":
			return "", errors.New(`".." is not allowed`)
		default:
			elements = append(elements, element)
		}
	}
	return strings.Join(elements, "/"), nil
}
