//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/sshtest"
)

// service is a server that stores lie on.
type service struct {
	name string
	// denied are requests that its sftp-server refuses. Where it is set the server is reached without an sshd, which says nothing about them.
	denied string
	opts   sshtest.Options
	long   bool // left out of short tests
}

var services = []service{
	{name: "root's"},
	{name: "without hard links", denied: "hardlink"},
	{name: "without posix-rename", denied: "posix-rename", long: true},
	{name: "without fsync", denied: "fsync", long: true},
	{name: "without setstat", denied: "setstat,fsetstat,lsetstat"},
	{name: "without fsetstat", denied: "fsetstat", long: true},
	{name: "without lsetstat", denied: "lsetstat", long: true},
	{name: "without setstat by name", denied: "setstat", long: true},
	{name: "without symlinks", denied: "symlink", long: true},
	{name: "without statvfs and limits", denied: "statvfs,fstatvfs,limits", long: true},
	{name: "version 3 and nothing more", denied: "posix-rename,statvfs,fstatvfs,hardlink,fsync,lsetstat,limits,expand-path,copy-data,home-directory,users-groups-by-id"},
	{name: "a user's without chown", opts: sshtest.Options{User: "box"}, long: true},
	{name: "a box without a shell", opts: sshtest.Options{User: "box", Chroot: true, MaxConns: 10}},
	{name: "a box with one connection", opts: sshtest.Options{User: "box", Chroot: true, MaxConns: 1}, long: true},
}

// host is one of them at work.
type host struct {
	service
	*user
	dir string // a directory of this machine in which stores can be made
	far string // the same as a place
}

// start starts the server.
func (s service) start(t *testing.T) *host {
	t.Helper()
	if s.denied != "" {
		h := &host{service: s, user: newUser(t, standIn(t, "-P", s.denied)), dir: sshtest.Dir(t, -1)}
		h.far = "far:" + h.dir + "/"
		return h
	}
	server := sshtest.Start(t, s.opts)
	h := &host{s, newUser(t, server.Command()), server.Dir, "far:" + server.Home + "/"}
	if s.opts.MaxConns == 1 {
		h.ready = func() { // the server has noticed the end of the last connection
			resting(t, "the end of a connection", func() bool { return server.Counts().Open == 0 })
		}
	}
	return h
}

// standIn returns a command that takes the place of ssh and runs sftp-server with these arguments on this machine.
func standIn(t *testing.T, args ...string) []string {
	t.Helper()
	var program string
	for _, dir := range []string{"/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec"} {
		if _, err := os.Stat(dir + "/sftp-server"); err == nil {
			program = dir + "/sftp-server"
		}
	}
	if program == "" {
		skip(t, "sftp-server is missing")
	}
	path := filepath.Join(sshtest.Dir(t, -1), "ssh")
	ok(t, os.WriteFile(path, fmt.Appendf(nil, "exec %s %s\n", program, strings.Join(args, " ")), 0o644))
	return []string{"/bin/sh", path}
}

// everywhere does something on every server at once, on one with a single connection one thing after the other.
func everywhere(t *testing.T, hosts []*host, what string, do func(h *host, kind string)) {
	t.Helper()
	t.Run(what, func(t *testing.T) {
		for _, h := range hosts {
			t.Run(h.name, func(t *testing.T) {
				t.Parallel()
				for _, kind := range []string{"tree", "vault"} {
					t.Run(kind, func(t *testing.T) {
						if h.opts.MaxConns != 1 {
							t.Parallel()
						}
						at := *h
						at.user = h.in(t)
						do(&at, kind)
					})
				}
			})
		}
	})
}

// backsUp makes a snapshot. What the server cannot keep is said to those who ask.
func (h *host) backsUp(kind, source string) {
	h.Helper()
	r := h.call(0, "backup", "-v", "-s", h.far+kind, "--series", "s", source)
	keeps := !strings.Contains(r.out+r.errs, "manifest alone")
	if keeps == (kind == "tree") {
		h.Errorf("into a %s it says:\n%s", kind, clip(r.out+r.errs))
	}
}

// comesBack wants the newest snapshot to be what the source is, with everything.
func (h *host) comesBack(kind, source, target string) {
	h.Helper()
	h.good("restore", "-s", h.far+kind, "latest:"+source, "-t", target)
	alike(h.T, source, target, true)
}

