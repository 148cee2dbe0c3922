// Command varve keeps snapshots of files. Its commands parse, open, call one function of the packages below, and print; what
// becomes of errors is in errors.go alone.
package main

import (
	"os"
	"runtime/debug"
)

// version is what the linker is told by make; empty in other builds.
var version string

// The heap is small and short-lived: collecting at four times what is in use saves a tenth of the time, up to a limit that keeps
// the largest trees within a quarter of a gigabyte. Where another machine takes part, what is under way over a long line takes more.
const (
	heapGrowth = 300
	nearHeap   = 96 << 20
	farHeap    = 160 << 20
)

func main() {
	a := newApp()
	ctx, stop := a.watchSignals(os.Exit)
	debug.SetGCPercent(heapGrowth)
	debug.SetMemoryLimit(nearHeap)
	code := run(ctx, a, os.Args[1:])
	stop()
	os.Exit(code)
}
