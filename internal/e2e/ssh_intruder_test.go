//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/mux"
	"varve/internal/remote"
	"varve/internal/ssh"
	"varve/internal/sshtest"
)

// impression is what a directory holds: every object with its metadata, and the digests of contents. What an unfinished push leaves for
// the next one, and the locks, are left out.
func impression(t *testing.T, dir string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	ok(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var s syscall.Stat_t
		if err := syscall.Lstat(path, &s); err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && filepath.Base(filepath.Dir(path)) == ".varve" && (name == "partial" || name == "locks") {
			return fs.SkipDir
		}
		what := fmt.Sprint(s.Mode, s.Uid, s.Gid, s.Ino)
		if !d.IsDir() { // in which temporary files come and go
			what += fmt.Sprint(" ", s.Nlink, s.Size, s.Rdev, s.Mtim)
		}
		switch {
		case d.Type().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %x", sha256.Sum256(content))
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			what += " " + target
		}
		seen[path] = what
		return nil
	}))
	return seen
}

// untouched wants a directory to be as it was.
func untouched(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	after := impression(t, dir)
	for path, was := range before {
		if after[path] != was {
			t.Errorf("%s: was %q, is %q", path, was, after[path])
		}
	}
	for path, is := range after {
		if _, there := before[path]; !there {
			t.Errorf("%s: is new: %s", path, is)
		}
	}
}

// connect runs varve serve on the server with a client's key, and returns the pipe to it.
func (p *pushed) connect(t *testing.T, key []string) *ssh.Conn {
	t.Helper()
	conn, err := ssh.Dial(t.Context(), ssh.Target{Host: "far"}, ssh.Command("varve", "serve", "--full", "-s", "/"), ssh.Options{Command: key})
	ok(t, err)
	return conn
}

// intruder is a client that speaks the protocol and does what it must not.
type intruder struct {
	*mux.Session
	t *testing.T
}

// say opens a stream with a message on it, and returns the kind and text of the first answer.
func (i *intruder) say(kind byte, payload string) (byte, string) {
	i.t.Helper()
	st, err := i.Open(i.t.Context())
	ok(i.t, err)
	defer st.Close()
	if _, err := st.Write(message(kind, []byte(payload))); err != nil {
		return 0, err.Error()
	}
	for {
		kind, text, err := nextMessage(st)
		if err != nil {
			return 0, err.Error()
		}
		if kind != 'p' {
			return kind, text
		}
	}
}

func message(kind byte, payload []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(payload))), payload...)
}

func nextMessage(r io.Reader) (byte, string, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, "", err
	}
	payload := make([]byte, binary.LittleEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, payload)
	return head[0], string(payload), err
}

// pushes pushes these entries into a series, answering whatever else is asked with nothing.
func (i *intruder) pushes(series string, entries ...varve.Entry) (byte, string) {
	i.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			st, err := i.Accept(i.t.Context())
			if err != nil {
				return
			}
			if _, ask, err := nextMessage(st); err == nil && strings.Contains(ask, `"entries"`) {
				var b []byte
				for _, e := range entries {
					b = appendEntry(b, e)
				}
				_, _ = st.Write(append(message('e', b), message('z', fmt.Appendf(nil, `{"entries":%d,"lost":0}`, len(entries)))...))
			}
			_ = st.End()
		}
	}()
	kind, text := i.say('q', fmt.Sprintf(`{"op":"save","save":{"series":%q,"host":"","sources":[],"tags":[],"program":""}}`, base64.StdEncoding.EncodeToString([]byte(series))))
	_ = i.Close()
	<-done
	return kind, text
}

// appendEntry encodes an entry as docs/format/wire.md has it, its path whole.
func appendEntry(b []byte, e varve.Entry) []byte {
	bits := uint64(0)
	if e.Size != 0 {
		bits |= 1 << 3
	}
	if e.Target != "" {
		bits |= 1 << 4
	}
	b = binary.AppendUvarint(append(b, byte(e.Kind)), bits)
	b = append(binary.AppendUvarint(binary.AppendUvarint(b, 0), uint64(len(e.Path))), e.Path...)
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendUvarint(binary.AppendVarint(b, e.MTime.Sec), 0)
	if e.Size != 0 {
		b = binary.AppendUvarint(b, uint64(e.Size))
	}
	if e.Target != "" {
		b = append(binary.AppendUvarint(b, uint64(len(e.Target))), e.Target...)
	}
	return b
}

