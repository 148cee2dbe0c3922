package sftpfs_test

import (
	"os"
	"sync/atomic"
	"testing"

	"varve/internal/disk"
	"varve/internal/disk/disktest"
	"varve/internal/disk/sftpfs"
	"varve/internal/sshtest"
)

func TestARealServerKeepsTheContract(t *testing.T) {
	t.Parallel()
	d := open(t, sshtest.Dir(t, -1), swift(sftpfs.Options{Mounts: true}))
	disktest.Run(t, fresh(d), disktest.Options{Root: os.Geteuid() == 0, Links: true, AnyName: true, ByPath: true})
}

func TestAServerWithoutExtensionsKeepsTheContract(t *testing.T) {
	t.Parallel()
	dial := dialHiding(t, sshtest.SFTPOptions{Ordinary: true}, all)
	d := open(t, sshtest.Dir(t, sshtest.Ordinary), swift(sftpfs.Options{Durable: true, Connections: 1, Dial: dial}))
	disktest.Run(t, fresh(d), disktest.Options{AnyName: true, ByPath: true, FixedSymlinks: true, NoSpace: true})
}

func TestADeniedServerKeepsWhatItCan(t *testing.T) {
	t.Parallel()
	const denied = "posix-rename,hardlink,fsync,statvfs,lsetstat,limits,users-groups-by-id"
	d := open(t, sshtest.Dir(t, -1), swift(sftpfs.Options{Durable: true, Dial: dial(t, sshtest.SFTPOptions{Args: []string{"-P", denied}})}))
	disktest.Run(t, fresh(d), disktest.Options{Root: os.Geteuid() == 0, AnyName: true, ByPath: true, FixedSymlinks: true, NoSpace: true})
}

// fresh returns what opens an empty directory on d.
func fresh(d *sftpfs.Disk) func(t *testing.T) disk.FS {
	var n atomic.Int64
	return func(t *testing.T) disk.FS {
		root := d.Root()
		defer root.Close()
		name := string([]byte{'a' + byte(n.Load()/26), 'a' + byte(n.Add(1)%26)})
		must(t, root.Mkdir(name, 0o755))
		f, err := root.OpenDir(name)
		must(t, err)
		return f
	}
}
