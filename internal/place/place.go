// Package place puts single objects on a disk: content with its holes, special files, and metadata in the order in which nothing
// undoes what was set before. The tree store and restore share it.
//
// It does not decide what goes where, nor what to do about things that already exist.
package place

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/digest"
	"varve/internal/disk"
)

// SourceError says that content could not be read, as opposed to written.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// Copier copies content; it owns a buffer and is used by one goroutine at a time.
type Copier struct {
	// Progress, where set, is told of every full buffer that was copied or summed, in bytes; not of the rest that follows.
	Progress func(n int64)

	buf  []byte
	hash *digest.Hash
}

// bufferSize is the unit of copying in bytes; small enough to stay in the processor's cache between reading, hashing and writing.
const bufferSize = 256 << 10

// NewCopier returns a Copier.
func NewCopier() *Copier { return &Copier{buf: make([]byte, bufferSize), hash: digest.New()} }

// Summed is a content stream whose source has hashed it on the way.
type Summed interface {
	io.Reader
	// Sum returns the digest of all bytes that Read has returned, at the end of the stream; false where nobody has hashed them so far.
	Sum() (varve.Digest, bool)
}

// sum returns the digest of p, which is all of src.
func sum(src io.Reader, p []byte) varve.Digest {
	if s, ok := src.(Summed); ok {
		if d, ok := s.Sum(); ok {
			return d
		}
	}
	return digest.Sum(p)
}

// Copy writes the content stream of a file with these holes and this size to w and returns its digest and length in bytes. A
// stream that ends early leaves the file short of size; one of unknown size has size 0. Errors of src are *SourceError values.
func (c *Copier) Copy(w disk.Writer, src io.Reader, size int64, holes []varve.Extent) (varve.Digest, int64, error) {
	n, end, err := c.fill(src)
	if err != nil {
		return varve.Digest{}, 0, err
	}
	if end && len(holes) == 0 {
		if n > 0 {
			_, err = w.WriteAt(c.buf[:n], 0)
		}
		return sum(src, c.buf[:n]), int64(n), err
	}
	c.hash.Reset()
	out := &spread{w: w, holes: holes}
	for {
		c.hash.Write(c.buf[:n])
		if err := out.write(c.buf[:n]); err != nil {
			return varve.Digest{}, 0, err
		}
		if end {
			break
		}
		if n, end, err = c.fill(src); err != nil {
			return varve.Digest{}, 0, err
		}
	}
	if out.off < size && len(holes) > 0 {
		err = w.Truncate(size)
	}
	return c.hash.Digest(), c.hash.Len(), err
}

// shareUnit is the size in bytes of the blocks in which CopyOnto looks for differences; as large as any file system's blocks.
const shareUnit = 64 << 10

// CopyOnto makes w, which holds what old holds, hold the plain content src instead, writing only the blocks that differ. It returns
// the digest and length of the content, and the number of bytes written. Errors of src are *SourceError values.
func (c *Copier) CopyOnto(w disk.Writer, old io.ReaderAt, src io.Reader) (sum varve.Digest, n, written int64, err error) {
	have := make([]byte, shareUnit)
	c.hash.Reset()
	for end := false; !end; {
		var got int
		if got, end, err = c.fill(src); err != nil {
			return sum, n, written, err
		}
		c.hash.Write(c.buf[:got])
		for part := range slices.Chunk(c.buf[:got], shareUnit) {
			m, err := old.ReadAt(have[:len(part)], n)
			if err != nil && err != io.EOF {
				m = 0 // written anew
			}
			if !bytes.Equal(have[:m], part) {
				if _, err := w.WriteAt(part, n); err != nil {
					return sum, n, written, err
				}
				written += int64(len(part))
			}
			n += int64(len(part))
		}
	}
	return c.hash.Digest(), n, written, w.Truncate(n)
}

// Sum reads a content stream and returns its digest and length in bytes. Errors of src are *SourceError values.
func (c *Copier) Sum(src io.Reader) (varve.Digest, int64, error) {
	n, end, err := c.fill(src)
	if err == nil && end {
		return sum(src, c.buf[:n]), int64(n), nil
	}
	for c.hash.Reset(); err == nil; n, end, err = c.fill(src) {
		c.hash.Write(c.buf[:n])
		if end {
			return c.hash.Digest(), c.hash.Len(), nil
		}
	}
	return varve.Digest{}, 0, err
}

