package doctor

import (
	"context"
	"errors"
	"io"
	"math"
	"path"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/sftpfs"
	"varve/internal/location"
	"varve/internal/sftp"
	"varve/internal/ssh"
)

// sftp looks at a place on an SFTP server: first through one session, as plainly as possible, then as varve does.
func (e *exam) sftp(s location.Spec) {
	session, c := e.connect(s)
	if session == nil {
		return
	}
	e.boxWays(s, c)
	p := &place{spec: s, box: c.isBox(s)}
	going := e.farLook(p, c, session)
	if err := session.Close(); err != nil || !going {
		return
	}
	d, err := e.farDisk(p)
	if err != nil {
		e.wrong("place", "", "%s", reason(err))
		return
	}
	p.open = func() (disk.FS, error) { return d.Root(), nil }
	if e.contents(p) {
		e.space(p)
		e.writing(p)
		e.clock(d.Clock())
		e.lacks(p, d)
	}
	_ = d.Close() // nothing is under way
}

// boxWays says what is peculiar to a storage box.
func (e *exam) boxWays(s location.Spec, c settings) {
	if !c.isBox(s) {
		return
	}
	if c.port != boxPort {
		e.note("storage box", "sftp://"+c.user+"@"+c.host+":23/", "port %s has SFTP alone, and wants keys in the form of RFC 4716; port 23 takes those of OpenSSH", c.port)
	}
	if path.IsAbs(s.Path) {
		e.note("storage box", "write the path without a slash at the beginning", "paths are best relative to the login directory: some names cannot be made at the top")
	}
}

// farLook looks at what needs nothing but one session. False where there is nothing more to look at.
func (e *exam) farLook(p *place, c settings, session *sftp.Session) bool {
	if !e.roundTrip(session) {
		return false
	}
	e.extensions(session)
	e.sessions(p.spec, c)
	open := func(at string) error {
		a, err := sftp.Do(e.ctx, session, sftp.Stat(at))
		if err == nil && a.Kind() != varve.Dir {
			err = errNoDirectory
		}
		return err
	}
	if !e.find(p, open) || !e.begin("place") {
		return false
	}
	e.farRoom(p, session)
	if p.missing == "" && !e.farNames(p, session) {
		return false
	}
	return e.tryReading(p, func(n disk.Name) error { return touch(e.ctx, session, path.Join(p.path, n.Name), n.Kind) })
}

// touch opens and closes a file or directory.
func touch(ctx context.Context, session *sftp.Session, at string, kind varve.Kind) error {
	open := sftp.Opendir(at)
	if kind == varve.Regular {
		open = sftp.OpenFile(at, sftp.FlagRead, sftp.Attrs{})
	}
	h, err := sftp.Do(ctx, session, open)
	if err == nil {
		_, err = sftp.Do(ctx, session, sftp.Close(h))
	}
	return err
}

// maxNames is how many names of a place are looked at.
const maxNames = 10_000

// farNames reads what lies in the place.
func (e *exam) farNames(p *place, session *sftp.Session) bool {
	for item, err := range session.ListDir(e.ctx, p.path) {
		switch {
		case err != nil:
			e.wrong("place", e.asWhom(p), "%s cannot be listed: %s", p.spec, reason(err))
			return false
		case len(p.names) == maxNames:
			p.more = true
			return true
		}
		p.names = append(p.names, disk.Name{Name: item.Name, Kind: item.Attrs.Kind()})
	}
	return true
}

// farRoom asks for the room, and whether something is mounted there.
func (e *exam) farRoom(p *place, session *sftp.Session) {
	s, err := sftp.Do(e.ctx, session, sftp.Statvfs(p.path))
	if err != nil {
		return
	}
	unit := s.FragmentSize
	if unit == 0 {
		unit = max(s.BlockSize, 1)
	}
	bytes := func(blocks uint64) int64 {
		if blocks > math.MaxInt64/unit {
			return math.MaxInt64
		}
		return int64(blocks * unit)
	}
	p.room = room{known: true, total: bytes(s.Blocks), free: min(bytes(s.Available), bytes(s.Blocks)), inodes: s.Files, freeNodes: s.FilesAvailable,
		readOnly: s.Flags&1 != 0, pseudo: s.Blocks == 0}
	above, err := sftp.Do(e.ctx, session, sftp.Statvfs(path.Join(p.path, "..")))
	switch {
	case err != nil || s.ID == 0 || p.missing != "":
	case above.ID != s.ID:
		e.good("mount", "a file system of its own is mounted on %s", shown(p.path))
	default:
		e.good("mount", "%s is a directory of a larger file system", shown(p.path))
	}
}

// A server may need a moment to see that a session has ended before it grants another one.
const (
	redials   = 5
	redialGap = 300 * time.Millisecond
)

// farDisk opens the place as varve does, with one session.
func (e *exam) farDisk(p *place) (*sftpfs.Disk, error) {
	o := sftpfs.Options{Connections: 1, GiveUp: e.o.Patience, Random: e.o.Random, Now: e.o.Now}
	o.Dial = func(ctx context.Context) (io.ReadWriteCloser, error) {
		conn, err := e.dial(ctx, p.spec, e.o.Location.Reach)
		if err != nil {
			return nil, err // not a nil *ssh.Conn in an interface
		}
		return conn, nil
	}
	for try := 1; ; try++ {
		if !e.startSSH("connection") {
			return nil, e.ctx.Err()
		}
		d, err := sftpfs.Open(e.ctx, p.path, o)
		if err == nil || !errors.Is(err, ssh.ErrUnreachable) || try == redials {
			return d, err
		}
		select {
		case <-time.After(redialGap):
		case <-e.ctx.Done():
			return nil, e.ctx.Err()
		}
	}
}

// How far apart the clocks may be.
const (
	smallSkew = 2 * time.Second
	largeSkew = time.Hour
)

// clock says how far the clock there is ahead.
func (e *exam) clock(ahead time.Duration, known bool) {
	if !known {
		return
	}
	which := "ahead of this one"
	if ahead < 0 {
		ahead, which = -ahead, "behind this one"
	}
	const mend = "set both by NTP; varve never relies on the other one, but people and retention read the times"
	switch {
	case ahead > largeSkew:
		e.wrong("clock", mend, "the clock there is about %s %s", ageText(ahead), which)
	case ahead > smallSkew:
		e.warn("clock", mend, "the clock there is %v %s", ahead, which)
	default:
		e.good("clock", "the clocks agree to about a second")
	}
}
