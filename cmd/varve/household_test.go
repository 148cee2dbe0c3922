package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
)

// household is a home directory with a source, stores, a configuration of one job, a clock and a mailbox. The program runs there as a process
// of its own, as cron runs it.
type household struct {
	*testing.T
	dir    string
	kind   string // of the stores: tree or vault
	stores []string
	now    time.Time
	right  time.Time // what the clock would show if it were right
	env    []string  // more of the environment
	more   string    // of the configuration
	key    string    // the file with the key that opens the vaults, instead of the passphrase

	place string // of the store usb, where the configuration names another one than store does

	disk, image string // of the store usb: where it is mounted, and what; empty where it has none of its own
	size        int64  // of the image in bytes
}

// newHousehold makes a household with stores of a kind. Files of the source are old enough to be trusted.
func newHousehold(t *testing.T, kind string, stores ...string) *household {
	t.Helper()
	h := &household{T: t, dir: memoryDir(t), size: 192 << 20, kind: kind, stores: stores, now: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)}
	for _, name := range []string{"src", "mails", "state", "cache"} {
		h.must(os.Mkdir(h.at(name), 0o700))
	}
	h.write("sendmail", "#!/bin/sh\nexec cat >"+h.at("mails")+"/$$\n", 0o700)
	h.write("pass", "correct horse battery\n", 0o600)
	for i := range 30 {
		h.write(fmt.Sprintf("src/file %02d", i), strings.Repeat(fmt.Sprintf("line of file %d\n", i), 20), 0o600)
	}
	return h
}

func (h *household) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *household) at(name string) string { return filepath.Join(h.dir, name) }

func (h *household) write(name, text string, mode os.FileMode) {
	h.Helper()
	h.must(os.WriteFile(h.at(name), []byte(text), mode))
}

// store returns where a store is. A household of several devices has it on a disk of that name.
func (h *household) store(name string) string { return h.at(name + "/store") }

// found makes the stores.
func (h *household) found() {
	h.Helper()
	for _, name := range h.stores {
		if _, err := os.Stat(h.at(name)); err != nil {
			h.must(os.Mkdir(h.at(name), 0o700))
		}
		args := []string{"init", "-s", h.store(name), "--kind", h.kind}
		if h.kind == "vault" {
			args = append(args, "--passphrase-file", h.at("pass"), "--recovery", h.at(name+".sheet"))
		}
		h.wants(exitGood, args...)
	}
}

// configure writes the configuration: the job home, and what stands in of, by table, beside what every household has.
func (h *household) configure(of map[string]string) {
	h.Helper()
	var b strings.Builder
	for _, name := range h.stores {
		place := h.store(name)
		if h.place != "" && name == "usb" {
			place = h.place
		}
		fmt.Fprintf(&b, "[store.%s]\nplace = %q\nkeep = { last = 3 }\nverify = { every = \"never\" }\n%s", name, place, of["store."+name])
		if h.place != "" {
			fmt.Fprintf(&b, "kind = %q\n", h.kind)
		}
		switch {
		case h.key != "":
			fmt.Fprintf(&b, "key-file = %q\n", h.key)
		case h.kind == "vault":
			fmt.Fprintf(&b, "passphrase-file = %q\n", h.passphrase(name))
		}
	}
	fmt.Fprintf(&b, "[job.home]\nsources = [%q]\nstores = [%s]\nschedule = \"daily 02:00\"\nretries = 0\n%s\n", h.at("src"),
		`"`+strings.Join(h.stores, `", "`)+`"`, of["job.home"])
	fmt.Fprintf(&b, "[notice.mail]\nkind = \"mail\"\nto = [\"root\"]\n%s", h.more)
	h.write("varve.toml", b.String(), 0o600)
}

// passphrase returns the file with the passphrase of a vault.
func (h *household) passphrase(store string) string {
	if own := h.at("pass." + store); isThere(own) {
		return own
	}
	return h.at("pass")
}

