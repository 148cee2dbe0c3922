//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// alike lets all judges compare two trees; flags, too, where asked.
func alike(t *testing.T, want, got string, flags bool) {
	t.Helper()
	byRsync(t, want, got)
	byTar(t, want, got)
	byPrinting(t, want, got, "\n\n", "getfacl", "-R", "-P", "-n", ".")
	byPrinting(t, want, got, "\n\n", "getfattr", "-h", "-R", "-d", "-m", "-", "-e", "hex", ".")
	if flags {
		byPrinting(t, want, got, "\n", "lsattr", "-R", "-a", ".")
	}
	byHoles(t, want, got)
}

func differ(t *testing.T, judge, what string) {
	t.Helper()
	if len(what) > 3000 {
		what = what[:3000] + "..."
	}
	t.Errorf("%s finds differences:\n%s", judge, what)
}

func byRsync(t *testing.T, want, got string) {
	t.Helper()
	args := []string{"rsync", "-aHAXnic", "--modify-window=-1", "--delete", want + "/", got + "/"}
	if out := run(t, "", args...); out != "" {
		differ(t, "rsync", out)
	}
}

// harmless are lines of tar that are no differences.
var harmless = regexp.MustCompile(`(?m)^tar: .*(socket ignored|implausibly old time stamp.*|time stamp .* in the future)\n`)

func byTar(t *testing.T, want, got string) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "tar")
	with := []string{"--format=posix", "--acls", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-f", archive}
	run(t, "", append(append([]string{"tar", "-C", want, "--sparse", "-c"}, with...), ".")...)
	c := exec.Command("tar", append([]string{"-C", got, "--compare"}, with...)...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	out, _ := c.CombinedOutput() // it fails for what is harmless, too
	if rest := harmless.ReplaceAllString(string(out), ""); rest != "" {
		differ(t, "tar", rest)
	}
	ok(t, os.Remove(archive))
}

// byPrinting compares what a program prints in both trees, cut in parts that may come in any order.
func byPrinting(t *testing.T, want, got, cut string, args ...string) {
	t.Helper()
	print := func(dir string) []string {
		c := exec.Command(args[0], args[1:]...)
		c.Dir = dir
		c.Env = append(os.Environ(), "LC_ALL=C")
		out, err := c.Output()
		if err != nil && args[0] != "lsattr" { // which fails for symlinks and special files
			t.Fatalf("%q: %v", args, err)
		}
		parts := strings.Split(string(out), cut)
		for i := range parts {
			if flags, rest, found := strings.Cut(parts[i], " "); found && args[0] == "lsattr" {
				// The file system's own: extents and an indexed directory.
				parts[i] = strings.NewReplacer("e", "-", "I", "-").Replace(flags) + " " + rest
			}
		}
		slices.Sort(parts)
		return parts
	}
	a, b := print(want), print(got)
	if slices.Equal(a, b) {
		return
	}
	var lines []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			lines = append(lines, "- "+x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			lines = append(lines, "+ "+x)
		}
	}
	differ(t, args[0], strings.Join(lines, "\n"))
}

// byHoles checks that the regular files of one tree have no data where those of the other have holes. They may have more holes:
// file systems reserve blocks ahead.
func byHoles(t *testing.T, want, got string) {
	t.Helper()
	ok(t, filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(want, path)
		if err != nil {
			return err
		}
		a, err := dataMap(path)
		if err != nil {
			return err
		}
		b, err := dataMap(filepath.Join(got, rel))
		if !covered(b, a) {
			differ(t, "lseek", fmt.Sprintf("%q: data at %v, want %v", rel, b, a))
		}
		return err
	}))
}

// covered reports whether every region of part lies in one of whole.
func covered(part, whole [][2]int64) bool {
	for _, p := range part {
		if !slices.ContainsFunc(whole, func(w [2]int64) bool { return w[0] <= p[0] && p[1] <= w[1] }) {
			return false
		}
	}
	return true
}

// dataMap returns the beginnings and ends of the regions of a file that have data.
func dataMap(path string) ([][2]int64, error) {
	const seekData, seekHole = 3, 4
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out [][2]int64
	for off := int64(0); ; {
		start, err := f.Seek(off, seekData)
		if err != nil { // no more data
			return out, nil
		}
		if off, err = f.Seek(start, seekHole); err != nil {
			return nil, err
		}
		out = append(out, [2]int64{start, off})
	}
}