// change changes things of every kind in a tree that everything has made.
func change(t *testing.T, dir string) {
	t.Helper()
	text(t, dir+"/contents/new", strings.Repeat("new ", 100_000))
	text(t, dir+"/contents/byte", "y")
	ok(t, os.Remove(dir+"/contents/empty"))
	ok(t, os.Rename(dir+"/contents/size-3145728", dir+"/contents/moved"))
	ok(t, os.Rename(dir+"/xattrs/dir", dir+"/xattrs/moved"))
	ok(t, syscall.Chmod(dir+"/modes/file-0644", 0o4600))
	ok(t, os.Lchown(dir+"/modes/file-0777", 7, 8))
	ok(t, os.Link(dir+"/links/a", dir+"/links/another"))
	ok(t, os.Remove(dir+"/links/sub/a3"))
	ok(t, os.Remove(dir+"/links/absolute"))
	ok(t, os.Symlink("/etc/group", dir+"/links/absolute"))
	run(t, dir, "setfattr", "-n", "user.plain", "-v", "another", "xattrs/file")
	run(t, dir, "setfacl", "-m", "u:99:r", "links/z")
	when(t, dir+"/links/z", 1_300_000_000)
	ok(t, os.RemoveAll(dir+"/names"))
	text(t, dir+"/names", "a file where there was a directory")
	f, err := os.OpenFile(dir+"/contents/hole-middle", os.O_WRONLY, 0)
	ok(t, err)
	_, err = f.WriteAt([]byte("in a hole"), 5*64<<10)
	ok(t, err)
	ok(t, f.Close())
}

// TestEverythingComesBackFromEveryServer keeps a tree with everything on servers that refuse one thing or another. What a server does not
// keep in files is kept all the same.
func TestEverythingComesBackFromEveryServer(t *testing.T) {
	need(t, "mount", "ssh-keygen")
	at := volume(t, "ext4")
	source := at + "/source"
	everything(t, source, "ext4")
	var hosts []*host
	for _, s := range services {
		if s.long && testing.Short() {
			continue
		}
		h := s.start(t)
		h.key = sshKey(t)
		hosts = append(hosts, h)
	}
	everywhere(t, hosts, "once", func(h *host, kind string) {
		if kind == "vault" {
			h.vault(h.far + kind)
		} else {
			h.good("init", h.far+kind)
		}
		h.backsUp(kind, source)
		h.comesBack(kind, source, at+"/once "+h.name+" "+kind)
	})
	change(t, source)
	everywhere(t, hosts, "again", func(h *host, kind string) {
		h.backsUp(kind, source)
		h.good("verify", "-s", h.far+kind)
		h.comesBack(kind, source, at+"/again "+h.name+" "+kind)
		list := h.snapshots(h.far + kind)
		if len(list) != 2 || list[1].State != varve.Complete || list[1].Added > list[0].Added/2 {
			h.Errorf("the snapshots are %+v", list)
		}
	})
}

// TestAPullOverSFTPBringsAllThatSFTPTells saves a tree with everything from a server into a tree and a vault here, with nothing of ours on
// the other side. Devices have no numbers there, and times are whole seconds from 1970 to 2106.
func TestAPullOverSFTPBringsAllThatSFTPTells(t *testing.T) {
	need(t, "mount", "ssh-keygen")
	at := volume(t, "ext4")
	source := at + "/source"
	everything(t, source, "ext4")
	server := sshtest.Start(t, sshtest.Options{})
	u := newUser(t, server.Command())
	u.key = sshKey(t)
	for _, kind := range []string{"tree", "vault"} {
		store := at + "/" + kind
		if kind == "vault" {
			u.vault(store)
		} else {
			u.good("init", store)
		}
		for range 2 {
			r := u.call(0, "backup", "-s", store, "--series", "s", "far:"+source)
			if r.out+r.errs != "" {
				t.Errorf("into a %s: printed %s", kind, clip(r.out+r.errs))
			}
		}
		u.good("verify", "-s", store)
		out := at + "/from " + kind
		u.good("restore", "-s", store, "latest:"+source, "-t", out)
		told := []string{"rsync", "-rlptgonic", "--specials", "--modify-window=1", "--delete", "--exclude=/times", "--exclude=/specials"}
		if diff := run(t, "", append(told, source+"/", out+"/")...); diff != "" {
			differ(t, "rsync", diff)
		}
	}
}
