package location

import (
	"context"
	"fmt"
	"io"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/osfs"
	"varve/internal/disk/sftpfs"
	"varve/internal/ssh"
)

// Reach says how other machines are reached. The zero value runs ssh as its own configuration says, and never asks anybody.
type Reach struct {
	// SSH is the ssh program with its first arguments; nil for ssh.
	SSH []string
	// Interactive lets ssh ask on the terminal.
	Interactive bool
	// Connections is how many sessions there are with one SFTP server at once; 0 for 4.
	Connections int
	// Program is the name of varve on the other side of an ssh:// place; empty for varve.
	Program string
	// Version is the name and version of this program, told to a varve on the other side.
	Version string
	// Warn, where set, is told what went wrong and was got over, by several goroutines.
	Warn func(error)
	// Stopped, where set, is closed when the program is to end: then nobody waits for a machine that says nothing any more.
	Stopped <-chan struct{}
	// Dialled, where set, is called for each connection that is about to be made, by several goroutines.
	Dialled func()
}

// site is the disk on which a place lies.
type site struct {
	spec Spec
	// open opens a directory by its path, whose symlinks are followed.
	open func(path string) (disk.FS, error)
	// far is what everything is opened through on an SFTP server; nil on this machine, and before something was opened.
	far *sftpfs.Disk
}

// site returns the disk that s is on. durable says that a file is to be durable once it is closed, where nothing less would let a store
// build on what an interrupted run has left there.
func (o Options) site(ctx context.Context, s Spec, durable bool) (*site, error) {
	at := &site{spec: s}
	switch {
	case s.Scheme == Local && o.OpenDir != nil:
		at.open = o.OpenDir
	case s.Scheme == Local:
		at.open = osfs.Open
	case s.Scheme == SFTP:
		at.open = func(path string) (disk.FS, error) {
			if err := at.connect(ctx, o.Reach, sftpfs.Options{Durable: durable}); err != nil {
				return nil, err
			}
			return at.far.Dir(path)
		}
	case s.Scheme == SSH:
		return nil, marked{fmt.Errorf("%s: files go to another machine over SFTP, as HOST:DIR or sftp://HOST/DIR", s), ErrScheme}
	default:
		return nil, marked{fmt.Errorf("%s: an rsync daemon has sources, and keeps neither stores nor what is restored", s), ErrScheme}
	}
	return at, nil
}

// connect connects to the SFTP server, unless it is connected.
func (s *site) connect(ctx context.Context, r Reach, opts sftpfs.Options) (err error) {
	if s.far != nil {
		return nil
	}
	opts.Connections, opts.Warn = r.Connections, r.Warn
	opts.Dial = func(ctx context.Context) (io.ReadWriteCloser, error) {
		return r.dial(ctx, s.spec, ssh.Subsystem("sftp"))
	}
	s.far, err = sftpfs.Open(ctx, "", opts)
	return err
}

// untold returns the aspects that the disk does not tell of what lies there; see tree.Options.
func (s *site) untold() varve.Aspect {
	if s.far == nil {
		return 0
	}
	untold := varve.Type | varve.Xattrs | varve.MTime
	if !s.far.Abilities().TellsOwners {
		untold |= varve.Owner
	}
	return untold
}

// dial runs a service on the machine of s.
func (r Reach) dial(ctx context.Context, s Spec, service ssh.Service) (*ssh.Conn, error) {
	if r.Dialled != nil {
		r.Dialled()
	}
	return ssh.Dial(ctx, s.Target, service, ssh.Options{Command: r.SSH, Interactive: r.Interactive, Stopped: r.Stopped})
}

// Close ends the connection.
func (s *site) Close() error {
	if s.far == nil {
		return nil
	}
	d := s.far
	s.far = nil
	return d.Close()
}
