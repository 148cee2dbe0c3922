package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"varve"
	"varve/internal/disk"
	"varve/internal/location"
)

// local looks at a directory of this machine.
func (e *exam) local(s location.Spec) {
	p := &place{spec: s}
	if !e.find(p, e.openable) {
		return
	}
	p.open = func() (disk.FS, error) { return e.o.Location.Dir(p.path) }
	if !e.localLook(p) || !e.contents(p) {
		return
	}
	e.space(p)
	e.writing(p)
}

// openable opens a directory for a moment.
func (e *exam) openable(at string) error {
	dir, err := e.o.Location.Dir(at)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, disk.ErrKind) {
		return errNoDirectory
	}
	if err != nil {
		return err
	}
	return dir.Close()
}

// localLook looks at what lies in the directory, and at the file system that it is on.
func (e *exam) localLook(p *place) bool {
	if !e.begin("place") {
		return false
	}
	dir, err := p.open()
	if err != nil {
		e.wrong("place", "", "%s", reason(err))
		return false
	}
	defer dir.Close()
	if p.missing == "" {
		names, err := dir.Names()
		if err != nil {
			e.wrong("place", e.asWhom(p), "%s cannot be listed: %s", p.spec, reason(err))
			return false
		}
		p.more = len(names) > maxNames
		p.names = names[:min(len(names), maxNames)]
	}
	e.mounted(p)
	if space, err := dir.Space(); err == nil {
		p.room.known, p.room.total, p.room.free, p.room.pseudo = true, space.Total, space.Free, space.Pseudo
		p.room.inodes, p.room.freeNodes = inodes(p.path)
	}
	return e.tryReading(p, func(n disk.Name) error { return e.touchHere(p, dir, n) })
}

// touchHere opens and closes a file or directory.
func (e *exam) touchHere(p *place, dir disk.FS, n disk.Name) error {
	if n.Kind == varve.Dir {
		f, err := os.Open(filepath.Join(p.path, n.Name)) // a disk.FS opens directories also without the right to list them
		if err != nil {
			return err
		}
		return f.Close()
	}
	r, err := dir.Open(n.Name)
	if err != nil {
		return err
	}
	return r.Close()
}

// mounted says what file system the place is on.
func (e *exam) mounted(p *place) {
	text, err := os.ReadFile(e.o.mountinfo)
	real, unreal := filepath.EvalSymlinks(p.path)
	if err != nil || unreal != nil {
		return // not Linux, or no directory that the kernel knows
	}
	m, found := mountOf(parseMounts(string(text)), real)
	if !found {
		return
	}
	p.room.readOnly = m.readOnly
	at := filepath.Join(p.path, p.missing)
	switch {
	case m.kind == "fuse.sshfs":
		e.warn("mount", "name the place itself: "+command(m.from)+"\nvarve speaks SFTP, and gets over lost connections", "%s is reached by sshfs from %s", at, m.from)
	case m.isMemory():
		e.warn("mount", "use a disk for a store", "%s is in memory (%s on %s): nothing of it is left after a restart", at, m.kind, m.at)
	case m.at == "/" && looksUnmounted(at):
		e.warn("mount", "mount the disk that belongs there; if there is none, all is well", "%s is on the root file system: is a disk not mounted?", at)
	case m.isNetwork():
		e.note("mount", "with ssh, or varve, on that machine varve reaches it by itself: HOST:DIR or ssh://HOST/DIR", "%s is on another machine (%s, %s)", at, m.kind, m.from)
	case isImage(m.from):
		e.note("mount", "a store grows by itself and needs no image; a vault is encrypted", "%s is on a disk image (%s on %s)", at, m.kind, m.at)
	case m.at == real && p.missing == "":
		e.good("mount", "%s (%s) is mounted on it", m.from, m.kind)
	default:
		e.good("mount", "%s is part of the file system mounted on %s (%s)", at, m.at, m.kind)
	}
}

// isImage reports whether a device is a file that stands for one.
func isImage(from string) bool {
	matched, _ := filepath.Match("/dev/loop[0-9]*", from) // the pattern is right
	return matched
}
