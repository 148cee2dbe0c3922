package match_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/internal/match"
)

// compareWithRsync compares what an exclude file leaves of tr with what rsync would copy. It returns what is left.
func compareWithRsync(t *testing.T, rsync string, tr *tree, excludes string) []string {
	t.Helper()
	rules, err := match.ParseExcludeFile("excludes", []byte(excludes))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rsync, "-n", "-r", "-8", "--out-format=%n", "--exclude-from=-", tr.root+"/", filepath.Join(t.TempDir(), "to"))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(excludes)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("rsync: %v: %s", err, stderr.Bytes())
	}
	var want []string
	for line := range strings.Lines(string(output)) {
		if name := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "/"); name != "." && !strings.HasPrefix(name, "created ") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	slices.Sort(tr.paths)
	got := tr.kept(t, match.New(rules, nil), noIgnoreFile)
	if !slices.Equal(got, want) {
		t.Errorf("excludes %q\nkeep %q\nrsync would keep %q", excludes, got, want)
	}
	return got
}

func TestRsyncFilterFilesLeaveWhatRsyncCopies(t *testing.T) {
	t.Parallel()
	rsync := tool(t, "rsync")
	tr := newTree(t)
	g := newGrowth(3)
	for range 150 {
		tr.add(t, g.path(4, true)+g.pick("", "/"))
	}
	for _, excludes := range []string{
		"+ */\n+ *.o\n- *\n",
		"+ a/\n+ a/b\n- *\n",
		"- a/***\n- b/****\n",
		"+ /a/***\n- /*\n",
		"+ /***\n- *\n",
		"- a/**/b\n- /b/**/a\n",
		"- **/ab\n- ***/core/\n",
		"- a**b\n",
		"- **.o\n",
		"- /**/a\n",
		"- b/a\n- /ab/abc\n",
		"a\n!\n- b\n",
		"!\nb/a\n",
		"# - a\n; - b\n- core\r\nab\r\n",
		"- a\\b\n- \\a*\n",
		"- *.o \n+ a\n",
	} {
		compareWithRsync(t, rsync, tr, excludes)
	}
	for range 15 {
		var b strings.Builder
		for range 1 + g.IntN(5) {
			pattern := strings.TrimSuffix(strings.ReplaceAll(g.pattern(), "[a/b]", "b"), "/") + g.pick("", "", "/", "/***", "**")
			b.WriteString(g.pick("- ", "- ", "+ ", "") + pattern + "\n")
		}
		b.WriteString("- core\n")
		compareWithRsync(t, rsync, tr, b.String())
	}
}

func TestSeed_H2_RsyncExcludeFilesAreRead(t *testing.T) {
	t.Parallel()
	rsync := tool(t, "rsync")
	tr := newTree(t)
	for _, path := range []string{"a/b.o", "a/b.c", "cache/x", "home/u/cache/x", "home/u/.x", "home/u/#x", "home/u/x y", "var/run/pid", "var/running"} {
		tr.add(t, path)
	}
	kept := compareWithRsync(t, rsync, tr, "# objects\n*.o\n\n; runtime\n/var/run\r\n/cache/\nx?y\n.x\n")
	want := []string{"a", "a/b.c", "home", "home/u", "home/u/#x", "home/u/cache", "home/u/cache/x", "var", "var/running"}
	if !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
}

func TestSeed_H11_HactarsExcludesLeaveWhatRsyncCopies(t *testing.T) {
	t.Parallel()
	rsync := tool(t, "rsync")
	tr := newTree(t)
	var excludes strings.Builder
	for _, dir := range strings.Fields("/backup /bin /boot /dev /lib /lib64 /lost+found /media /mnt /proc /run /sbin /selinux /sys /tmp " +
		"/var/cache /var/lock /var/run /var/tmp /var/swap.img") {
		excludes.WriteString(dir + "\n")
		tr.add(t, dir[1:]+"/inside")
		tr.add(t, "home/u"+dir)
	}
	for _, path := range []string{"etc/passwd", "usr/bin/ls", "var/lib/mysql/ibdata1", "var/log/syslog", "binary"} {
		tr.add(t, path)
	}
	kept := compareWithRsync(t, rsync, tr, excludes.String())
	for _, path := range tr.paths {
		top, _, _ := strings.Cut(path, "/")
		keep := path == "var" || slices.Contains([]string{"etc", "usr", "home", "binary"}, top) ||
			strings.HasPrefix(path, "var/l") && !strings.HasPrefix(path, "var/lock")
		if slices.Contains(kept, path) != keep {
			t.Errorf("%s: kept %v, want %v", path, !keep, keep)
		}
	}
}
