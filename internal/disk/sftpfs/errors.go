package sftpfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"varve"
	"varve/internal/disk"
	"varve/internal/sftp"
	"varve/internal/ssh"
)

// marked is an error that also matches a sentinel of package disk.
type marked struct {
	error
	sentinel error
}

func (e marked) Unwrap() []error { return []error{e.error, e.sentinel} }

// mark makes err match the sentinels of this house: what the protocol says of it, without the path that the request had.
func mark(err error) error {
	var known marked
	if errors.As(err, &known) {
		return marked{bare(known.error), known.sentinel}
	}
	err = bare(err)
	var said *sftp.StatusError
	switch {
	case errors.Is(err, sftp.ErrUnsupported):
		return marked{err, disk.ErrUnsupported}
	case errors.Is(err, sftp.ErrName):
		return marked{err, disk.ErrName}
	case errors.As(err, &said):
		if s := sentinel(said.Code); s != nil {
			return marked{err, s}
		}
	}
	return err
}

// bare returns err without the operation and path that a request had.
func bare(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// sentinel returns what a code of later versions of the protocol means, which some servers send; nil for any other.
func sentinel(code uint32) error {
	switch code {
	case sftp.CodeNoSpace, sftp.CodeQuota:
		return disk.ErrNoSpace
	case sftp.CodeNotEmpty:
		return disk.ErrNotEmpty
	case sftp.CodeNotDir:
		return disk.ErrKind
	}
	return nil
}

// wrap names the operation and the path of an error; nil stays nil.
func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: mark(err)}
}

// wrap2 is wrap for operations on two paths.
func wrap2(op, from, to string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: from, New: to, Err: mark(err)}
}

// vague reports whether a server refused without a reason that could be acted upon. OpenSSH has one code for a name that is taken, a
// disk that is full and a directory that is not empty, and says of a file on the way that it does not exist.
func vague(err error) bool {
	var explained marked
	var said *sftp.StatusError
	return errors.Is(err, sftp.ErrFailure) && !errors.As(err, &explained) && errors.As(err, &said) && sentinel(said.Code) == nil
}

// taken returns what err means given what is found at path: that the name is taken, or that there is no room.
func (t turn) taken(path string, err error) error {
	if !vague(err) {
		return err
	}
	_, looked := send(t, sftp.Lstat(path)).Wait(t.ctx)
	switch {
	case looked == nil:
		return fs.ErrExist
	case lost(looked):
		return looked
	}
	return t.full(onWire(parent(path)), err)
}

// full returns disk.ErrNoSpace in the place of err where there is no room on the file system that holds path.
func (t turn) full(path string, err error) error { return t.fuller(path, err, 0) }

// fuller is full, also where no more than spare bytes are free: what others gave up meanwhile may be free again when the question is asked.
func (t turn) fuller(path string, err error, spare int64) error {
	if !vague(err) {
		return err
	}
	s, asked := send(t, sftp.Statvfs(path)).Wait(t.ctx)
	switch {
	case lost(asked):
		return asked
	case asked == nil && s.Blocks > 0 && size(s.Available, s) <= spare, asked == nil && s.Files > 0 && s.FilesAvailable == 0:
		return marked{fmt.Errorf("%w: %w", disk.ErrNoSpace, bare(err)), disk.ErrNoSpace}
	}
	return err
}

// look asks what lies at path. found is false where there is nothing.
func (t turn) look(path string) (a sftp.Attrs, found bool, err error) {
	a, err = send(t, sftp.Lstat(path)).Wait(t.ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return a, false, nil
	}
	return a, err == nil, err
}

// wantKind returns an error where an object is not of the kind that is wanted.
func wantKind(a sftp.Attrs, want varve.Kind) error {
	if a.Kind() != want {
		return disk.ErrKind
	}
	return nil
}

// hopeless reports whether the first attempt to open a session failed for a reason that will be there the next time.
func hopeless(err error) bool {
	if !errors.Is(err, sftp.ErrLost) {
		return true
	}
	for _, reason := range [...]error{ssh.ErrHostKey, ssh.ErrLogin, ssh.ErrUnreachable, ssh.ErrCommand, sftp.ErrProtocol} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// neverMet says why there was no first session. What opening one says beside the reason is left out.
type neverMet struct{ error }

func (e neverMet) Error() string {
	text := strings.TrimPrefix(e.error.Error(), "open sftp session: ")
	return strings.TrimPrefix(text, sftp.ErrLost.Error()+": ")
}

func (e neverMet) Unwrap() []error { return []error{disk.ErrLost, e.error} }
