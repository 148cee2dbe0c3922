//go:build linux

package freeze

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// What linux/btrfs.h says.
const (
	btrfsMagic      = 0x9123683E // of statfs(2)
	btrfsTop        = 256        // inode number of the top of every subvolume, and of nothing else
	btrfsHollow     = 2          // that of the empty directories which stand for subvolumes in a snapshot
	btrfsReadOnly   = 1 << 1     // BTRFS_SUBVOL_RDONLY
	btrfsCreate     = 23         // BTRFS_IOC_SNAP_CREATE_V2
	btrfsDestroy    = 15         // BTRFS_IOC_SNAP_DESTROY
	btrfsType       = 0x94       // BTRFS_IOCTL_MAGIC
	btrfsArgsLength = 4096
)

// createArgs is struct btrfs_ioctl_vol_args_v2.
type createArgs struct {
	fd     int64
	_      uint64
	flags  uint64
	_      [4]uint64
	name   [4039]byte
	ending byte
}

// destroyArgs is struct btrfs_ioctl_vol_args.
type destroyArgs struct {
	_      int64
	name   [4087]byte
	ending byte
}

// The kernel reads as much as btrfsRequest says.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(createArgs{})-btrfsArgsLength]
	_ = [1]struct{}{}[unsafe.Sizeof(destroyArgs{})-btrfsArgsLength]
)

// createSnapshot makes the read-only snapshot name, in dir, of the subvolume whose top is open.
func createSnapshot(dir, top *os.File, name string) error {
	args := createArgs{fd: int64(top.Fd()), flags: btrfsReadOnly}
	copy(args.name[:], name)
	err := ioctl(dir, btrfsCreate, unsafe.Pointer(&args))
	runtime.KeepAlive(top)
	return err
}

// destroySnapshot removes the subvolume name in dir.
func destroySnapshot(dir *os.File, name string) error {
	args := destroyArgs{}
	copy(args.name[:], name)
	return ioctl(dir, btrfsDestroy, unsafe.Pointer(&args))
}

func ioctl(dir *os.File, number uintptr, args unsafe.Pointer) error {
	for {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), btrfsRequest(number), uintptr(args))
		runtime.KeepAlive(dir)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return errno
		}
	}
}

// btrfsRequest is _IOW(BTRFS_IOCTL_MAGIC, number, struct of 4096 bytes), which some machines write in another way.
func btrfsRequest(number uintptr) uintptr {
	write := uintptr(1) << 30
	if strings.HasPrefix(runtime.GOARCH, "mips") || strings.HasPrefix(runtime.GOARCH, "ppc64") {
		write = 4 << 29
	}
	return write | btrfsArgsLength<<16 | btrfsType<<8 | number
}
