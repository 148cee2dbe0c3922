package main

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"varve"
)

// grow gives the source content of its own for a night.
func (h *household) grow(night, size int) {
	h.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(night)}).Read(data) // which never fails
	h.write("src/large", string(data), 0o600)
}

// newestLeft checks that of all snapshots that were made the newest n are left, and that nobody was told anything.
func (h *household) newestLeft(made []varve.Snapshot, n int) {
	h.Helper()
	list := h.list("usb")
	if len(list) != n {
		h.Fatalf("%d snapshots are left, want %d", len(list), n)
	}
	for i, s := range list {
		if s.ID != made[len(made)-n+i].ID {
			h.Errorf("it is not the newest that are left: %v", list)
		}
	}
	if got := h.mails(); got != nil {
		h.Errorf("mails: %q", got)
	}
}

func TestAStoreStaysBelowItsSize(t *testing.T) {
	for name, place := range map[string]string{"tree": "", "vault": "", "far vault": "far:"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := name
			switch name {
			case "vault":
				onlyEvery(t)
			case "far vault":
				kind = "vault"
			}
			h := newHousehold(t, kind, "usb")
			h.found()
			if place != "" {
				h.far()
			}
			h.configure(map[string]string{"job.home": "keep = { last = 100 }\n", "store.usb": "max-size = \"1500K\"\ndeletions = 1\nprune = { every = \"1d\" }\nundo = \"0s\"\n"})
			var made []varve.Snapshot
			for night := range 5 {
				h.grow(night, 400<<10)
				h.good()
				list := h.list("usb")
				made = append(made, list[len(list)-1])
			}
			h.newestLeft(made, 3) // with 400 KiB each, and what they share
		})
	}
}

// far makes the store usb one that is reached over SFTP.
func (h *household) far() {
	h.Helper()
	script := "#!/bin/sh\nexec " + sftpServer(h.T) + "\n"
	h.write("ssh", script, 0o700)
	h.place = "far:" + h.store("usb")
	h.env = append(h.env, "VARVE_SSH="+h.at("ssh"))
}

func TestRoomIsKeptFreeWhereAStoreIs(t *testing.T) {
	for _, name := range []string{"tree", "vault", "far vault"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := "vault"
			if name == "tree" {
				kind = name
			}
			h := newHousehold(t, kind, "usb")
			h.size = 48 << 20
			if name == "vault" {
				onlyEvery(t)
			}
			if h.disk = h.device("usb"); h.disk == "" {
				t.Skip("the store has no disk of its own")
			}
			h.found()
			if name == "far vault" {
				h.far()
			}
			h.configure(map[string]string{"job.home": "keep = { last = 100 }\n", "store.usb": "keep-free = \"16M\"\nprune = { every = \"1d\" }\nundo = \"0s\"\n"})
			var made []varve.Snapshot
			for night := range 6 {
				h.grow(night, 5<<20)
				h.good()
				list := h.list("usb")
				made = append(made, list[len(list)-1])
			}
			list := h.list("usb")
			if len(list) == len(made) || len(list) < 2 {
				t.Errorf("%d of %d snapshots are left", len(list), len(made))
			}
			h.newestLeft(made, len(list))
			var s unix.Statfs_t
			h.must(unix.Statfs(h.disk, &s))
			if free := int64(s.Bavail) * s.Bsize; free < 16<<20 {
				t.Errorf("%d bytes are free", free)
			}
		})
	}
}

func TestALimitThatCannotBeHeldIsRefusedAndTold(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "tree", "usb")
	h.found()
	h.far()
	h.configure(map[string]string{"store.usb": "max-size = \"1M\"\n"})
	r := h.wants(exitFailed, "config", "check", "--config", h.at("varve.toml"))
	says := "max-size and keep-free: how large a tree on another machine is cannot be found out from here"
	h.saysAll(r.errs, "store usb: "+says)
	h.run(exitFailed)
	h.mailed("FAILED", "A snapshot was made, but not everything else was done.", "store usb: forget: "+says)
	if n := len(h.list("usb")); n != 1 {
		t.Errorf("%d snapshots", n)
	}
}
