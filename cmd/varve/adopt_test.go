package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hactar makes days of a history with rsync, as Hactar runs it or with options of its own.
func (l *legacy) hactar(days int, options ...string) (names []string) {
	l.Helper()
	for n := range days {
		l.change(n)
		names = append(names, fmt.Sprintf("2024-02-%02d", 20+n))
		args := append([]string{"--archive", "--one-file-system", "--hard-links", "--inplace", "--numeric-ids", "--delete", "--delete-excluded"}, options...)
		if n > 0 {
			args = append(args, "--link-dest="+filepath.Join(l.dir, names[n-1]))
		}
		l.program("rsync", append(args, l.src+"/", filepath.Join(l.dir, names[n]))...)
	}
	return names
}

func TestDaysOfHactarBecomeSnapshotsAsTheyAre(t *testing.T) {
	for name, options := range map[string][]string{"as Hactar runs rsync": nil, "with attributes": {"-AX"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLegacy(t)
			names := l.hactar(3, options...)
			want := l.kept(names...)
			inode := l.inodeOf(filepath.Join(l.dir, names[1], "dir/file"))
			l.call(exitGood, "adopt", "--init", "--series", "s", "--path", l.src, l.dir)
			list := l.holds("s", l.src, want)
			if at := filepath.Join(l.store, list[1].Location, l.src, "dir/file"); l.inodeOf(at) != inode {
				t.Error("a file was copied")
			}
			if left, err := os.ReadDir(l.dir); err != nil || len(left) > 0 {
				t.Errorf("left are %v, %v", left, err)
			}
			if base := filepath.Base(list[2].Location); base != names[2] {
				t.Errorf("%s became %s", names[2], base)
			}
			l.goesOn(options != nil)
		})
	}
}

// goesOn checks that a backup of the source after an adoption stores nothing that is there, and that the old snapshots can go.
func (l *legacy) goesOn(attributes bool) {
	l.Helper()
	state := takeCensus(l.T, l.src)
	l.call(exitGood, "backup", "--series", "s", l.src)
	list := l.list("s")
	last := list[len(list)-1]
	lacking := int64(len("content of dir/sub/linked")) // the copy of this one has no attributes
	if attributes {
		lacking = 0
	}
	if last.Added != lacking {
		l.Errorf("%d bytes were stored anew, want %d", last.Added, lacking)
	}
	at := func(i int) uint64 { return l.inodeOf(filepath.Join(l.store, list[i].Location, l.src, "dir/file")) }
	if at(len(list)-1) != at(0) {
		l.Error("an unchanged file is not linked to the adopted one")
	}
	l.call(exitGood, "backup", "--series", "s", l.src)
	l.call(exitGood, "forget", "--keep-last", "2")
	list = l.list("s")
	if len(list) != 2 {
		l.Fatalf("%d snapshots are left", len(list))
	}
	if d := l.restored(list[1], l.src).differences(state); d != "" {
		l.Error(d)
	}
	l.call(exitGood, "verify")
}

// rsnapshot writes a configuration with these lines and returns its path.
func (l *legacy) rsnapshot(lines ...string) string {
	l.Helper()
	conf := filepath.Join(filepath.Dir(l.dir), "rsnapshot.conf")
	text := "config_version 1.2\nsnapshot_root " + l.dir + "/\ncmd_rsync /usr/bin/rsync\nlockfile " + l.dir + ".pid\n" + strings.Join(lines, "\n") + "\n"
	l.must(os.WriteFile(conf, []byte(strings.ReplaceAll(text, " ", "\t")), 0o644))
	return conf
}

