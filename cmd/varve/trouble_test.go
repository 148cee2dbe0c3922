package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve"
)

// trouble is something that goes wrong for one night.
type trouble struct {
	name string
	// fits says whether it can go wrong in a household; nil stands for always.
	fits   func(h *household) bool
	strike func(h *household)
	mend   func(h *household)
	// codes are the exit codes with one store and with two, saves says where a snapshot is made nevertheless.
	codes [2]int
	saves [2]bool
	// says is what a report tells besides what all tell.
	says []string
}

// troubles are what goes wrong. What a run that was killed leaves is told by the next one.
func troubles() []trouble {
	vaults := func(h *household) bool { return h.kind == "vault" }
	disks := func(h *household) bool { return h.disk != "" }
	touch := func(name string) func(*household) { return func(h *household) { h.write(name, "", 0o600) } }
	remove := func(name string) func(*household) { return func(h *household) { h.must(os.Remove(h.at(name))) } }
	rename := func(from, to string) func(*household) {
		return func(h *household) { h.must(os.Rename(h.at(from), h.at(to))) }
	}
	clock := func(text string) func(*household) {
		return func(h *household) {
			now, err := time.Parse(time.DateOnly, text)
			h.must(err)
			h.right, h.now = h.now, now
		}
	}
	setRight := func(h *household) { h.now = h.right.AddDate(0, 0, 1) }
	both := func(code int) [2]int { return [2]int{code, code} }
	return []trouble{
		{name: "a command whose output is saved fails", strike: touch("fail"), mend: remove("fail"), codes: both(exitFailed),
			says: []string{"No snapshot was made. Nothing was removed.", "job home: command failed: command of /dump: exit status 3: no database today",
				"run the command by hand"}},
		{name: "the source is not mounted", strike: rename("src/.here", "here"), mend: rename("here", "src/.here"), codes: both(exitFailed),
			says: []string{"No snapshot was made. Nothing was removed.", "guard: ", "src/.here: is not there", "is it a disk that is not mounted?"}},
		{name: "a store is not mounted", strike: (*household).unplug, mend: (*household).plug, codes: [2]int{exitNotRun, exitGood}, saves: [2]bool{false, true}},
		{name: "a store is full", fits: disks, strike: (*household).fill, mend: (*household).empty, codes: both(exitFailed), saves: [2]bool{false, true},
			says: []string{"store usb: ", "no space left", "make room in the store: varve forget"}},
		{name: "the key of a store is missing", fits: vaults, strike: rename("pass.usb", "away"), mend: rename("away", "pass.usb"), codes: both(exitWrongKey),
			saves: [2]bool{false, true}, says: []string{"store usb: ", "pass.usb: no such file", "the keys passphrase-file"}},
		{name: "the clock shows 1970", strike: clock("1970-01-01"), mend: setRight, codes: both(exitFailed), saves: [2]bool{true, true},
			says: []string{"it jumped before 1970-01-02", "nothing is deleted", "correct the clock"}},
		{name: "the clock shows 2038", strike: clock("2038-01-18"), mend: setRight, codes: both(exitFailed), saves: [2]bool{true, true},
			says: []string{"it jumped before 2038-01-19", "nothing is deleted", "correct the clock"}},
		{name: "the run is killed before the backup", strike: touch("kill before"), mend: remove("kill before"), codes: both(-1)},
		{name: "the run is killed in the backup", strike: touch("kill dump"), mend: remove("kill dump"), codes: both(-1)},
		{name: "the run is killed after the backup", strike: touch("kill after"), mend: remove("kill after"), codes: both(-1), saves: [2]bool{true, true}},
	}
}

// troubled makes a household that can meet all troubles, with two good nights behind it.
func troubled(t *testing.T, kind string, stores ...string) *household {
	h := newHousehold(t, kind, stores...)
	h.write("src/.here", "", 0o600)
	h.write("pass.usb", "correct horse battery\n", 0o600)
	h.disk = h.device("usb")
	h.found()
	mounted := ""
	if h.disk != "" {
		mounted = `mounted = "` + h.disk + "\"\n"
	}
	kill := func(when string) string { return `'test ! -e "$HOME/kill ` + when + `" || kill -9 $PPID'` }
	h.configure(map[string]string{"job.home": `guard = { marker = ["` + h.at("src/.here") + `"] }
hook = { before = ` + kill("before") + `, after = ` + kill("after") + ` }
[[job.home.command]]
path = "/dump"
run = 'if test -e "$HOME/fail"; then echo no database today >&2; exit 3; fi; echo dumped; test ! -e "$HOME/kill dump" || kill -9 $PPID'`,
		"store.usb": mounted})
	for range 2 {
		h.good()
	}
	if got := h.mails(); got != nil {
		h.Fatalf("all is well, and mails came: %q", got)
	}
	return h
}

func TestTroubleIsToldOnceLosesNothingAndIsOverWhenItsCauseIs(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		stores     []string
		every      bool
	}{
		{"one tree", "tree", []string{"usb"}, false}, {"two vaults", "vault", []string{"usb", "box"}, false},
		{"two trees", "tree", []string{"usb", "box"}, true}, {"one vault", "vault", []string{"usb"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.every {
				onlyEvery(t)
			}
			h := troubled(t, c.kind, c.stores...)
			for _, one := range troubles() {
				if one.fits == nil || one.fits(h) {
					h.meet(&one)
				}
			}
		})
	}
}

