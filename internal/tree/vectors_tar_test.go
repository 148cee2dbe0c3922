package tree_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"varve"
	"varve/internal/disk"
)

// unpack makes everything that an archive holds. The metadata of directories is set last.
func unpack(archive *tar.Reader, root disk.FS) error {
	var dirs []*tar.Header
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && h.Typeflag == tar.TypeDir {
			h.Name = strings.TrimSuffix(h.Name, "/")
			dirs = append(dirs, h)
		}
		if err == nil {
			err = in(root, h.Name, func(dir disk.FS, name string) error { return unpackOne(archive, h, root, dir, name) })
		}
		if err != nil {
			return err
		}
	}
	for _, h := range slices.Backward(dirs) {
		err := in(root, h.Name, func(dir disk.FS, name string) error {
			e := entryOf(h)
			return errors.Join(dir.Set(name, &e, varve.Mode), dir.Set(name, &e, varve.MTime))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// in calls do with the directory that holds a path.
func in(root disk.FS, path string, do func(dir disk.FS, name string) error) error {
	dir, err := disk.OpenPath(root, varve.Parent(path))
	if err != nil {
		return err
	}
	return do(dir, path[strings.LastIndexByte(path, '/')+1:])
}

func entryOf(h *tar.Header) varve.Entry {
	return varve.Entry{Mode: uint32(h.Mode), MTime: varve.TimeOf(h.ModTime)}
}

func unpackOne(archive io.Reader, h *tar.Header, root, dir disk.FS, name string) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return dir.Mkdir(name, 0o700)
	case tar.TypeSymlink:
		e := entryOf(h)
		return errors.Join(dir.Symlink(name, h.Linkname), dir.Set(name, &e, varve.MTime))
	case tar.TypeLink:
		return in(root, h.Linkname, func(from disk.FS, old string) error { return from.Link(old, dir, name) })
	case tar.TypeReg:
	default:
		return fmt.Errorf("%s: type %q", h.Name, h.Typeflag)
	}
	data, err := io.ReadAll(archive)
	if err != nil {
		return err
	}
	w, err := dir.Create(name, 0o600)
	if err != nil {
		return err
	}
	_, err = w.WriteAt(data, 0)
	e := entryOf(h)
	return errors.Join(err, w.Set(&e, varve.Mode), w.Set(&e, varve.MTime), w.Close())
}

// packer puts a disk into an archive.
type packer struct {
	*tar.Writer
	names map[uint64]string // of files with more than one, by inode
}

func (p *packer) pack(dir disk.FS, path string) error {
	names, err := dir.Names()
	if err != nil {
		return err
	}
	slices.SortFunc(names, func(a, b disk.Name) int { return strings.Compare(a.Name, b.Name) })
	for _, n := range names {
		if err := p.one(dir, n.Name, varve.Join(path, n.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) one(dir disk.FS, name, path string) error {
	info, err := dir.Lookup(name)
	if err != nil {
		return err
	}
	h := &tar.Header{Name: path, Mode: int64(info.Mode), ModTime: info.MTime.Time(), Uid: int(info.UID), Gid: int(info.GID), Format: tar.FormatPAX}
	switch first := p.names[info.Stamp.Ino]; {
	case info.Kind == varve.Dir:
		h.Typeflag, h.Name = tar.TypeDir, path+"/"
		below, err := dir.OpenDir(name)
		if err != nil {
			return err
		}
		defer below.Close()
		return errors.Join(p.WriteHeader(h), p.pack(below, path))
	case info.Kind == varve.Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, info.Target
		return p.WriteHeader(h)
	case first != "":
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return p.WriteHeader(h)
	}
	p.names[info.Stamp.Ino] = path
	h.Typeflag, h.Size = tar.TypeReg, info.Size
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(p, io.NewSectionReader(f, 0, info.Size))
	return err
}
