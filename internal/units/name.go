package units

import (
	"path"
	"path/filepath"
	"strings"
)

// prefix is what the names of all units begin with.
const prefix = "varve-"

const (
	// maxStem is how much of the name of a configuration file is in its name here, and keySize how much of its key.
	maxStem = 32
	keySize = 8
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	hex     = "0123456789abcdef"
)

// ConfigName returns what tells the units and lines of the configuration file at path from those of others: what can be read of the file's
// own name, and the beginning of key, which are eight or more hexadecimal digits that stand for the path.
func ConfigName(path, key string) string {
	stem := strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters, r) {
			return r
		}
		return '_'
	}, strings.TrimSuffix(filepath.Base(path), ".toml"))
	return stem[:min(len(stem), maxStem)] + "-" + key[:keySize]
}

// isConfig reports whether ConfigName may return a name.
func isConfig(name string) bool {
	at := strings.LastIndexByte(name, '-')
	return at >= 0 && at <= maxStem && len(name)-at-1 == keySize && strings.Trim(name[at+1:], hex) == "" && strings.Trim(name, letters) == ""
}

// configOf returns the name of the configuration file that a unit of ours is of; empty for the usual one.
func configOf(unit string) string {
	config, _, more := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(unit, prefix), path.Ext(unit)), ".")
	if !more {
		return ""
	}
	return config
}
