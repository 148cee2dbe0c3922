//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"varve/internal/digest"
)

// vectors holds vaults; the program in the directory reader, which was written from the documents alone, reads them.
const vectors = "../../testdata/vectors/vault-v1"

// readStore runs the second reader and returns what it prints.
func readStore(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		skip(t, "node is missing")
	}
	if _, err := os.Stat("reader/node_modules/@noble/post-quantum"); err != nil {
		skip(t, "the modules of the second reader are missing: npm ci in internal/e2e/reader")
	}
	c := exec.Command("node", append([]string{"reader/reader.mjs"}, args...)...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, &stderr)
	}
	return string(out), err
}

func TestASecondReaderReadsWhatVarveWrote(t *testing.T) {
	for name, keys := range map[string][]string{"sealed": {"restore.key", "sheet.txt"}, "unencrypted": {""}} {
		want, err := os.ReadFile(filepath.Join(vectors, name, "listing.jsonl"))
		ok(t, err)
		for _, key := range keys {
			t.Run(name+" "+key, func(t *testing.T) {
				t.Parallel()
				target := filepath.Join(t.TempDir(), "restored")
				if key != "" {
					key = filepath.Join(vectors, name, key)
				}
				got, err := readStore(t, filepath.Join(vectors, name, "vault"), key, target)
				ok(t, err)
				if got != string(want) {
					t.Fatalf("the listing differs at byte %d", firstDifference(got, string(want)))
				}
				wasRestored(t, target, got)
			})
		}
	}
}

func firstDifference(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func TestASecondReaderOpensNothingWithALesserKey(t *testing.T) {
	for _, key := range []string{"restore-1.key", "maintenance.key", "put-only.key"} {
		out, err := readStore(t, filepath.Join(vectors, "sealed/vault"), filepath.Join(vectors, "sealed", key))
		if err == nil || out != "" {
			t.Errorf("with %s it printed %d bytes: %v", key, len(out), err)
		}
	}
}

// TestASecondReaderSeesWhatWasAltered alters an object of each kind and gives it the name that goes with its new bytes.
func TestASecondReaderSeesWhatWasAltered(t *testing.T) {
	for kind, pattern := range map[string]string{"pack": "data/*/*", "key": "keys/*", "record": "snapshots/*"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ok(t, os.CopyFS(dir, os.DirFS(filepath.Join(vectors, "unencrypted/vault"))))
			objects, err := filepath.Glob(filepath.Join(dir, pattern))
			ok(t, err)
			for _, path := range objects {
				data, err := os.ReadFile(path)
				ok(t, err)
				data[40] ^= 1
				sum := sha256.Sum256(data)
				ok(t, os.Remove(path))
				ok(t, os.WriteFile(filepath.Join(filepath.Dir(path), hex.EncodeToString(sum[:])), data, 0o600))
			}
			if _, err := readStore(t, dir); err == nil {
				t.Error("nothing was noticed")
			}
		})
	}
}

// restoredEntry is what a listing says of an entry, as far as the second reader restores it.
type restoredEntry struct {
	Snapshot string   `json:"snapshot"` // of a line that begins a snapshot
	Path     string   `json:"path"`
	Kind     string   `json:"kind"`
	Mode     string   `json:"mode"`
	MTime    string   `json:"mtime"`
	Size     string   `json:"size"`
	Digest   string   `json:"digest"`
	Target   string   `json:"target"`
	SameAs   string   `json:"same_as"`
	Holes    []string `json:"holes"`
}

// wasRestored holds the directory against the listing.
func wasRestored(t *testing.T, dir, listing string) {
	t.Helper()
	snapshot, n := "", 0
	for line := range strings.Lines(listing) {
		var e restoredEntry
		ok(t, json.Unmarshal([]byte(line), &e))
		if e.Snapshot != "" {
			snapshot = filepath.Join(dir, e.Snapshot)
			continue
		}
		at := func(path string) string { return filepath.Join(snapshot, plainText(t, path)) }
		info, err := os.Lstat(at(e.Path))
		if fault := restoredAs(t, &e, at, info, err); fault != "" {
			t.Errorf("/%s: %s", e.Path, fault)
		}
		n++
	}
	if n == 0 {
		t.Error("the listing is empty")
	}
}

// plainText undoes the %XX of a listing.
func plainText(t *testing.T, s string) string {
	t.Helper()
	plain, err := url.PathUnescape(s)
	ok(t, err)
	return plain
}

// restoredAs says how what was restored, which info and err are of, differs from e.
func restoredAs(t *testing.T, e *restoredEntry, at func(string) string, info fs.FileInfo, err error) string {
	types := map[string]fs.FileMode{"file": 0, "dir": fs.ModeDir, "symlink": fs.ModeSymlink}
	kind, restored := types[e.Kind]
	switch {
	case !restored:
		return ""
	case err != nil:
		return err.Error()
	case info.Mode().Type() != kind:
		return "is of another type"
	case e.Kind != "symlink" && e.Mode != strconv.FormatUint(uint64(unixMode(info.Mode())), 8):
		return fmt.Sprintf("has mode %v, want %s", info.Mode(), e.Mode)
	case !strings.HasPrefix(e.MTime, strconv.FormatInt(info.ModTime().Unix(), 10)+"."):
		return fmt.Sprintf("has time %v, want %s", info.ModTime(), e.MTime)
	}
	if e.SameAs != "" {
		if first, err := os.Lstat(at(e.SameAs)); err != nil || !os.SameFile(first, info) {
			return "is not a hard link to " + e.SameAs
		}
	}
	if e.Kind == "symlink" {
		if target, err := os.Readlink(at(e.Path)); err != nil || target != plainText(t, e.Target) {
			return "points to " + target
		}
	}
	if e.Kind == "file" && streamDigest(t, at(e.Path), e, info.Size()) != e.Digest {
		return "has another content"
	}
	return ""
}

func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for i, bit := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if m&bit != 0 {
			bits |= 0o1000 << i
		}
	}
	return bits
}

// streamDigest returns the digest of what is in a file besides its holes; empty for nothing.
func streamDigest(t *testing.T, path string, e *restoredEntry, size int64) string {
	t.Helper()
	f, err := os.Open(path)
	ok(t, err)
	defer f.Close()
	h, at, n := digest.New(), int64(0), int64(0)
	take := func(end int64) {
		k, err := io.Copy(h, io.NewSectionReader(f, at, end-at))
		ok(t, err)
		n += k
	}
	for _, hole := range e.Holes {
		var off, length int64
		_, err := fmt.Sscanf(hole, "%d+%d", &off, &length)
		ok(t, err)
		take(off)
		at = off + length
	}
	take(size)
	if n == 0 {
		return ""
	}
	return h.Digest().String()
}