// fill reads until the buffer is full or the stream ends.
func (c *Copier) fill(src io.Reader) (n int, end bool, err error) {
	for n < len(c.buf) {
		m, err := src.Read(c.buf[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, &SourceError{err}
		}
	}
	if c.Progress != nil {
		c.Progress(int64(n))
	}
	return n, false, nil
}

// spread writes a content stream around the holes.
type spread struct {
	w     disk.Writer
	holes []varve.Extent
	off   int64
}

func (s *spread) write(p []byte) error {
	for len(p) > 0 {
		for len(s.holes) > 0 && s.holes[0].Off == s.off {
			s.off += s.holes[0].Len
			s.holes = s.holes[1:]
		}
		n := int64(len(p))
		if len(s.holes) > 0 {
			n = min(n, s.holes[0].Off-s.off)
		}
		if _, err := s.w.WriteAt(p[:n], s.off); err != nil {
			return err
		}
		s.off += n
		p = p[n:]
	}
	return nil
}

// Special makes an object that is neither a regular file nor a directory. An error that Unkeepable reports leaves nothing behind.
func Special(dir disk.FS, name string, e *varve.Entry) error {
	if e.Kind == varve.Symlink {
		return dir.Symlink(name, e.Target)
	}
	return dir.Mknod(name, e.Kind, e.Mode, e.Rdev)
}

// Unkeepable reports whether err says that a place cannot hold something, or that the user may not make it, rather than that an
// operation failed.
func Unkeepable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, disk.ErrUnsupported)
}

// Setter is an object whose metadata can be set: an open file, or a name in a directory.
type Setter interface {
	Set(e *varve.Entry, aspect varve.Aspect) error
}

// Named is the object called Name in Dir, or Dir itself for ".".
type Named struct {
	Dir  disk.FS
	Name string
}

// Set sets one aspect of the object.
func (n Named) Set(e *varve.Entry, aspect varve.Aspect) error { return n.Dir.Set(n.Name, e, aspect) }

// Metadata gives an object the aspects of e that are in todo: owner, mode, extended attributes, modification time, flags, in this
// order, since each can undo a later one. It returns those that the place cannot hold; any other failure is an error. An object
// whose owner cannot be set does not get the set-ID bits, which would lend it the powers of another.
func Metadata(s Setter, e *varve.Entry, todo varve.Aspect) (unkept varve.Aspect, err error) {
	if e.Kind == varve.Symlink {
		todo &^= varve.Mode | varve.Flags
	}
	for _, aspect := range [...]varve.Aspect{varve.Owner, varve.Mode, varve.Xattrs, varve.MTime, varve.Flags} {
		if todo&aspect == 0 {
			continue
		}
		if aspect == varve.Mode && unkept&varve.Owner != 0 && e.Mode&0o6000 != 0 {
			plain := *e
			plain.Mode &^= 0o6000
			e, unkept = &plain, unkept|varve.Mode
		}
		if err := s.Set(e, aspect); Unkeepable(err) {
			unkept |= aspect
		} else if err != nil {
			return unkept, fmt.Errorf("metadata: %w", err)
		}
	}
	return unkept, nil
}

// HandedDown reports whether a directory passes the attribute x on to what is made in it: default ACLs, and the properties of btrfs.
func HandedDown(x varve.Xattr) bool {
	return x.Name == "system.posix_acl_default" || strings.HasPrefix(x.Name, "btrfs.")
}

// WithoutImposed returns the attributes that an object has without those that the system put there unasked, such as the label of
// SELinux: they can neither be removed nor count as a difference where want has none of that name.
func WithoutImposed(have, want []varve.Xattr) []varve.Xattr {
	extra := func(x varve.Xattr) bool {
		return Imposed(x.Name) && !slices.ContainsFunc(want, func(w varve.Xattr) bool { return w.Name == x.Name })
	}
	if !slices.ContainsFunc(have, extra) {
		return have
	}
	return slices.DeleteFunc(slices.Clone(have), extra)
}

// Imposed reports whether the system gives the attribute called name to what is made, and does not let go of it.
func Imposed(name string) bool {
	return name == "security.selinux" || strings.HasPrefix(name, "security.SMACK64")
}

// Needed returns the aspects of e that have to be set on an object that was just made with the mode bits e.Mode&0777 by a user
// with these IDs, where nothing is inherited from the directory.
func Needed(e *varve.Entry, uid, gid uint32) varve.Aspect {
	todo := varve.MTime
	if e.UID != uid || e.GID != gid {
		todo |= varve.Owner
	}
	if e.Mode&0o7000 != 0 {
		todo |= varve.Mode
	}
	if len(e.Xattrs) > 0 {
		todo |= varve.Xattrs
	}
	return todo
}
