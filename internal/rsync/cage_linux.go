package rsync

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Rights of the cage. What is linked or renamed from one directory into another must not gain rights on the way: files have no more
// of them in the stage than in older snapshots and in transit.
const (
	mayRun      = mayExecute | mayReadFile | mayReadDir
	mayLink     = mayReadFile | mayReadDir | mayRefer
	mayArrange  = mayLink | mayRemoveDir | mayRemoveFile | mayMakeChar | mayMakeDir | mayMakeReg | mayMakeSock | mayMakeFIFO | mayMakeBlock | mayMakeSym
	mayFill     = mayWriteFile | mayTruncate
	mayTransit  = mayLink | mayFill | mayRemoveFile | mayMakeReg | mayMakeSym | mayMakeSock | mayMakeFIFO
	portDomains = 53
)

// programDirs hold programs and libraries.
var programDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"}

// systemFiles are read by the C library and by OpenSSL.
var systemFiles = []string{
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
	"/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/crypto-policies", "/dev/zero", "/dev/random", "/dev/urandom",
}

// networkFiles are read to find a host.
var networkFiles = []string{"/etc/hosts", "/etc/resolv.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/protocols", "/run/systemd/resolve"}

// rules returns what confines rsync.
func (c *cage) rules(program string) (*ruleset, error) {
	r, err := newRuleset()
	if err != nil {
		return nil, err
	}
	if err := c.fill(r, program); err != nil {
		return nil, errors.Join(fmt.Errorf("confine rsync: %w", err), r.close())
	}
	return r, nil
}

func (c *cage) fill(r *ruleset, program string) error {
	for _, dir := range programDirs {
		if err := r.allowIfThere(dir, mayRun); err != nil {
			return err
		}
	}
	files := systemFiles
	if c.port != 0 {
		files = append(files[:len(files):len(files)], networkFiles...)
	}
	for _, file := range files {
		if err := r.allowIfThere(file, mayReadFile|mayReadDir); err != nil {
			return err
		}
	}
	if err := r.allowIfThere("/dev/null", mayReadFile|mayWriteFile); err != nil {
		return err
	}
	if err := r.allow(program, mayRun); err != nil {
		return err
	}
	return errors.Join(c.fillTree(r), c.fillNet(r))
}

// fillTree allows what rsync does to files.
func (c *cage) fillTree(r *ruleset) error {
	shared := mayLink
	arrange := mayArrange
	if c.transit == "" {
		shared |= mayFill
		arrange |= mayFill
	} else if err := r.allow(c.transit, mayTransit); err != nil {
		return err
	}
	for _, dir := range c.links {
		if err := r.allow(dir, shared); err != nil {
			return err
		}
	}
	return r.allow(c.stage, arrange)
}

func (c *cage) fillNet(r *ruleset) error {
	if c.port == 0 {
		return nil
	}
	return errors.Join(r.connect(c.port), r.connect(portDomains))
}

// Numbers of linux/prctl.h and linux/capability.h.
const (
	prReadBounding = 23
	prDropBounding = 24
	prNoNewPrivs   = 38

	capSysAdmin = 21
	lastCap     = 63
)

// fileCaps are the capabilities that files take: chown, dac_override, dac_read_search, fowner, fsetid, mknod, setfcap.
var fileCaps = map[uintptr]bool{0: true, 1: true, 2: true, 3: true, 4: true, 27: true, 31: true}

// giveUp makes sure that the calling thread, and what it starts, gains no privileges, and that a program that root starts gets the
// capabilities that files need alone. errRights where they cannot be taken from it.
func (c *cage) giveUp() error {
	err := c.dropCapabilities()
	if err != nil && os.Geteuid() == 0 { // what others start has none
		return fmt.Errorf("%w: %w", errRights, err)
	}
	if _, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, prNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("give up privileges: %w", errno)
	}
	return nil
}

// errRights says that root's capabilities cannot be taken from rsync.
var errRights = errors.New("root's capabilities cannot be taken from rsync (CAP_SETPCAP is missing)")

// dropCapabilities takes capabilities out of the set that a program can get. Attributes of the name space trusted need one that is good for
// much else.
func (c *cage) dropCapabilities() error {
	for n := uintptr(0); n <= lastCap; n++ {
		if fileCaps[n] || n == capSysAdmin && c.attributes {
			continue
		}
		has, _, errno := syscall.Syscall(syscall.SYS_PRCTL, prReadBounding, n, 0)
		switch {
		case errno == syscall.EINVAL: // this kernel has no more
			return nil
		case errno == 0 && has == 0:
			continue
		case errno == 0:
			_, _, errno = syscall.Syscall(syscall.SYS_PRCTL, prDropBounding, n, 0)
		}
		if errno != 0 {
			return fmt.Errorf("give up capability %d: %w", n, errno)
		}
	}
	return nil
}

// leaveNetwork takes the calling thread, and what it starts, out of all networks, as far as it may. It returns what somebody has to know
// where nothing keeps rsync from them; rules are those that it will be confined with, nil for none.
func (c *cage) leaveNetwork(rules *ruleset) (warning string) {
	if c.port != 0 {
		return ""
	}
	return openNetwork(syscall.Unshare(syscall.CLONE_NEWNET), rules)
}

// openNetwork returns what leaveNetwork does, where err says why a network of its own cannot be had.
func openNetwork(err error, rules *ruleset) (warning string) {
	if err == nil || rules == nil || rules.net {
		return ""
	}
	return "nothing keeps rsync from the network: Landlock can close TCP from Linux 6.7 on, and a network of its own cannot be had: " + err.Error()
}

// awaitInput waits until something can be read from f, or it ends.
func awaitInput(f *os.File, silence time.Duration) error {
	deadline := time.Now().Add(silence)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("read %s: %w", f.Name(), os.ErrDeadlineExceeded)
		}
		p := struct {
			fd              int32
			events, revents int16
		}{fd: int32(f.Fd()), events: 1}
		t := syscall.NsecToTimespec(int64(left))
		n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&t)), 0, 0, 0)
		switch {
		case errno != 0 && errno != syscall.EINTR:
			return os.NewSyscallError("ppoll", errno)
		case errno == 0 && n > 0:
			return nil
		}
	}
}

// landlocked reports whether the kernel can confine rsync.
func landlocked() bool { return landlockVersion() >= leastLandlock }