func TestSnapshotsOfRsnapshotBecomeOnesOfTheirSourcesUnderFullPaths(t *testing.T) {
	t.Parallel()
	l := newLegacy(t)
	l.must(os.MkdirAll(l.dir+".etc", 0o755))
	l.must(os.WriteFile(l.dir+".etc/conf", []byte("x"), 0o600))
	conf := l.rsnapshot("retain alpha 3", "retain beta 3", "backup "+l.src+"/ localhost/", "backup "+l.dir+".etc/ other/")
	for n := range 6 {
		if n == 3 || n == 5 {
			l.program("rsnapshot", "-c", conf, "beta")
		}
		l.change(n)
		l.program("rsnapshot", "-c", conf, "alpha")
		old := time.Date(2024, 2, 20+n, 1, 0, 0, 0, time.UTC)
		l.must(os.Chtimes(filepath.Join(l.dir, "alpha.0"), old, old))
	}
	var here, there []census
	for _, name := range []string{"beta.1", "beta.0", "alpha.2", "alpha.1", "alpha.0"} {
		here = append(here, l.kept(filepath.Join(name, "localhost", l.src))...)
		there = append(there, l.kept(filepath.Join(name, "other", l.dir+".etc"))...)
	}
	out, _ := l.call(exitGood, "adopt", "-n", "--config", conf)
	if !strings.Contains(out, "varve forget --keep-last=3 --keep-daily=3") || !strings.Contains(out, "alpha.0/localhost  localhost") {
		t.Errorf("a dry run prints\n%s", out)
	}
	l.call(exitGood, "adopt", "--init", "--config", conf)
	list := l.holds("localhost", l.src, here)
	l.holds("other", l.dir+".etc", there)
	if !list[4].Time.Equal(time.Date(2024, 2, 25, 1, 0, 0, 0, time.UTC)) || list[4].Sources[0] != l.src || list[4].Host != "testhost" {
		t.Errorf("%+v", list[4])
	}
	if left, err := os.ReadDir(l.dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	l.call(exitGood, "backup", "--series", "localhost", l.src)
	if last := l.list("localhost")[5]; last.Added != int64(len("content of dir/sub/linked")) {
		t.Errorf("a backup after that stored %d bytes anew", last.Added)
	}
	l.call(exitGood, "forget", "--keep-last", "1")
	l.call(exitGood, "verify")
}

func TestNothingIsTakenInWhileRsnapshotRuns(t *testing.T) {
	l := newLegacy(t)
	conf := l.rsnapshot("retain daily 3", "backup /etc/ localhost/")
	l.must(os.MkdirAll(filepath.Join(l.dir, "daily.0/localhost/etc"), 0o755))
	l.must(os.WriteFile(l.dir+".pid", []byte("1"), 0o644))
	if _, errs := l.call(exitBusy, "adopt", "--init", "--config", conf); !strings.Contains(errs, "rsnapshot is running") {
		t.Error(errs)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "daily.0/localhost/etc")); err != nil {
		t.Error(err)
	}
}

// toTheSecond makes of a census what rdiff-backup tells: whole seconds, and no times of what is neither file nor directory.
func toTheSecond(c census) census {
	coarse := census{}
	part, other := regexp.MustCompile(`\.\d{9} dev`), regexp.MustCompile(`^(\d+ [^ ]+) [^ ]+ dev`)
	for path, text := range c {
		text = part.ReplaceAllString(text, " dev")
		if !strings.HasPrefix(text, "100") && !strings.HasPrefix(text, "40") {
			text = other.ReplaceAllString(text, "$1 dev")
		}
		coarse[path] = text
	}
	return coarse
}

func TestSessionsOfRdiffBackupAreSavedInAnyStore(t *testing.T) {
	for _, kind := range []string{"tree", "vault"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLegacy(t)
			var want []census
			session := func(n int) {
				t.Helper()
				l.change(n)
				want = append(want, toTheSecond(takeCensus(t, l.src)))
				at := time.Date(2024, 2, 20+n, 1, 0, 0, 0, time.UTC).Unix()
				l.program("rdiff-backup", "--current-time", strconv.FormatInt(at, 10), "backup", l.src, l.dir)
			}
			for n := range 3 {
				session(n)
			}
			if kind == "vault" {
				l.call(exitGood, "init", "--kind", "vault", "--insecure-no-encryption")
			}
			check := func() {
				t.Helper()
				list := l.list("history")
				if len(list) != len(want) {
					t.Fatalf("%d snapshots, want %d", len(list), len(want))
				}
				for i, s := range list {
					if d := toTheSecond(l.restored(s, "/")).differences(want[i]); d != "" {
						t.Errorf("session %d:\n%s", i, d)
					}
				}
			}
			l.call(exitGood, "adopt", "--init", l.dir)
			check()
			l.call(exitGood, "adopt", l.dir)
			check()
			session(3)
			l.call(exitGood, "adopt", l.dir)
			check()
			if last := l.list("history")[3]; last.Added > 200 {
				t.Errorf("a session that changed one small file added %d bytes", last.Added)
			}
			l.call(exitGood, "verify")
			broken := time.Date(2024, 2, 24, 1, 0, 0, 0, time.UTC)
			l.must(os.WriteFile(filepath.Join(l.dir, "rdiff-backup-data/current_mirror."+broken.Format(time.RFC3339)+".data"), nil, 0o600))
			if _, errs := l.call(exitGood, "adopt", l.dir); !strings.Contains(errs, broken.Local().Format(time.DateTime)) || !strings.Contains(errs, "did not come to its end") {
				t.Errorf("of a session that was broken off it says %q", errs)
			}
			check()
		})
	}
}

