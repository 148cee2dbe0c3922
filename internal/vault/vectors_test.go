package vault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/backend/files"
	"varve/internal/digest"
	"varve/internal/disk/osfs"
	"varve/internal/seal"
)

// vectors holds vaults of format 1 that must be readable for ever; its README says what they are.
const vectors = "../../testdata/vectors/vault-v1"

// TestVaultsOfFormat1AreReadForEver reads everything that the vectors hold and compares it with what was written down of them.
func TestVaultsOfFormat1AreReadForEver(t *testing.T) {
	sealed := map[string]Credentials{
		"sheet": {Key: vectorKey(t, "sealed/sheet.txt")},
		"passphrase": {Passphrase: func(context.Context) (string, error) {
			text, err := os.ReadFile(filepath.Join(vectors, "sealed/passphrase"))
			return strings.TrimSpace(string(text)), err
		}},
		"restore key": {Key: vectorKey(t, "sealed/restore.key")},
	}
	for by, creds := range sealed {
		t.Run("sealed, by "+by, func(t *testing.T) { readVector(t, "sealed", creds) })
	}
	t.Run("unencrypted", func(t *testing.T) { readVector(t, "unencrypted", Credentials{}) })
}

// TestMaintenanceKeysOfFormat1ListAndCheckStructure holds what a maintenance key can do against the vectors.
func TestMaintenanceKeysOfFormat1ListAndCheckStructure(t *testing.T) {
	s := openVector(t, "sealed", Credentials{Key: vectorKey(t, "sealed/maintenance.key")})
	verifyVector(t, s, varve.VerifyOptions{StructureOnly: true})
}

func vectorKey(t *testing.T, name string) *seal.KeyFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, name))
	fatal(t, err)
	key, err := seal.ParseKeyFile(text)
	fatal(t, err)
	return &key
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openVector opens a copy of a vector, so that nothing can change it.
func openVector(t *testing.T, name string, creds Credentials) *Store {
	t.Helper()
	dir := t.TempDir()
	fatal(t, os.CopyFS(dir, os.DirFS(filepath.Join(vectors, name, "vault"))))
	root, err := osfs.Open(dir)
	fatal(t, err)
	warn := func(err error) { t.Errorf("warning: %v", err) }
	s, err := Open(t.Context(), files.Open(root, files.Options{}), creds, Options{Cache: t.TempDir(), Warn: warn})
	fatal(t, err)
	t.Cleanup(func() { fatal(t, s.Close()) })
	return s
}

func readVector(t *testing.T, name string, creds Credentials) {
	s := openVector(t, name, creds)
	got := listVault(t, s)
	want, err := os.ReadFile(filepath.Join(vectors, name, "listing.jsonl"))
	fatal(t, err)
	compareLines(t, got, want)
	verifyVector(t, s, varve.VerifyOptions{})
}

func verifyVector(t *testing.T, s *Store, opts varve.VerifyOptions) {
	t.Helper()
	opts.Progress = func(e varve.Event) {
		if e.Kind == varve.Damage {
			t.Errorf("damage: /%s: %v", e.Path, e.Err)
		}
	}
	report, err := s.Verify(t.Context(), opts)
	fatal(t, err)
	if report.Damage != 0 || report.Snapshots == 0 {
		t.Errorf("verified %+v", report)
	}
}

func compareLines(t *testing.T, got, want []byte) {
	t.Helper()
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d is\n%.2000s\nwant\n%.2000s", i+1, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		t.Errorf("%d lines, want %d", len(g), len(w))
	}
}

// snapshotLine is what a listing says of a snapshot, before its entries.
type snapshotLine struct {
	Snapshot varve.SnapshotID `json:"snapshot"`
	Series   string           `json:"series"`
	Seq      uint64           `json:"seq"`
	Time     time.Time        `json:"time"`
	State    varve.State      `json:"state"`
	Domain   seal.SignerID    `json:"domain"`
	Files    int64            `json:"files"`
	Dirs     int64            `json:"dirs"`
	Bytes    int64            `json:"bytes"`
}

