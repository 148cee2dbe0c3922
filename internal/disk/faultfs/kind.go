package faultfs

import (
	"io"
	"strings"
	"syscall"

	"varve/internal/disk"
)

// Kind is a way to fail together with the calls that can fail in it.
type Kind struct {
	// Name is a few words for the names of tests.
	Name   string
	Fault  Fault
	Sticky bool
	// On says which calls the kind concerns; nil stands for all.
	On func(Op) bool
}

// At returns an injector that lets the n-th of the calls that k concerns fail.
func (k Kind) At(n int) *Injector {
	return &Injector{At: n, Filter: k.On, Fault: k.Fault, Sticky: k.Sticky}
}

// Kinds returns every way to fail that a program must survive.
func Kinds() []Kind {
	return []Kind{
		{Name: "EIO", Fault: Fault{Err: syscall.EIO}},
		{Name: "EACCES", Fault: Fault{Err: syscall.EACCES}},
		{Name: "EINTR", Fault: Fault{Err: syscall.EINTR}},
		{Name: "ESTALE", Fault: Fault{Err: syscall.ESTALE}},
		{Name: "EMFILE", Fault: Fault{Err: syscall.EMFILE}, On: Opens},
		{Name: "ENOSPC", Fault: Fault{Err: syscall.ENOSPC}, On: Writes},
		{Name: "EDQUOT", Fault: Fault{Err: syscall.EDQUOT}, On: Writes},
		{Name: "EROFS", Fault: Fault{Err: syscall.EROFS}, On: Writes},
		{Name: "short read", Fault: Fault{Err: syscall.EIO, Effect: Half}, On: method("Reader.ReadAt")},
		{Name: "early end", Fault: Fault{Err: io.EOF, Effect: Half}, On: method("Reader.ReadAt")},
		{Name: "short write", Fault: Fault{Err: syscall.ENOSPC, Effect: Half}, On: method("Writer.WriteAt")},
		{Name: "torn write", Fault: Fault{Err: syscall.EIO, Effect: Half}, On: method("Writer.WriteAt")},
		{Name: "failing sync", Fault: Fault{Err: syscall.EIO}, On: Syncs},
		{Name: "lost answer", Fault: Fault{Err: syscall.EIO, Effect: Whole}, On: Writes},
		{Name: "full from now on", Fault: Fault{Err: syscall.ENOSPC}, Sticky: true, On: grows},
		{Name: "read-only from now on", Fault: Fault{Err: syscall.EROFS}, Sticky: true, On: Writes},
		{Name: "dead from now on", Fault: Fault{Err: syscall.EIO}, Sticky: true},
		{Name: "killed before", Fault: Kill(Nothing)},
		{Name: "killed within", Fault: Kill(Half), On: method("Writer.WriteAt")},
		{Name: "killed after", Fault: Kill(Whole)},
	}
}

// Opens reports whether op needs a new descriptor.
func Opens(op Op) bool {
	switch op.Method {
	case "FS.OpenDir", "FS.Open", "FS.Create", "FS.Lock":
		return true
	}
	return false
}

// Writes reports whether op changes what is on the disk, or makes it durable; closing a file that was written is among them.
func Writes(op Op) bool {
	switch op.Method {
	case "FS.Create", "FS.Mkdir", "FS.Symlink", "FS.Mknod", "FS.Link", "FS.Rename", "FS.Replace", "FS.Remove", "FS.Rmdir", "FS.Set",
		"FS.Sync", "FS.SyncAll", "FS.Lock":
		return true
	}
	return strings.HasPrefix(op.Method, "Writer.")
}

// Syncs reports whether op makes something durable.
func Syncs(op Op) bool {
	return op.Method == "Writer.Sync" || op.Method == "FS.Sync" || op.Method == "FS.SyncAll"
}

// grows reports whether op takes room on the disk.
func grows(op Op) bool {
	switch op.Method {
	case "FS.Remove", "FS.Rmdir", "FS.Lock", "Writer.Truncate", "Writer.Close":
		return false
	}
	return Writes(op)
}

func method(name string) func(Op) bool {
	return func(op Op) bool { return op.Method == name }
}

// marked is a system call's error that also matches a sentinel of package disk.
type marked struct {
	error
	sentinel error
}

// Unwrap returns both.
func (m marked) Unwrap() []error { return []error{m.error, m.sentinel} }

// mark makes err match the sentinel it stands for.
func mark(err error) error {
	switch err {
	case syscall.ENOSPC, syscall.EDQUOT:
		return marked{err, disk.ErrNoSpace}
	case syscall.ENOTEMPTY:
		return marked{err, disk.ErrNotEmpty}
	case syscall.EMLINK:
		return marked{err, disk.ErrTooManyLinks}
	case syscall.EXDEV:
		return marked{err, disk.ErrCrossDevice}
	case syscall.EOPNOTSUPP, syscall.ENOSYS:
		return marked{err, disk.ErrUnsupported}
	}
	return err
}
