package rdiff_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"math/big"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"varve"
	"varve/internal/disk/osfs"
	"varve/internal/rdiff"
	"varve/internal/walk"
)

// lacking skips the test, or fails it where nothing may be skipped.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatalf("this machine lacks %s", what)
	}
	t.Skipf("this machine lacks %s", what)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// firstSession is when the first session of a history takes place; the others follow day by day.
const firstSession = 1_000_000_000

// history is a directory that the real rdiff-backup has backed up several times, and what it was each time.
type history struct {
	t        *testing.T
	dir      string
	args     []string // of every call
	backup   []string // of every backup
	sessions int
}

func newHistory(t *testing.T) *history {
	t.Helper()
	if _, err := exec.LookPath("rdiff-backup"); err != nil {
		lacking(t, "rdiff-backup")
	}
	h := &history{t: t, dir: t.TempDir()}
	must(t, os.Mkdir(h.source(), 0o755))
	return h
}

func (h *history) source() string    { return filepath.Join(h.dir, "source") }
func (h *history) repo() string      { return filepath.Join(h.dir, "repo") }
func (h *history) copy(n int) string { return filepath.Join(h.dir, "was"+strconv.Itoa(n)) }

// at is a path in the source.
func (h *history) at(name string) string { return filepath.Join(h.source(), name) }

// write makes a file of the source anew.
func (h *history) write(name, text string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(filepath.Dir(h.at(name)), 0o755))
	must(h.t, os.WriteFile(h.at(name), []byte(text), 0o644))
}

// touch gives what was changed a time of its own: rdiff-backup sees no change within a second.
func (h *history) touch(names ...string) {
	h.t.Helper()
	for _, name := range names {
		now := time.Unix(firstSession+int64(h.sessions)*86400-60, 500)
		must(h.t, os.Chtimes(h.at(name), now, now))
	}
}

// run runs a program to its end.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// when is the time of session n.
func when(n int) time.Time { return time.Unix(firstSession+int64(n)*86400, 0).UTC() }

// session backs the source up, and keeps a copy.
func (h *history) session() {
	h.t.Helper()
	run(h.t, "cp", "-a", h.source(), h.copy(h.sessions))
	args := append(slices.Clone(h.args), "--current-time", strconv.FormatInt(when(h.sessions).Unix(), 10), "backup")
	args = append(append(args, h.backup...), h.source(), h.repo())
	run(h.t, "rdiff-backup", args...)
	h.sessions++
}

// open opens the repository.
func (h *history) open() *rdiff.Repository {
	h.t.Helper()
	return open(h.t, h.repo())
}

func open(t *testing.T, path string) *rdiff.Repository {
	t.Helper()
	dir, err := osfs.Open(path)
	must(t, err)
	r, err := rdiff.Open(dir, rdiff.Options{Scratch: t.TempDir(), Users: userID, Groups: groupID})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

func userID(name string) (uint32, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(id), err == nil
}

func groupID(name string) (uint32, bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	id, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(id), err == nil
}

// owners names users and groups as rdiff-backup does.
func owners(uid, gid uint32) (string, string) {
	var names [2]string
	if u, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
		names[0] = u.Username
	}
	if g, err := user.LookupGroupId(strconv.Itoa(int(gid))); err == nil {
		names[1] = g.Name
	}
	return names[0], names[1]
}

// version opens the version of a time.
func version(t *testing.T, r *rdiff.Repository, at time.Time) *rdiff.Version {
	t.Helper()
	v, err := r.At(t.Context(), at)
	must(t, err)
	t.Cleanup(func() { must(t, v.Close()) })
	return v
}

// found is one entry with its content.
type found struct {
	Entry   varve.Entry
	Content string
}

// all reads a whole source.
func all(t *testing.T, src varve.Source) []found {
	t.Helper()
	var list []found
	for e, err := range src.Entries(t.Context()) {
		must(t, err)
		f := found{Entry: e}
		if e.Kind == varve.Regular && e.Err == nil {
			f.Content = content(t, src, e)
		}
		list = append(list, f)
	}
	return list
}

// content reads one file; for one that cannot be read it returns the error.
func content(t *testing.T, src varve.Source, e varve.Entry) string {
	t.Helper()
	text, err := tryContent(t, src, e)
	if err != nil {
		return "error: " + err.Error()
	}
	return text
}

func tryContent(t *testing.T, src varve.Source, e varve.Entry) (string, error) {
	t.Helper()
	f, err := src.Open(t.Context(), e)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(f)
	must(t, f.Close())
	return string(text), err
}

// onDisk reads a directory as it is, as far as rdiff-backup keeps it.
func onDisk(t *testing.T, path string) []found {
	t.Helper()
	dir, err := osfs.Open(path)
	must(t, err)
	w, err := walk.New(dir, []string{""}, walk.Options{Owners: owners})
	must(t, err)
	list := all(t, w)
	must(t, w.Close())
	for i := range list {
		e := &list[i].Entry
		e.MTime.Nsec = 0
		if e.Kind == varve.Symlink || e.Kind == varve.CharDevice || e.Kind == varve.BlockDevice {
			e.MTime = varve.Time{}
		}
	}
	return list
}

// same fails the test where two trees differ.
func same(t *testing.T, what string, want, got []found, ignore ...string) {
	t.Helper()
	ignore = append(ignore, "BTime", "Stamp", "Flags", "Holes")
	short := cmp.Transformer("short", func(f found) any {
		c := f.Content
		if len(c) > 200 {
			c = strconv.Itoa(len(c)) + " bytes, " + c[:200]
		}
		return struct {
			Entry   varve.Entry
			Content string
			Same    bool
		}{f.Entry, c, true}
	})
	opts := cmp.Options{cmpopts.IgnoreFields(varve.Entry{}, ignore...), cmpopts.EquateEmpty(), short}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
		return
	}
	for i := range want { // what was shortened above
		if want[i].Content != got[i].Content {
			t.Errorf("%s: %q has other content", what, want[i].Entry.Path)
		}
	}
}

// noise returns n bytes that no compression shortens.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// edit changes some bytes of b here and there, puts some in and takes some away.
func edit(b []byte) []byte {
	b = bytes.Clone(b)
	for range 5 {
		at := pick(len(b) - 100)
		copy(b[at:], noise(20))
		at = pick(len(b) - 100)
		b = slices.Insert(b, at, noise(pick(50))...)
		at = pick(len(b) - 100)
		b = slices.Delete(b, at, at+pick(50))
	}
	return b
}

func pick(n int) int {
	v, _ := rand.Int(rand.Reader, big.NewInt(int64(n)))
	return int(v.Int64())
}