// entryLine is what a listing says of an entry. Paths, targets and the like are text with %XX for what is not printable.
type entryLine struct {
	Path   string            `json:"path,omitempty"`
	Kind   string            `json:"kind"`
	Mode   string            `json:"mode"` // octal
	Owner  string            `json:"owner"`
	MTime  string            `json:"mtime"`
	BTime  string            `json:"btime,omitempty"`
	Stamp  string            `json:"stamp,omitempty"` // device, inode, ctime
	Size   string            `json:"size,omitempty"`
	Digest string            `json:"digest,omitempty"`
	Target string            `json:"target,omitempty"`
	Device string            `json:"device,omitempty"`
	Xattrs map[string]string `json:"xattrs,omitempty"` // base64
	Flags  uint32            `json:"flags,omitempty"`
	SameAs string            `json:"same_as,omitempty"`
	Holes  []string          `json:"holes,omitempty"` // offset+length
	Marks  varve.Marks       `json:"marks,omitempty"`
}

// listVault returns the listing of a vault, having read all content.
func listVault(t *testing.T, s *Store) []byte {
	t.Helper()
	r, err := s.catalog.read(t.Context())
	fatal(t, err)
	for _, fault := range r.faults {
		t.Error(fault)
	}
	records := r.valid()
	slices.SortFunc(records, func(a, b *record) int {
		return strings.Compare(fmt.Sprintf("%s\x00%020d", a.snap.Series, a.snap.Seq), fmt.Sprintf("%s\x00%020d", b.snap.Series, b.snap.Seq))
	})
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	for _, rec := range records {
		n := rec.snap
		fatal(t, out.Encode(snapshotLine{n.ID, n.Series, n.Seq, n.Time, n.State, rec.domain, n.Files, n.Dirs, n.Bytes}))
		view, err := s.View(t.Context(), n.ID)
		fatal(t, err)
		for e, err := range view.Entries(t.Context()) {
			fatal(t, err)
			readContent(t, view, &e)
			fatal(t, out.Encode(lineOf(&e)))
		}
		fatal(t, view.Close())
	}
	return b.Bytes()
}

// readContent reads a file and compares it with its digest.
func readContent(t *testing.T, view varve.View, e *varve.Entry) {
	t.Helper()
	if e.Kind != varve.Regular || e.SameAs != "" {
		return
	}
	f, err := view.Open(t.Context(), *e)
	fatal(t, err)
	stream, err := io.ReadAll(f)
	fatal(t, err)
	fatal(t, f.Close())
	if digest.Sum(stream) != e.Digest {
		t.Errorf("/%s: its content does not have its digest", e.Path)
	}
}

// printable writes what is not printable as %XX.
func printable(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func lineOf(e *varve.Entry) entryLine {
	at := func(m varve.Time) string { return fmt.Sprintf("%d.%09d", m.Sec, m.Nsec) }
	l := entryLine{Path: printable(e.Path), Kind: e.Kind.String(), Mode: fmt.Sprintf("%o", e.Mode), MTime: at(e.MTime),
		Owner:  fmt.Sprintf("%d:%d:%s:%s", e.UID, e.GID, printable(e.User), printable(e.Group)),
		Target: printable(e.Target), Flags: e.Flags, SameAs: printable(e.SameAs), Marks: e.Marks}
	if e.BTime != (varve.Time{}) {
		l.BTime = at(e.BTime)
	}
	if e.Stamp != (varve.Stamp{}) {
		l.Stamp = fmt.Sprintf("%d:%d:%s", e.Stamp.Dev, e.Stamp.Ino, at(e.Stamp.CTime))
	}
	if e.Size != 0 {
		l.Size = fmt.Sprint(e.Size)
	}
	if e.Digest != (varve.Digest{}) {
		l.Digest = e.Digest.String()
	}
	if e.Kind == varve.CharDevice || e.Kind == varve.BlockDevice {
		l.Device = fmt.Sprintf("%d:%d", e.Rdev.Major, e.Rdev.Minor)
	}
	for _, x := range e.Xattrs {
		if l.Xattrs == nil {
			l.Xattrs = map[string]string{}
		}
		l.Xattrs[printable(x.Name)] = base64.StdEncoding.EncodeToString([]byte(x.Value))
	}
	for _, h := range e.Holes {
		l.Holes = append(l.Holes, fmt.Sprintf("%d+%d", h.Off, h.Len))
	}
	return l
}
