package adopt_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"varve/internal/adopt"
	"varve/internal/disk/osfs"
)

// run runs a program that must be there to its end.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		lacking(t, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// change gives the source the state of a day; rsync sees no change that leaves size and time as they are.
func change(t *testing.T, source string, n int) {
	t.Helper()
	write(t, filepath.Join(source, "n"), strconv.Itoa(n))
	must(t, os.Chtimes(filepath.Join(source, "n"), day(n), day(n)))
}

// findOn finds what is in a directory of the machine.
func findOn(t *testing.T, path string, style adopt.Style) []adopt.Found {
	t.Helper()
	dir, err := osfs.Open(path)
	must(t, err)
	list, err := adopt.Find(dir, style)
	must(t, err)
	must(t, dir.Close())
	return list
}

// day is a day of these histories.
func day(n int) time.Time { return time.Date(2024, 2, 20+n, 1, 0, 0, 0, time.UTC) }

func TestSnapshotsOfTheRealRsnapshotAreFoundInTheOrderTheyWereMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, root, conf := filepath.Join(dir, "source"), filepath.Join(dir, "root"), filepath.Join(dir, "rsnapshot.conf")
	must(t, os.Mkdir(source, 0o755))
	rsync, err := exec.LookPath("rsync")
	if err != nil {
		lacking(t, "rsync")
	}
	write(t, conf, strings.ReplaceAll(fmt.Sprintf("config_version 1.2\nsnapshot_root %s/\ncmd_rsync %s\nretain alpha 3\nretain beta 3\n"+
		"lockfile %s/pid\nbackup %s/ host/\n", root, rsync, dir, source), " ", "\t"))
	run(t, "rsnapshot", "-c", conf, "configtest")
	c, err := adopt.ParseConfig(conf, os.ReadFile)
	must(t, err)
	if c.Root != root || c.Style().Series != "host" || c.LockFile != filepath.Join(dir, "pid") {
		t.Errorf("%+v", c)
	}
	const runs = 6
	for n := range runs {
		if n == 3 || n == 5 { // coarser levels go first
			run(t, "rsnapshot", "-c", conf, "beta")
		}
		change(t, source, n)
		run(t, "rsnapshot", "-c", conf, "alpha")
		must(t, os.Chtimes(filepath.Join(root, "alpha.0"), day(n), day(n)))
	}
	var made []string
	for _, f := range findOn(t, root, c.Style()) {
		text, err := os.ReadFile(filepath.Join(root, f.Path, "host", source, "n"))
		must(t, err)
		n, err := strconv.Atoi(string(text))
		must(t, err)
		if !f.Time.Equal(day(n)) || f.Condition != adopt.Whole || f.From != adopt.FromMTime || f.Series != "host" {
			t.Errorf("%+v holds what was backed up at %v", f, day(n))
		}
		made = append(made, f.Path)
	}
	want(t, made, "beta.1", "beta.0", "alpha.2", "alpha.1", "alpha.0")
}

func TestSnapshotsMadeAsHactarDoesAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "target")
	must(t, os.Mkdir(source, 0o755))
	must(t, os.Mkdir(target, 0o755))
	for n := range 4 {
		change(t, source, n)
		run(t, "rsync", "--archive", "--one-file-system", "--hard-links", "--inplace", "--numeric-ids", "--delete", "--delete-excluded",
			"--link-dest="+filepath.Join(target, day(n-1).Format(time.DateOnly)), source+"/",
			filepath.Join(target, day(n).Format(time.DateOnly)))
	}
	style := adopt.Hactar("source")
	style.Zone, style.Now = time.UTC, day(3)
	list := findOn(t, target, style)
	if len(list) != 4 {
		t.Fatalf("found %v, want four", list)
	}
	for n, f := range list {
		condition := adopt.Whole
		if n == 3 {
			condition = adopt.Doubtful
		}
		text, err := os.ReadFile(filepath.Join(target, f.Path, "n"))
		must(t, err)
		if string(text) != strconv.Itoa(n) || !f.Time.Equal(day(n).Truncate(24*time.Hour)) || f.From != adopt.FromName ||
			f.Condition != condition {
			t.Errorf("%d: %+v, which holds %s", n, f, text)
		}
	}
}
