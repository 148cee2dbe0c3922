//go:build !race

package sftpfs_test

// slow says that the race detector slows the tests down.
const slow = false
