package main

import (
	"os"
	"path/filepath"
)

// dirs returns the directories for what is known of vaults: the cache, which can be had again, and the state, which cannot. Empty means
// that nothing is kept.
func (a *app) dirs() (cache, state string) {
	switch {
	case a.noCache:
	case a.cacheDir != "":
		cache = a.cacheDir
	case a.env("VARVE_CACHE_DIR") != "":
		cache = a.env("VARVE_CACHE_DIR")
	default:
		cache = a.usable("the cache", a.standard("XDG_CACHE_HOME", ".cache", "/var/cache"))
	}
	if state = a.env("VARVE_STATE_DIR"); state == "" {
		state = a.usable("what must be remembered of vaults, such as which snapshots there were,", a.standard("XDG_STATE_HOME", ".local/state", "/var/lib"))
	}
	return cache, state
}

// standard returns varve's directory in the one that a variable names, or in the one below the home directory; of root without a home, in
// that of the system. Empty where there is none.
func (a *app) standard(variable, below, system string) string {
	if dir := a.env(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "varve")
	}
	if home := a.env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, below, "varve")
	}
	if os.Geteuid() == 0 {
		return filepath.Join(system, "varve")
	}
	return ""
}

// usable returns dir, which is made where it is missing; empty, with a warning, where it cannot be used. Nobody asked for it by name, and a
// rescue system may have no place that can be written to.
func (a *app) usable(what, dir string) string {
	if dir == "" {
		a.warn("no directory for %s: set VARVE_CACHE_DIR and VARVE_STATE_DIR, or HOME", what)
		return ""
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		a.warn("no directory for %s: %s", what, describe(err))
		return ""
	}
	return dir
}