// TestAHostilePushClientChangesNothing lets one that has a key do all that comes to mind.
func TestAHostilePushClientChangesNothing(t *testing.T) {
	t.Parallel()
	p := push(t, "tree", "--series", "mine")
	source := sshtest.Dir(t, -1)
	fill(t, source, 1, 3, 300)
	p.client.good("backup", "-s", p.far, "--series", "mine", source)
	p.owner.good("backup", "-s", p.store, "--series", "other", source)
	before := impression(t, p.server.Dir)
	ids := map[string]string{}
	for _, s := range p.snapshots() {
		ids[s.Series] = s.ID.String()
	}
	root, dir := varve.Entry{Kind: varve.Dir, Mode: 0o755}, varve.Entry{Path: "d", Kind: varve.Dir, Mode: 0o755}
	file := func(path string) varve.Entry {
		return varve.Entry{Path: path, Kind: varve.Regular, Mode: 0o644, Size: 10}
	}
	key := p.client.ssh
	as := func(t *testing.T) *intruder {
		conn := p.connect(t, key)
		s, err := mux.Client(t.Context(), conn, mux.Options{Program: "intruder"})
		ok(t, err)
		t.Cleanup(func() { s.Close() })
		return &intruder{s, t}
	}
	for name, entries := range map[string][]varve.Entry{
		"upwards":                 {root, {Path: "..", Kind: varve.Dir, Mode: 0o755}},
		"upwards below":           {root, dir, file("d/../../../escaped")},
		"absolute":                {root, file("/etc/varve-escaped")},
		"an empty name":           {root, dir, file("d//f")},
		"a NUL":                   {root, file("a\x00b")},
		"below a symlink":         {root, {Path: "f", Kind: varve.Symlink, Mode: 0o777, Target: p.server.Dir}, file("f/escaped")},
		"twice":                   {root, file("f"), file("f")},
		"out of order":            {root, file("g"), file("f")},
		"content that never came": {root, file("f")},
	} {
		t.Run(name, func(t *testing.T) {
			if kind, text := as(t).pushes("mine", entries...); kind == 'r' {
				t.Errorf("was answered with %c %q", kind, text)
			}
		})
	}
	for name, ask := range map[string]string{
		"forget":                   `{"op":"forget","ids":["` + ids["mine"] + `"]}`,
		"forget another's":         `{"op":"forget","ids":["` + ids["other"] + `"]}`,
		"read":                     `{"op":"view","ids":["` + ids["mine"] + `"]}`,
		"read another's":           `{"op":"view","ids":["` + ids["other"] + `"]}`,
		"read files":               `{"op":"source","source":{"sources":["` + base64.StdEncoding.EncodeToString([]byte("/etc")) + `"]}}`,
		"verify":                   `{"op":"verify","verify":{}}`,
		"put an object":            `{"op":"put","name":"` + base64.StdEncoding.EncodeToString([]byte("../x")) + `","len":1}`,
		"delete an object":         `{"op":"delete","name":"` + base64.StdEncoding.EncodeToString([]byte(".varve/format")) + `"}`,
		"something without a name": `{"op":""}`,
		"nonsense":                 `{{{`,
	} {
		t.Run(name, func(t *testing.T) {
			if kind, text := as(t).say('q', ask); kind == 'r' || kind == 'e' {
				t.Errorf("was answered with %c %q", kind, text)
			}
		})
	}
	t.Run("another series", func(t *testing.T) {
		if kind, text := as(t).pushes("other", root); kind != 'x' || !strings.Contains(text, `bound to series "mine"`) {
			t.Errorf("was answered with %c %q", kind, text)
		}
	})
	untouched(t, p.server.Dir, before)
	p.owner.good("verify", "-s", p.store)
	log, err := os.ReadFile(p.run + "/log")
	ok(t, err)
	for _, want := range []string{"msg=refused", "push failed", "into series"} {
		if !bytes.Contains(log, []byte(want)) {
			t.Errorf("the log does not have %q:\n%s", want, log)
		}
	}
	p.client.good("backup", "-s", p.far, "--series", "mine", source) // who does nothing wrong is still welcome
}

