package location

import (
	"path/filepath"
	"strings"

	"varve"
)

// InStore reports whether the absolute path of this machine is the store that spec names, or lies in it; symlinks are followed as far as
// the paths exist. Never where the store is on another machine.
func InStore(path string, store Spec) bool {
	if store.Scheme != Local {
		return false
	}
	return varve.Within(strings.TrimPrefix(RealPath(path), "/"), strings.TrimPrefix(RealPath(store.Path), "/"))
}

// RealPath returns path without symlinks, as far as it exists.
func RealPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if up := filepath.Dir(path); up != path {
		return filepath.Join(RealPath(up), filepath.Base(path))
	}
	return path
}
