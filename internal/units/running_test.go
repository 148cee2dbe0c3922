package units

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADirectoryForCrontabsIsNoCron(t *testing.T) {
	for name, c := range map[string]struct {
		files       map[string]string
		runs, reads bool
	}{
		"nothing":                     {},
		"a directory":                 {files: map[string]string{"etc/cron.d/x": ""}, reads: true},
		"a program":                   {files: map[string]string{"etc/cron.d/x": "", "usr/sbin/cron": ""}, runs: true, reads: true},
		"a program that does not run": {files: map[string]string{"usr/sbin/cron": "", "proc/1/comm": "sh\n"}},
		"a process":                   {files: map[string]string{"proc/1/comm": "init\n", "proc/20/comm": "crond\n"}, runs: true},
		"another process":             {files: map[string]string{"proc/1/comm": "init\n", "proc/20/comm": "crontab\n", "proc/self/comm": "cron\n"}},
		"busybox":                     {files: map[string]string{"proc/1/comm": "busybox\n", "proc/1/cmdline": "busybox\x00crond\x00-f\x00"}, runs: true},
		"another of busybox":          {files: map[string]string{"proc/1/comm": "busybox\n", "proc/1/cmdline": "busybox\x00init\x00"}},
		"one that reads no directory": {files: map[string]string{"etc/cron.d/x": "", "usr/sbin/crond": "-> /bin/busybox"}, runs: true},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			plant(t, filepath.Join(root, file), text)
		}
		if runs, reads := CronRuns(root), ReadsDirectory(root); runs != c.runs || reads != c.reads {
			t.Errorf("%s: runs %v, reads %v", name, runs, reads)
		}
	}
}

// plant makes a file, or a symlink.
func plant(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		if len(text) > 3 && text[:3] == "-> " {
			err = os.Symlink(text[3:], path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
