package units

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// CronRuns reports whether a cron runs on the machine whose root directory is at root, empty for this one: by the names of its processes, or
// where those of others cannot be seen, by whether the program is there.
func CronRuns(root string) bool {
	proc := root + "/proc"
	if _, err := os.ReadFile(proc + "/1/comm"); err != nil {
		return hasCron(root)
	}
	entries, _ := os.ReadDir(proc) // what was read counts
	for _, e := range entries {
		if strings.Trim(e.Name(), "0123456789") == "" && isCron(filepath.Join(proc, e.Name())) {
			return true
		}
	}
	return false
}

// hasCron reports whether the program of a cron is there.
func hasCron(root string) bool {
	for _, dir := range [...]string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"} {
		for _, name := range [...]string{"cron", "crond"} {
			if _, err := os.Lstat(root + dir + "/" + name); err == nil {
				return true
			}
		}
	}
	return false
}

// isCron reports whether a directory of /proc is that of a cron.
func isCron(process string) bool {
	name, _ := os.ReadFile(process + "/comm") // nothing where it has ended
	switch string(bytes.TrimSpace(name)) {
	case "cron", "crond":
		return true
	case busybox:
		line, _ := os.ReadFile(process + "/cmdline")
		return bytes.Contains(line, []byte("\x00crond\x00"))
	}
	return false
}

// busybox is a program that is many, a cron among them: one that reads the crontabs of users, and no /etc/cron.d.
const busybox = "busybox"

// ReadsDirectory reports whether the cron of the machine whose root directory is at root reads crontabs of the system from /etc/cron.d.
func ReadsDirectory(root string) bool {
	if info, err := os.Stat(root + "/etc/cron.d"); err != nil || !info.IsDir() {
		return false
	}
	program, _ := os.Readlink(root + "/usr/sbin/crond")
	return filepath.Base(program) != busybox
}
