package doctor

import "syscall"

// inodes returns how many files the file system of path can hold, and how many more; zero where it does not count them.
func inodes(path string) (all, free uint64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0
	}
	return s.Files, s.Ffree
}
