package config

import "fmt"

// instead says what to write instead of keys that people expect and that hold secrets.
func instead(key string) string {
	switch key {
	case "passphrase", "password", "pass", "secret":
		return "passphrase-file or passphrase-command; in a notice, smtp-password-file"
	case "key":
		return "key-file"
	case "token":
		return "token-file"
	case "smtp-password":
		return "smtp-password-file"
	}
	return ""
}

// unknown says of a key that it is not one of those known, and which may have been meant.
func unknown(key string, known []field) string {
	if other := instead(key); other != "" {
		return fmt.Sprintf("a secret must not stand in this file: instead of %s use %s", key, other)
	}
	best, distance := "", 3
	for _, f := range known {
		if n := edits(key, f.key); n < distance && n < len(f.key) {
			best, distance = f.key, n
		}
	}
	if best == "" {
		return fmt.Sprintf("unknown key %q", key)
	}
	return fmt.Sprintf("unknown key %q: did you mean %s?", key, best)
}

// edits counts the bytes to insert, remove or replace to make b of a; at most the length of the longer one.
func edits(a, b string) int {
	if len(a) > 2*len(b)+2 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
