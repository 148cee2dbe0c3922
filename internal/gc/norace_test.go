//go:build !race

package gc

// slow says that the race detector slows the tests down.
const slow = false
