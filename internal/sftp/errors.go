package sftp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sentinels that callers branch on.
var (
	// ErrUnsupported says that the server does not know the request, or did not offer the extension it belongs to.
	ErrUnsupported = errors.New("not supported by the server")
	// ErrFailure is what a server answers that has no better word: the name exists, the disk is full, the directory is not
	// empty, the device failed.
	ErrFailure = errors.New("failure")
	// ErrLost says that the session has ended; whether a request was carried out is unknown. It wraps the cause.
	ErrLost = errors.New("session lost")
	// ErrProtocol says that the server broke the protocol, which ended the session. It comes together with ErrLost from requests
	// that were under way.
	ErrProtocol = errors.New("the server breaks the SFTP protocol")
	// ErrName says that a name is no single element, or that a path or link target cannot be one.
	ErrName = errors.New("not a valid file name")
)

var (
	errStalled = errors.New("stalled: no answer")
	errClosed  = errors.New("closed")
)

// Codes of a StatusError. The protocol's version 3 ends with CodeUnsupported; some servers send codes of later versions all the same.
const (
	CodeOK           = 0
	CodeEOF          = 1
	CodeNotExist     = 2
	CodePermission   = 3
	CodeFailure      = 4
	CodeBadMessage   = 5 // OpenSSH sends it for EINVAL and ENAMETOOLONG
	CodeUnsupported  = 8
	CodeNoPath       = 10
	CodeExist        = 11
	CodeWriteProtect = 12
	CodeNoSpace      = 14
	CodeQuota        = 15
	CodeNotEmpty     = 18
	CodeNotDir       = 19
)

// StatusError is a server's refusal. It matches fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, ErrUnsupported, or else ErrFailure.
// OpenSSH says fs.ErrNotExist also of a path that goes through something that is not a directory or through too many symlinks, and
// of a handle that it does not know.
type StatusError struct {
	Code uint32
	// Message is what the server says, harmless to print, at most about 200 bytes.
	Message string
}

// Error returns the meaning of the code, and what the server says where that is something else.
func (e *StatusError) Error() string {
	words := e.kind().Error()
	switch e.Code {
	case CodeNotExist, CodeNoPath:
		words = "no such file"
	case CodePermission, CodeWriteProtect, CodeFailure, CodeUnsupported, CodeExist:
	case CodeBadMessage:
		words = "bad message"
	default:
		words = fmt.Sprintf("%s (code %d)", words, e.Code)
	}
	if e.Message == "" || strings.EqualFold(e.Message, words) {
		return words
	}
	return words + ": " + e.Message
}

// Is reports whether the code means target.
func (e *StatusError) Is(target error) bool { return target == e.kind() }

func (e *StatusError) kind() error {
	switch e.Code {
	case CodeNotExist, CodeNoPath:
		return fs.ErrNotExist
	case CodePermission, CodeWriteProtect:
		return fs.ErrPermission
	case CodeExist:
		return fs.ErrExist
	case CodeUnsupported:
		return ErrUnsupported
	}
	return ErrFailure
}

// status takes the fields of a STATUS packet. The error is nil for success, io.EOF, or a *StatusError. Servers older than the
// protocol's version 3 leave out the message.
func (d *decoder) status() error {
	code := d.uint32()
	switch {
	case d.err != nil:
		return d.err
	case code == CodeOK:
		return nil
	case code == CodeEOF:
		return io.EOF
	case len(d.data) == 0:
		return &StatusError{Code: code}
	}
	message := d.bytes()
	if d.err != nil {
		return d.err
	}
	return &StatusError{Code: code, Message: harmless(message)}
}

// wordsMax is how many bytes of what a server says are kept.
const wordsMax = 200

// harmless returns the beginning of text with everything that a terminal could obey written out.
func harmless[S ~string | ~[]byte](text S) string {
	var b strings.Builder
	rest := string(text[:min(len(text), wordsMax)])
	for len(rest) > 0 {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		rest = rest[n:]
	}
	if len(text) > wordsMax {
		b.WriteString("...")
	}
	return b.String()
}

// checkName returns ErrName where name is not a single element.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%w: \"%s\"", ErrName, harmless(name))
	}
	return nil
}

// checkPath returns ErrName where path is empty or holds a NUL, which no path on a disk can.
func checkPath(path string) error {
	if path == "" || strings.ContainsRune(path, 0) {
		return fmt.Errorf("%w: \"%s\"", ErrName, harmless(path))
	}
	return nil
}