// onlyEvery skips what takes long and shows hardly more than the rest.
func onlyEvery(t *testing.T) {
	t.Helper()
	if os.Getenv("VARVE_TEST_EVERY") != "1" {
		t.Skip("takes long; set VARVE_TEST_EVERY=1")
	}
}

// meet plays one trouble, and the night after it.
func (h *household) meet(one *trouble) {
	h.Helper()
	of := len(h.stores) - 1
	before := h.have()
	h.write("src/changing", h.now.String(), 0o600)
	one.strike(h)
	r := h.run(one.codes[of])
	h.reported(one, r, one.codes[of])
	after := h.have()
	if one.codes[of] > exitGood || !one.saves[of] { // else retention has done what it is there for
		h.kept(before, after)
	}
	if got := h.made(after); got != one.saves[of] {
		h.Errorf("%s: a snapshot was made: %v", one.name, got)
	}
	one.mend(h)
	h.good()
	switch {
	case one.codes[of] == exitGood, one.codes[of] == exitNotRun: // nobody was alarmed
		if got := h.mails(); got != nil {
			h.Errorf("%s: mails afterwards: %q", one.name, got)
		}
	case one.codes[of] == -1:
		h.mailed("is good again", "the run of "+h.now.AddDate(0, 0, -1).Format(time.RFC3339)+" was killed")
	default:
		h.mailed("is good again")
	}
	h.everywhere()
	if h.Failed() {
		h.Fatalf("that was when %s", one.name)
	}
}

// reported checks that a run told what it had to, once.
func (h *household) reported(one *trouble, r result, code int) {
	h.Helper()
	if r.out != "" {
		h.Errorf("%s: it printed %s", one.name, r.out)
	}
	if code <= exitGood {
		if got := h.mails(); r.errs != "" || got != nil {
			h.Errorf("%s: it printed %s and mailed %q", one.name, r.errs, got)
		}
		return
	}
	if n := strings.Count(r.errs, "Backup home on testhost FAILED."); n != 1 {
		h.Errorf("%s: %d reports: %s", one.name, n, r.errs)
	}
	says := append([]string{"\nError      ", "\nTo do      ", "\nLast good  snapshot ", "\nRestore    varve restore -s "}, one.says...)
	for _, s := range h.stores {
		says = append(says, "\n  "+s+": ")
	}
	h.saysAll(r.errs, says...)
	if code == exitNotRun { // a later run mends it, or it is overdue
		if got := h.mails(); got != nil {
			h.Errorf("%s: mailed %q", one.name, got)
		}
		return
	}
	h.mailed("FAILED", says...)
}

// made reports whether any store has a good snapshot of this moment.
func (h *household) made(in map[string][]varve.Snapshot) bool {
	for _, list := range in {
		if h.isNow(list) {
			return true
		}
	}
	return false
}

func (h *household) isNow(list []varve.Snapshot) bool {
	return len(list) > 0 && list[len(list)-1].Time.Equal(h.now) && list[len(list)-1].State.Good()
}

// everywhere checks that the newest snapshot of every store is a good one of this moment.
func (h *household) everywhere() {
	h.Helper()
	for name, list := range h.have() {
		if !h.isNow(list) {
			h.Errorf("the store %s has no good snapshot of %s: %v", name, h.now, list)
		}
	}
}

// device puts a disk of its own where a store goes, where that is possible, and returns the mount point.
func (h *household) device(name string) string {
	h.Helper()
	dir := h.at(name)
	h.must(os.Mkdir(dir, 0o700))
	h.image = filepath.Join(h.TempDir(), "image")
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("only root can mount a file system")
	}
	if err == nil {
		err = errors.Join(os.WriteFile(h.image, nil, 0o600), os.Truncate(h.image, h.size))
	}
	if err == nil {
		_, err = finish(exec.Command(mkfs, "-q", "-F", "-m", "0", h.image))
	}
	if err == nil {
		_, err = finish(exec.Command("mount", "-o", "loop", h.image, dir))
	}
	if err == nil {
		h.Cleanup(func() {
			if text, err := finish(exec.Command("umount", dir)); err != nil {
				h.Errorf("umount: %v: %s", err, text)
			}
		})
		return dir
	}
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		h.Fatal(err)
	}
	h.Logf("the store usb has no disk of its own: %v", err)
	return ""
}

// unplug takes the disk of the store usb away.
func (h *household) unplug() {
	h.Helper()
	if h.disk == "" {
		h.must(os.Rename(h.at("usb"), h.at("unplugged")))
		return
	}
	text, err := finish(exec.Command("umount", h.disk))
	if err != nil {
		h.Fatal(text)
	}
}

// plug brings it back.
func (h *household) plug() {
	h.Helper()
	if h.disk == "" {
		h.must(os.Rename(h.at("unplugged"), h.at("usb")))
		return
	}
	if text, err := finish(exec.Command("mount", "-o", "loop", h.image, h.disk)); err != nil {
		h.Fatal(text)
	}
}

// fill leaves no room on the disk of the store usb, and makes something that needs some.
func (h *household) fill() {
	h.Helper()
	fillUp(h.T, filepath.Join(h.disk, "filler"))
	h.write("src/large", noise(1<<20), 0o600)
}

// empty makes room again.
func (h *household) empty() {
	h.Helper()
	h.must(os.Remove(filepath.Join(h.disk, "filler")))
}