func TestWhatRsyncKeptInAttributesComesOutOfThem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make what fake-super stands for")
	}
	t.Parallel()
	l := newLegacy(t)
	want := []census{}
	for n := range 2 {
		l.change(n)
		want = append(want, takeCensus(t, l.src))
		args := []string{"-aHAX", "--delete", "--numeric-ids", "-M--fake-super"}
		if n > 0 {
			args = append(args, "--link-dest="+filepath.Join(l.dir, "web-2024-02-20"))
		}
		l.program("rsync", append(args, l.src+"/", filepath.Join(l.dir, fmt.Sprintf("web-2024-02-%d", 20+n)))...)
	}
	if _, errs := l.call(exitUsage, "adopt", "--init", l.dir); !strings.Contains(errs, "--fake-super") {
		t.Error(errs)
	}
	if names, err := os.ReadDir(l.dir); err != nil || len(names) != 2 {
		t.Fatalf("%v, %v", names, err)
	}
	l.call(exitGood, "adopt", "--fake-super", l.dir)
	l.holds("web", "/", want)
}

func TestDirectoriesAreSavedInAVaultAndStay(t *testing.T) {
	t.Parallel()
	l := newLegacy(t)
	want := l.kept(l.hactar(2)...)
	l.call(exitGood, "init", "--kind", "vault", "--insecure-no-encryption")
	if _, errs := l.call(exitUsage, "adopt", l.dir); !strings.Contains(errs, "--copy") {
		t.Error(errs)
	}
	for range 2 {
		l.call(exitGood, "adopt", "--copy", l.dir)
		l.holds("history", "/", want)
	}
	if names, err := os.ReadDir(l.dir); err != nil || len(names) != 2 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestWhoKeepsNamesOfAdoptedFilesIsWarned(t *testing.T) {
	t.Parallel()
	l := newLegacy(t)
	l.hactar(2)
	l.program("cp", "-al", filepath.Join(l.dir, "2024-02-21"), filepath.Join(l.dir, "current"))
	_, errs := l.call(exitGood, "adopt", "--init", l.dir)
	if !strings.Contains(errs, "files were adopted, and left outside of the store, too") {
		t.Error(errs)
	}
}

func TestWhereverAdoptIsKilledTheNextRunHasEveryDay(t *testing.T) {
	t.Parallel()
	template := newLegacy(t)
	names := template.hactar(2)
	want := template.kept(names...)
	step, points := 19, 0
	if testing.Short() {
		step = 101
	}
	for at := 1; !t.Failed(); at += step {
		work := filepath.Join(t.TempDir(), "work")
		template.program("cp", "-a", filepath.Dir(template.src), work)
		l := &legacy{T: t, src: template.src, dir: filepath.Join(work, "history"), store: filepath.Join(work, "store")}
		text, err := finish(child(t, []string{"VARVE_TEST_KILL_AT=" + strconv.Itoa(at)}, "-s", l.store, "adopt", "--init", l.dir))
		dead := killed(t, "adopt", text, err)
		l.call(exitGood, "adopt", "--init", l.dir)
		l.holds("history", "/", want)
		if !dead {
			break
		}
		points++
	}
	t.Logf("killed at %d operations", points)
}
