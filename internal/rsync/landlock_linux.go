package rsync

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"syscall"
	"unsafe"
)

// Rights that Landlock knows; linux/landlock.h and landlock(7).
const (
	mayExecute uint64 = 1 << iota
	mayWriteFile
	mayReadFile
	mayReadDir
	mayRemoveDir
	mayRemoveFile
	mayMakeChar
	mayMakeDir
	mayMakeReg
	mayMakeSock
	mayMakeFIFO
	mayMakeBlock
	mayMakeSym
	mayRefer    // since version 2: link and rename between directories
	mayTruncate // since version 3
	mayIoctlDev // since version 5
)

// onFiles are the rights that concern a file; the others concern directories alone.
const onFiles = mayExecute | mayWriteFile | mayReadFile | mayTruncate | mayIoctlDev

// Rights to ports, since version 4, and what does not leave the cage, since version 6.
const (
	mayBindTCP uint64 = 1 << iota
	mayConnectTCP
)
const (
	scopeAbstractSockets uint64 = 1 << iota
	scopeSignals
)

// Numbers of system calls, which are the same on all machines but those in callOffset.
const (
	sysCreateRuleset = 444
	sysAddRule       = 445
	sysRestrictSelf  = 446
)

// callOffset is what is added to new system calls' numbers.
var callOffset = map[string]uintptr{"mips": 4000, "mipsle": 4000, "mips64": 5000, "mips64le": 5000}

const (
	createVersion   = 1 // flag: tell the version
	rulePathBeneath = 1
	ruleNetPort     = 2
	openPath        = 0x200000 // O_PATH
	leastLandlock   = 2        // the first version that can allow hard links between directories
)

// ruleset is a Landlock ruleset being put together. It closes with close.
type ruleset struct {
	fd      int
	handled uint64 // rights on files that this kernel knows
	net     bool   // it knows ports
}

// landlockVersion returns the version of the kernel's Landlock; 0 where it has none.
func landlockVersion() int {
	n, _, errno := syscall.Syscall(sysCreateRuleset+callOffset[runtime.GOARCH], 0, 0, createVersion)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// newRuleset begins a ruleset that denies all the kernel can deny. ErrUncaged where that is not enough.
func newRuleset() (*ruleset, error) {
	version := landlockVersion()
	if version < leastLandlock {
		return nil, ErrUncaged
	}
	attr := struct{ files, net, scoped uint64 }{files: mayRefer<<1 - 1}
	size := unsafe.Sizeof(attr.files)
	if version >= 3 {
		attr.files |= mayTruncate
	}
	if version >= 4 {
		attr.net = mayBindTCP | mayConnectTCP
		size += unsafe.Sizeof(attr.net)
	}
	if version >= 5 {
		attr.files |= mayIoctlDev
	}
	if version >= 6 {
		attr.scoped = scopeAbstractSockets | scopeSignals
		size += unsafe.Sizeof(attr.scoped)
	}
	fd, _, errno := syscall.Syscall(sysCreateRuleset+callOffset[runtime.GOARCH], uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return nil, fmt.Errorf("create Landlock ruleset: %w", errno)
	}
	syscall.CloseOnExec(int(fd))
	return &ruleset{fd: int(fd), handled: attr.files, net: attr.net != 0}, nil
}

func (r *ruleset) close() error { return syscall.Close(r.fd) }

// allow gives rights to path and what lies below it; to the target, where it is a symlink.
func (r *ruleset) allow(path string, rights uint64) error {
	fd, err := syscall.Open(path, openPath|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		rights &= onFiles
	}
	attr := struct { // as the kernel packs it: 12 bytes
		rights [8]byte
		parent int32
	}{parent: int32(fd)}
	binary.NativeEndian.PutUint64(attr.rights[:], rights&r.handled)
	if err := r.add(rulePathBeneath, unsafe.Pointer(&attr)); err != nil {
		return &fs.PathError{Op: "allow", Path: path, Err: err}
	}
	return nil
}

// allowIfThere is allow where there is such a path.
func (r *ruleset) allowIfThere(path string, rights uint64) error {
	err := r.allow(path, rights)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// connect allows connections to a TCP port of any host, where the kernel can tell.
func (r *ruleset) connect(port int) error {
	if !r.net {
		return nil
	}
	attr := struct{ rights, port uint64 }{mayConnectTCP, uint64(port)}
	if err := r.add(ruleNetPort, unsafe.Pointer(&attr)); err != nil {
		return fmt.Errorf("allow port %d: %w", port, err)
	}
	return nil
}

func (r *ruleset) add(kind uintptr, attr unsafe.Pointer) error {
	_, _, errno := syscall.Syscall6(sysAddRule+callOffset[runtime.GOARCH], uintptr(r.fd), kind, uintptr(attr), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// enforce confines the calling thread, and what it starts, for good. The thread must have given up gaining privileges.
func (r *ruleset) enforce() error {
	_, _, errno := syscall.Syscall(sysRestrictSelf+callOffset[runtime.GOARCH], uintptr(r.fd), 0, 0)
	if errno != 0 {
		return fmt.Errorf("enforce Landlock ruleset: %w", errno)
	}
	return nil
}
