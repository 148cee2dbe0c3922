// Package backend knows how the objects of a vault are named, and does around a [varve.Backend] what all who use one would repeat.
//
//	config                 what the vault is; the one object that is not named by its content
//	KIND/NAME              all others: NAME is the SHA-256 of all bytes of the object, 64 lower-case hexadecimal digits
//
// KIND is data, index, keys, snapshots or locks. Objects never change and are never replaced, so whoever put an object under a name
// put the same bytes.
//
// It is not for the content of objects, which the packages seal, table and pack know, nor for storage: the packages below this one
// are (files, mem), or stand around one (retry, limit, cache, faulty). Their contract is the test suite backendtest.
package backend

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"varve"
)

// ErrName says that a name is not that of an object.
var ErrName = errors.New("not the name of an object")

// Kind is what an object is for: the first element of its name.
type Kind string

// The kinds of objects.
const (
	Config    Kind = "config"
	Data      Kind = "data"
	Index     Kind = "index"
	Keys      Kind = "keys"
	Snapshots Kind = "snapshots"
	Locks     Kind = "locks"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Config, Data, Index, Keys, Snapshots, Locks} }

// Prefix is what the names of all objects of kind k begin with, as Backend.List wants it.
func (k Kind) Prefix() string {
	if k == Config {
		return string(Config)
	}
	return string(k) + "/"
}

// Name returns the name of the object of kind k whose bytes have this SHA-256; "config" for Config.
func (k Kind) Name(sum [32]byte) string {
	if k == Config {
		return string(Config)
	}
	return string(k) + "/" + hex.EncodeToString(sum[:])
}

// MaxSize is how many bytes an object of kind k may have, sealing and padding included. Whoever reads one whole reads no more.
func (k Kind) MaxSize() int64 {
	switch k {
	case Data:
		return 16 << 20
	case Index:
		return 80 << 20
	}
	return 20 << 20
}

// NameOf returns the name of the object of kind k that holds data.
func NameOf(k Kind, data []byte) string {
	if k == Config {
		return string(Config)
	}
	return k.Name(sha256.Sum256(data))
}

// Parse takes the name of an object apart; the hash is zero for Config. An error matches ErrName.
func Parse(name string) (k Kind, sum [32]byte, err error) {
	if name == string(Config) {
		return Config, sum, nil
	}
	dir, digits, _ := strings.Cut(name, "/")
	switch k = Kind(dir); k {
	case Data, Index, Keys, Snapshots, Locks:
		if IsHash(digits) {
			_, err = hex.Decode(sum[:], []byte(digits))
			return k, sum, err
		}
	}
	return "", sum, &fs.PathError{Op: "parse", Path: fmt.Sprintf("%.100q", name), Err: ErrName}
}

// CheckName returns an error that matches ErrName where name is not "config" or KIND and 64 lower-case hexadecimal digits.
func CheckName(name string) error {
	_, _, err := Parse(name)
	return err
}

// IsHash reports whether s is a SHA-256 as names have it: 64 lower-case hexadecimal digits.
func IsHash(s string) bool { return len(s) == 2*sha256.Size && IsHex(s) }

// IsHex reports whether s has lower-case hexadecimal digits only.
func IsHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Check returns an error that matches varve.ErrDamaged where data is not what the object name holds. Nothing can be said of Config.
func Check(name string, data []byte) error {
	k, sum, err := Parse(name)
	if err != nil {
		return err
	}
	if k != Config && sha256.Sum256(data) != sum {
		return &fs.PathError{Op: "check", Path: name, Err: fmt.Errorf("%w: its bytes do not hash to its name", varve.ErrDamaged)}
	}
	return nil
}
