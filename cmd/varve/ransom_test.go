package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve"
)

// wrecks are the ways in which 9 of 10 files are taken from their owner overnight. They are done again the next night.
func wrecks() map[string]func(h *household, night int) {
	scrambled := func(h *household, path string, night int) string { return noise(700 + 13*night + len(path))[night:] }
	return map[string]func(h *household, night int){
		"encrypted": func(h *household, night int) {
			h.most(func(path string) { h.must(os.WriteFile(path, []byte(path+scrambled(h, path, night)), 0o600)) })
		},
		"renamed": func(h *household, night int) {
			h.most(func(path string) {
				h.must(os.WriteFile(path, []byte(path+scrambled(h, path, night)), 0o600))
				h.must(os.Rename(path, path+".locked"))
			})
		},
		"deleted": func(h *household, night int) {
			h.most(func(path string) { h.must(os.Remove(path)) })
			h.write(fmt.Sprintf("src/READ ME %d.txt", night), "pay\n", 0o600)
		},
	}
}

// most calls f for 9 of 10 files of the source that are left.
func (h *household) most(f func(path string)) {
	h.Helper()
	paths, err := filepath.Glob(h.at("src/file*"))
	h.must(err)
	for i, path := range paths {
		if i%10 != 0 {
			f(path)
		}
	}
}

func TestRansomwareIsSuspectedAndTakesNoSnapshotAway(t *testing.T) {
	for way, wreck := range wrecks() {
		for _, kind := range []string{"tree", "vault", "put-only"} {
			t.Run(way+" "+kind, func(t *testing.T) {
				t.Parallel()
				if way == "renamed" && kind != "tree" || way == "deleted" && kind == "tree" {
					onlyEvery(t)
				}
				h := ransomed(t, kind)
				before := h.have()
				copied := filepath.Join(h.dir, "copy")
				h.must(errors.Join(os.CopyFS(copied, os.DirFS(h.at("src")))))
				for night := range 3 {
					wreck(h, night)
					h.alarmed(before, night+1)
				}
				if way == "deleted" { // somebody wanted that
					h.accepted(before)
					return
				}
				h.must(errors.Join(os.RemoveAll(h.at("src")), os.Rename(copied, h.at("src"))))
				if kind == "put-only" { // which knows its files by their inodes, and these are others
					h.alarmed(before, 4)
					h.accepted(before)
					return
				}
				h.good()
				h.mailed("is good again")
				h.good()
				h.everywhere()
			})
		}
	}
}

// ransomed makes a household with four good nights behind it, of which three are kept.
func ransomed(t *testing.T, kind string) *household {
	t.Helper()
	of, putOnly := kind, kind == "put-only"
	if putOnly {
		of = "vault"
	}
	h := newHousehold(t, of, "usb")
	h.found()
	if putOnly {
		h.wants(exitGood, "key", "add", "-s", h.store("usb"), "--passphrase-file", h.at("pass"), "--put-only", "web", "-o", h.at("web.key"))
		h.key = h.at("web.key")
	}
	h.configure(nil)
	for night := range 4 {
		h.write("src/diary", fmt.Sprintln("night", night), 0o600)
		h.good()
	}
	if got := h.mails(); got != nil {
		h.Fatalf("all is well, and mails came: %q", got)
	}
	return h
}

// alarmed runs the job in a night after the source was wrecked.
func (h *household) alarmed(before map[string][]varve.Snapshot, nights int) {
	h.Helper()
	r := h.run(exitIncomplete)
	says := []string{"Because of it nothing is removed.", " is suspect: ", "look what is lost or changed: varve diff -s ", "varve run --accept home",
		"\nLast good  snapshot " + h.lastGood(before).ID.Short(), "\nRestore    varve restore -s "}
	h.saysAll(r.errs, append(says, "Backup home on testhost is SUSPECT.")...)
	h.mailed("is SUSPECT", says...)
	after := h.have()
	h.kept(before, after)
	if n := len(after["usb"]); n != len(before["usb"])+nights {
		h.Errorf("%d snapshots after %d such nights", n, nights)
	}
	if s := after["usb"][len(after["usb"])-1]; s.State != varve.Suspect {
		h.Errorf("the newest snapshot is %s", s.State)
	}
	h.wants(exitFailed, "status", "--config", h.at("varve.toml"))
}

// lastGood returns the newest good snapshot of the store.
func (h *household) lastGood(in map[string][]varve.Snapshot) (last varve.Snapshot) {
	for _, s := range in["usb"] {
		if s.State.Good() {
			last = s
		}
	}
	return last
}

// accepted takes the source as it is: nothing goes yet, and then what retention no longer wants.
func (h *household) accepted(before map[string][]varve.Snapshot) {
	h.Helper()
	if r := h.run(exitGood, "--accept", "home"); strings.TrimSpace(r.out+r.errs) != "" {
		h.Errorf("it printed %s%s", r.out, r.errs)
	}
	h.mailed("is good again")
	h.kept(before, h.have())
	h.good()
	h.everywhere()
	if got := h.mails(); got != nil {
		h.Errorf("mails: %q", got)
	}
	h.wants(exitGood, "status", "--config", h.at("varve.toml"))
}
