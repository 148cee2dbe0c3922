package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
	"varve/internal/manifest"
)

// sentinels are the errors that cross the wire, each as the bit of its place. The order is part of the format; new ones come last.
// Errors of a context are not among them: whether the caller has cancelled something is known where the caller is.
func sentinels() []error {
	return []error{
		fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrInvalid,
		varve.ErrUnreadable, varve.ErrDamaged, varve.ErrBusy, varve.ErrNoSnapshot, varve.ErrNoStore,
		disk.ErrName, disk.ErrKind, disk.ErrUnsupported, disk.ErrNoSpace,
		backend.ErrName, manifest.ErrVersion, ErrQuota,
	}
}

// farError is an error that arose on the other side.
type farError struct {
	text  string
	kinds uint64
}

func (e *farError) Error() string { return e.text }

// Is reports whether target is one of the errors that e matched on the other side.
func (e *farError) Is(target error) bool {
	for i, s := range sentinels() {
		if e.kinds&(1<<i) != 0 && s == target {
			return true
		}
	}
	return false
}

// maxText is how much of a text from elsewhere is kept, in bytes.
const maxText = 4 << 10

// brief is an error without the operation and path around its cause.
type brief struct {
	error
	cause error
}

func (e brief) Error() string { return e.cause.Error() }

// Unwrap returns the whole error.
func (e brief) Unwrap() error { return e.error }

// briefly returns err without the path of the file that it concerns, for where that stands beside it anyway; nil stays nil.
func briefly(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return brief{err, at.Err}
	}
	return err
}

// appendError appends what crosses of err, which is not nil.
func appendError(b []byte, err error) []byte {
	kinds := uint64(0)
	for i, s := range sentinels() {
		if errors.Is(err, s) {
			kinds |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, kinds)
	return append(b, harmless(err.Error())...)
}

// decodeError is the reverse of appendError; whatever payload is, it is an error.
func decodeError(payload []byte) error {
	kinds, n := binary.Uvarint(payload)
	if n <= 0 {
		return protocolError("an error that says nothing")
	}
	return &farError{text: harmless(string(payload[n:])), kinds: kinds}
}

// harmless returns text without anything that a terminal could take for an order: what is not printable is written as Go would.
func harmless(text string) string {
	text = text[:min(len(text), maxText)]
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case unicode.IsPrint(r) && (r != utf8.RuneError || n > 1):
			b.WriteRune(r)
		case n == 1: // a control character, or a byte that is no text
			fmt.Fprintf(&b, "\\x%02x", text[i])
		case r > 0xffff:
			fmt.Fprintf(&b, "\\U%08x", r)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
		i += n
	}
	return b.String()
}

// oneFile makes err an error that concerns one file alone.
func oneFile(err error) error {
	if concernsOneFile(err) {
		return err
	}
	return fmt.Errorf("%w: %w", varve.ErrUnreadable, err)
}

// concernsOneFile reports whether an error of Open concerns that file alone.
func concernsOneFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, varve.ErrUnreadable)
}
