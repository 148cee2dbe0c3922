package doctor

import (
	"slices"
	"strings"

	"varve"
)

// mount is a file system that is mounted, as /proc/self/mountinfo has it; see proc_pid_mountinfo(5).
type mount struct {
	at       string // the directory
	kind     string // of the file system, such as ext4
	from     string // a device, a server's directory, or a word
	readOnly bool
}

// parseMounts reads the file. Lines that make no sense are passed over.
func parseMounts(text string) (list []mount) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		if dash < 6 || len(fields) < dash+3 {
			continue
		}
		list = append(list, mount{
			at: unescape(fields[4]), kind: fields[dash+1], from: unescape(fields[dash+2]),
			readOnly: slices.Contains(strings.Split(fields[5], ","), "ro"),
		})
	}
	return list
}

// unescape undoes the three octal digits behind a backslash by which the kernel writes spaces and the like.
func unescape(text string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`).Replace(text)
}

// mountOf returns the mount that holds the absolute path; of several on one directory the last one, which hides the others.
func mountOf(list []mount, path string) (deepest mount, found bool) {
	inside := func(m mount) bool {
		return varve.Within(strings.Trim(path, "/"), strings.Trim(m.at, "/"))
	}
	for _, m := range list {
		if inside(m) && len(m.at) >= len(deepest.at) {
			deepest, found = m, true
		}
	}
	return deepest, found
}

// isNetwork reports whether the file system lies on another machine.
func (m mount) isNetwork() bool {
	return slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "glusterfs", "fuse.glusterfs", "fuse.rclone",
		"fuse.s3fs", "davfs", "fuse.davfs2"}, m.kind)
}

// isMemory reports whether the file system is gone after a restart.
func (m mount) isMemory() bool { return m.kind == "tmpfs" || m.kind == "ramfs" }

// forDisks are the directories in which disks are mounted.
func forDisks() []string { return []string{"mnt", "media", "run/media"} }

// looksUnmounted reports whether path, on the root file system, lies where disks are mounted usually.
func looksUnmounted(path string) bool {
	path = strings.Trim(path, "/")
	return slices.ContainsFunc(forDisks(), func(dir string) bool { return path != dir && varve.Within(path, dir) })
}
