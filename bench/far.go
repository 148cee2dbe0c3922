package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// end says which end of a backup is on the far side, reached over ssh.
type end int

// The ends; noEnd where everything is on this machine.
const (
	noEnd end = iota
	farSource
	farStore
)

// job is what is done over ssh with data set N.
type job struct {
	name  string
	about string
	far   end
	peers []string // who takes part
}

// The names of the jobs.
const (
	jobPull  = "pull"
	jobPush  = "push"
	jobVault = "vault"
)

func jobs() []job {
	return []job{
		{jobPull, "pulled into trees and vaults", farSource, []string{
			treeSFTP, treeSSH, vaultSFTP, vaultSSH, rsyncSSH, sshfsRsync, sshfsRdiff,
		}},
		{jobPush, "pushed into trees", farStore, []string{treeSFTP, treeSSH, rsyncSSH, rsyncFsync}},
		{jobVault, "pushed into vaults", farStore, []string{vaultSFTP, vaultSSH, resticSFTP}},
	}
}

func jobNames() []string {
	var names []string
	for _, j := range jobs() {
		names = append(names, j.name)
	}
	return names
}

// filesN is how many files data set N has at full size.
const filesN = 30_000

// newN is set A with the files of N, for a job of that name; trip is how long the round trip takes.
func newN(name string, trip time.Duration, scale float64) set {
	s := newA(scale * filesN / filesA)
	for _, j := range jobs() {
		if j.name == name {
			s.job = j
		}
	}
	s.name, s.trip = name, trip
	s.about = fmt.Sprintf("%s %s over ssh, %v round trip", s.about, s.job.about, trip)
	return s
}

// id tells the set from all others that are used in one go, in the names of volumes.
func (s set) id() string {
	if s.job.far == noEnd {
		return s.name
	}
	return fmt.Sprintf("%s-%v", s.name, s.trip)
}

// takes reports whether a program takes part in what is done with the set.
func (s set) takes(peer string) bool { return s.job.far == noEnd || slices.Contains(s.job.peers, peer) }

// allSets returns the data sets that the options ask for, in their order.
func (o options) allSets() []set {
	var all []set
	for _, trip := range o.far {
		for _, name := range o.sets {
			all = append(all, newN(name, trip, o.scale))
		}
	}
	if len(o.far) > 0 {
		return all
	}
	for _, name := range o.sets {
		all = append(all, newSet(name, o.scale))
	}
	return all
}

// farHost is what the far side is called.
const farHost = "far"

// line is the way to the far side; the zero value where there is none.
type line struct{ config string } // an ssh_config in which farHost stands

// here reports whether everything is on this machine.
func (l line) here() bool { return l.config == "" }

// ssh returns the ssh command, without a host. It has no characters that anybody would have to quote.
func (l line) ssh() string { return "ssh -F " + l.config }

// at returns the name of a path on the far side, as scp and rsync want it.
func (l line) at(path string) string { return farHost + ":" + path }

// sshfs runs a program that knows nothing of ssh on a far source that is mounted for as long as it runs.
type sshfs struct {
	peer // the program; its name is that of the pair
	line line
}

func (s sshfs) name() string { return "sshfs-" + s.peer.name() }

func (s sshfs) version(ctx context.Context) (string, error) {
	if _, err := exec.LookPath(unmounter); err != nil {
		return "", err
	}
	with, err := s.peer.version(ctx)
	if err != nil {
		return "", err
	}
	out, err := output(ctx, "sshfs", "--version")
	for text := range strings.Lines(out) {
		if strings.HasPrefix(text, "SSHFS") {
			return strings.TrimSpace(text) + ", with " + with, err
		}
	}
	return "sshfs, with " + with, err
}

func (s sshfs) first(ctx context.Context, p post) ([]command, error) {
	if err := os.Mkdir(p.mount(), 0o755); err != nil {
		return nil, err
	}
	commands, err := s.peer.first(ctx, p.mounted())
	return s.around(p, commands), err
}

func (s sshfs) again(p post) ([]command, error) {
	commands, err := s.peer.again(p.mounted())
	return s.around(p, commands), err
}

// mountScript runs sshfs so that all symlinks can be read: those that lead elsewhere are refused by the versions that know this option.
const mountScript = `sshfs "$@" -o no_contain_symlinks 2>/dev/null || exec sshfs "$@"`

// around mounts the source before the commands and unmounts it after them. Nothing can be written through the mount: should it be left
// behind, the source is safe from who removes the directories around it.
func (s sshfs) around(p post, commands []command) []command {
	all := []command{{"sh", "-c", mountScript, "sh", "-F", s.line.config, "-o", "ro", s.line.at(p.source), p.mount()}}
	return append(append(all, commands...), command{unmounter, "-u", p.mount()})
}

// mount is where a far source is mounted.
func (p post) mount() string { return filepath.Join(p.scratch, "mount") }

// mounted returns the post of a program that finds the source mounted.
func (p post) mounted() post {
	p.source, p.far = p.mount(), noEnd
	return p
}

// unmounter unmounts what sshfs has mounted, for root and for others.
const unmounter = "fusermount3"

// release unmounts the source where a program that failed has left it mounted, also if it no longer answers.
func (p post) release() error {
	if _, err := os.Lstat(p.mount()); err == nil && !mounted(p.mount()) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := output(ctx, unmounter, "-u", "-z", p.mount())
	return err
}