// process returns the program with a command line, not started yet.
func (h *household) process(ctx context.Context, args ...string) *exec.Cmd {
	h.Helper()
	env := []string{"HOME=" + h.dir, "TZ=UTC", "VARVE_STORE=", "VARVE_STATE_DIR=" + h.at("state"), "VARVE_CACHE_DIR=" + h.at("cache"),
		"VARVE_TEST_SENDMAIL=" + h.at("sendmail"), "VARVE_TEST_NOW=" + h.now.Format(time.RFC3339)}
	made := child(h.T, append(env, h.env...), args...)
	cmd := exec.CommandContext(ctx, made.Path)
	cmd.Args, cmd.Env, cmd.Dir = made.Args, made.Env, h.dir
	return cmd
}

// varve runs the program to its end. The code of one that was killed is -1.
func (h *household) varve(args ...string) result {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	cmd := h.process(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	h.must(spawn(cmd))
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		h.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// wants runs the program, which must end with a code.
func (h *household) wants(code int, args ...string) result {
	h.Helper()
	r := h.varve(args...)
	if r.code != code {
		h.Fatalf("varve %s: exit code %d, want %d; it printed:\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.errs)
	}
	return r
}

// run runs the job, which must end with a code. The clock is a day later.
func (h *household) run(code int, args ...string) result {
	h.Helper()
	h.now = h.now.AddDate(0, 0, 1)
	return h.again(code, args...)
}

// again is run at the same time.
func (h *household) again(code int, args ...string) result {
	h.Helper()
	if args == nil {
		args = []string{"home"}
	}
	return h.wants(code, append([]string{"run", "--config", h.at("varve.toml")}, args...)...)
}

// good runs the job, which must go well and print nothing.
func (h *household) good(args ...string) {
	h.Helper()
	if r := h.run(exitGood, args...); r.out+r.errs != "" {
		h.Errorf("it printed:\n%s%s", r.out, r.errs)
	}
}

// letter is a mail that came.
type letter struct{ subject, text string }

// mails returns the mails that came since it was asked last.
func (h *household) mails() (got []letter) {
	h.Helper()
	names, err := filepath.Glob(h.at("mails/*"))
	h.must(err)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		h.must(err)
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		h.must(err)
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		h.must(err)
		text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		h.must(err)
		h.must(os.Remove(name))
		got = append(got, letter{subject, string(text)})
	}
	return got
}

// mailed checks that one mail came, with a subject that ends so and a text that says all this, and returns the text.
func (h *household) mailed(subject string, says ...string) string {
	h.Helper()
	got := h.mails()
	if len(got) != 1 {
		h.Fatalf("%d mails, want one about %q: %q", len(got), subject, got)
	}
	if want := "Backup home on testhost " + subject; got[0].subject != want {
		h.Errorf("the mail is about %q, want %q", got[0].subject, want)
	}
	h.saysAll(got[0].text, says...)
	return got[0].text
}

func (h *household) saysAll(text string, says ...string) {
	h.Helper()
	for _, s := range says {
		if !strings.Contains(text, s) {
			h.Errorf("%q is missing from:\n%s", s, text)
		}
	}
}

// list returns the snapshots in a store, by sequence.
func (h *household) list(name string) (list []varve.Snapshot) {
	h.Helper()
	args := []string{"snapshots", "--json", "-s", h.store(name)}
	if h.kind == "vault" {
		args = append(args, "--passphrase-file", h.at("pass"))
	}
	forks.RLock()
	defer forks.RUnlock()
	out, _ := call(h.T, exitGood, args...)
	h.must(json.Unmarshal([]byte(out), &list))
	slices.SortFunc(list, func(a, b varve.Snapshot) int { return int(a.Seq) - int(b.Seq) })
	return list
}

// have returns the snapshots of all stores.
func (h *household) have() map[string][]varve.Snapshot {
	h.Helper()
	all := map[string][]varve.Snapshot{}
	for _, name := range h.stores {
		if isThere(h.store(name)) {
			all[name] = h.list(name)
		}
	}
	return all
}

// kept checks that nothing is gone of what the stores had that are there.
func (h *household) kept(before, now map[string][]varve.Snapshot) {
	h.Helper()
	for name, have := range now {
		for _, s := range before[name] {
			if !slices.ContainsFunc(have, func(o varve.Snapshot) bool { return o.ID == s.ID }) {
				h.Errorf("the store %s lost the snapshot %s of %s", name, s.ID.Short(), s.Time)
			}
		}
	}
}
