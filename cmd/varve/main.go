// Command varve keeps snapshots of files. Its commands parse, open, call one function of the packages below, and print; what
// becomes of errors is in errors.go alone.
package main

import (
	"os"
)

// version is what the linker is told by make; empty in other builds.
var version string

func main() {
	a := newApp()
	ctx, stop := a.watchSignals(os.Exit)
	code := run(ctx, a, os.Args[1:])
	stop()
	os.Exit(code)
}