// TestAHostileClientOfAVaultChangesNothing puts objects under wrong names, over others, without end, and deletes.
func TestAHostileClientOfAVaultChangesNothing(t *testing.T) {
	t.Parallel()
	p := push(t, "vault", "--quota", "3M")
	source := sshtest.Dir(t, -1)
	fill(t, source, 1, 3, 300)
	p.client.good("backup", "-s", p.far, "--series", "s", source)
	client, err := remote.Dial(t.Context(), p.connect(t, p.client.ssh), remote.Options{Program: "intruder"})
	ok(t, err)
	defer client.Close()
	storage := client.Backend()
	var there []string
	for o, err := range storage.List(t.Context(), "") {
		ok(t, err)
		there = append(there, o.Name)
	}
	before := impression(t, p.store)
	named := func(dir string, content []byte) string {
		sum := sha256.Sum256(content)
		return dir + "/" + hex.EncodeToString(sum[:])
	}
	for _, name := range append(there, named("data", []byte("other")), named("../../data", []byte("evil")), "data/../../escaped", "/etc/escaped", "config", "x", "",
		"data/"+strings.Repeat("0", 64), "tmp-x") {
		if err := storage.Put(t.Context(), name, []byte("evil")); err == nil {
			t.Errorf("%q was put", name)
		}
		if err := storage.Delete(t.Context(), name); err == nil {
			t.Errorf("%q was deleted", name)
		}
	}
	for _, name := range []string{"../store/config", "/etc/passwd", "data/../config", ".."} {
		if data, err := storage.Get(t.Context(), name, 0, 10); err == nil {
			t.Errorf("%q was read: %q", name, data)
		}
	}
	untouched(t, p.store, before)
	flood := bytes.Repeat([]byte("flood"), 100_000)
	for i := range 20 {
		flood[0] = byte(i)
		if err = storage.Put(t.Context(), named("data", flood), flood); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "quota") {
		t.Errorf("a flood ended with %v", err)
	}
	log, err := os.ReadFile(p.run + "/log")
	ok(t, err)
	if !bytes.Contains(log, []byte("msg=refused")) {
		t.Errorf("the log does not have a refusal:\n%s", log)
	}
	out := filepath.Join(sshtest.Dir(t, -1), "out")
	p.owner.call(0, "restore", "-q", "-s", p.store, "latest:"+source, "-t", out) // it warns of what is no pack
	byRsync(t, source, out)
}

// TestAHostileRsyncClientChangesNothing says things to varve serve --rsync that no rsync would, and pushes symlinks that lead outside.
func TestAHostileRsyncClientChangesNothing(t *testing.T) {
	need(t, "rsync", "ssh-keygen")
	t.Parallel()
	p := push(t, "tree")
	key := p.key("--rsync", "--series", "r", "-s", p.store)
	source, victim := sshtest.Dir(t, -1), sshtest.Dir(t, -1)
	fill(t, source, 1, 3, 300)
	fill(t, victim, 2, 1, 300)
	rsync := func(args ...string) error {
		c := exec.CommandContext(t.Context(), "rsync", append([]string{"-e", strings.Join(key, " ")}, args...)...)
		out, err := c.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	ok(t, rsync("-aHAX", "--numeric-ids", source+"/", "far:x"))
	outside, before := impression(t, victim), impression(t, p.server.Dir)
	for _, line := range []string{
		"rsync --server --sender -logDtpre.iLsfxCIvu . /etc/passwd",
		"rsync --server -logDtpre.iLsfxCIvu --link-dest=/etc . x",
		"rsync --server -logDtpre.iLsfxCIvu --temp-dir=" + victim + " . x",
		"rsync --server -logDtpre.iLsfxCIvu --partial-dir=" + victim + " . x",
		"rsync --server -logDtpre.iLsfxCIvu --log-file=" + victim + "/log . x",
		"rsync --server -logDtpre.iLsfxCIvu --rsync-path=/bin/sh . x",
		"rsync --server --daemon .",
		"rsync --server -logDtpre.iLsfxCIvu . x; touch " + victim + "/new",
		"rsync --server -logDtpre.iLsfxCIvu . $(touch " + victim + "/new)",
		"rsync",
		"sh -c 'touch " + victim + "/new'",
		"",
		"scp -t " + victim,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c := exec.CommandContext(ctx, key[0], append(append([]string{}, key[1:]...), "far", line)...)
		c.Stdin = strings.NewReader("\x1f\x00\x00\x00garbage" + strings.Repeat("\xff", 1<<16))
		out, err := c.CombinedOutput()
		if err == nil {
			t.Errorf("%q went well: %s", line, clip(string(out)))
		}
		cancel()
	}
	untouched(t, victim, outside)
	untouched(t, p.server.Dir, before)

	one, two := sshtest.Dir(t, -1), sshtest.Dir(t, -1)
	ok(t, os.Symlink(victim, one+"/a"))
	text(t, two+"/a/new", "evil")
	for _, args := range [][]string{{"-a", one + "/", "far:x"}, {"-a", "--keep-dirlinks", two + "/", "far:x"}, {"-aR", one + "/./a", two + "/./a/new", "far:x"},
		{"-a", "--delete", two + "/", "far:" + victim}} {
		_ = rsync(args...) // whether it goes well is not the point
	}
	untouched(t, victim, outside)
	for path, was := range before {
		if is := impression(t, p.store)[path]; strings.Contains(path, "/r/20") && strings.Contains(path, "file-1-") && is != was {
			t.Errorf("%s of the older snapshot: was %s, is %s", path, was, is)
		}
	}
	log, err := os.ReadFile(p.run + "/log")
	ok(t, err)
	if !bytes.Contains(log, []byte("refused")) {
		t.Errorf("the log does not have a refusal:\n%s", log)
	}
	p.owner.good("verify", "-s", p.store)
}
