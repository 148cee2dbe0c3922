//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// treeVectors are the directories of vectors that hold a tree.
var treeVectors = [...]string{"tree-v1", "tree-v2"}

// unpackedTree returns a directory with the store of a vector.
func unpackedTree(t *testing.T, vector string) string {
	t.Helper()
	archive, err := filepath.Abs(filepath.Join(vectors, "..", vector, "store.tar"))
	ok(t, err)
	dir := t.TempDir()
	run(t, dir, "tar", "-x", "--no-same-owner", "-f", archive)
	return dir
}

func TestASecondReaderReadsTreesOfEveryFormat(t *testing.T) {
	for _, vector := range treeVectors {
		t.Run(vector, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(vectors, "..", vector, "listing.jsonl"))
			ok(t, err)
			target := filepath.Join(t.TempDir(), "restored")
			got, err := readStore(t, unpackedTree(t, vector), "", target)
			ok(t, err)
			if got != string(want) {
				t.Fatalf("the listing differs at byte %d", firstDifference(got, string(want)))
			}
			wasRestored(t, target, got)
		})
	}
}

// TestASecondReaderSeesWhatIsWrongWithATree alters one thing at a time.
func TestASecondReaderSeesWhatIsWrongWithATree(t *testing.T) {
	for name, c := range map[string]struct {
		pattern string // of the files that are altered
		alter   func(data []byte) []byte
	}{
		"content that is lent": {".varve/kept/*/photos/lake", func(d []byte) []byte { d[7] ^= 1; return d }},
		"content in its place": {"lake/*/notes", func(d []byte) []byte { d[7] ^= 1; return d }},
		"something in a hole":  {".varve/kept/*/sparse", func(d []byte) []byte { d[5000] ^= 1; return d }},
		"a file cut short":     {".varve/kept/*/photos/shore", func(d []byte) []byte { return d[:len(d)-1] }},
		"a page":               {".varve/manifests/*", func(d []byte) []byte { d[60] ^= 1; return d }},
		"an index":             {".varve/manifests/*", func(d []byte) []byte { d[len(d)-30] ^= 1; return d }},
		"a trailer":            {".varve/manifests/*", func(d []byte) []byte { d[len(d)-24] ^= 1; return d }},
		"an unfinished file":   {".varve/manifests/*", func(d []byte) []byte { return d[:len(d)-1] }},
		"a format to come":     {".varve/format", func([]byte) []byte { return []byte("varve tree store\nformat: 3\n") }},
		"a format that lends":  {".varve/format", func([]byte) []byte { return []byte("varve tree store\nformat: 1\n") }},
		"no store":             {".varve/format", func([]byte) []byte { return []byte("another store\nformat: 2\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := unpackedTree(t, "tree-v2")
			files, err := filepath.Glob(filepath.Join(dir, c.pattern))
			ok(t, err)
			for _, path := range files {
				data, err := os.ReadFile(path)
				ok(t, err)
				ok(t, os.WriteFile(path, c.alter(data), 0o600))
			}
			if _, err := readStore(t, dir); err == nil || !strings.Contains(err.Error(), "reader: ") || len(files) == 0 {
				t.Errorf("%d files were altered, and it says %v", len(files), err)
			}
		})
	}
}

// TestASecondReaderFindsLentContentOnItsWay moves what is kept to where it is before it is kept.
func TestASecondReaderFindsLentContentOnItsWay(t *testing.T) {
	dir := unpackedTree(t, "tree-v2")
	kept, err := filepath.Glob(filepath.Join(dir, ".varve/kept/*"))
	ok(t, err)
	for _, path := range kept {
		ok(t, os.Rename(path, filepath.Join(dir, ".varve/trash", filepath.Base(path))))
	}
	if _, err := readStore(t, dir); err != nil || len(kept) != 1 {
		t.Errorf("%d snapshots were kept: %v", len(kept), err)
	}
	ok(t, os.RemoveAll(filepath.Join(dir, ".varve/trash")))
	if _, err := readStore(t, dir); err == nil {
		t.Error("nothing is missing")
	}
}
