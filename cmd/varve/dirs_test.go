package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// withEnv returns an app whose environment is env, and what it prints to standard error.
func withEnv(env map[string]string) (*app, *buffer) {
	a, _, errs := testApp()
	a.env = func(name string) string { return env[name] }
	return a, errs
}

func TestWhatIsKnownOfVaultsIsKeptWhereItBelongs(t *testing.T) {
	home := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{home}, names...)...) }
	for _, c := range []struct {
		name         string
		env          map[string]string
		flag         string
		none         bool
		cache, state string
	}{
		{name: "home", env: map[string]string{"HOME": home}, cache: at(".cache/varve"), state: at(".local/state/varve")},
		{name: "XDG", env: map[string]string{"HOME": "/nowhere", "XDG_CACHE_HOME": at("c"), "XDG_STATE_HOME": at("s")}, cache: at("c/varve"), state: at("s/varve")},
		{name: "XDG, not absolute", env: map[string]string{"HOME": home, "XDG_CACHE_HOME": "c"}, cache: at(".cache/varve"), state: at(".local/state/varve")},
		{name: "own variables", env: map[string]string{"HOME": "/nowhere", "VARVE_CACHE_DIR": at("c"), "VARVE_STATE_DIR": at("s")}, cache: at("c"), state: at("s")},
		{name: "flag", env: map[string]string{"HOME": home, "VARVE_CACHE_DIR": at("c")}, flag: at("f"), cache: at("f"), state: at(".local/state/varve")},
		{name: "no cache", env: map[string]string{"HOME": home}, none: true, state: at(".local/state/varve")},
	} {
		a, errs := withEnv(c.env)
		a.cacheDir, a.noCache = c.flag, c.none
		if cache, state := a.dirs(); cache != c.cache || state != c.state || errs.String() != "" {
			t.Errorf("%s: cache %q, state %q, want %q and %q; printed %q", c.name, cache, state, c.cache, c.state, errs)
		}
	}
}

func TestADirectoryThatCannotBeMadeIsToldAndDoneWithout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, errs := withEnv(map[string]string{"HOME": file})
	if cache, state := a.dirs(); cache != "" || state != "" {
		t.Errorf("cache %q, state %q", cache, state)
	}
	if text := errs.String(); strings.Count(text, "varve: warning: no directory for ") != 2 {
		t.Errorf("printed %q", text)
	}
}

func TestADurationToUndoInHasAUnit(t *testing.T) {
	for text, want := range map[string]time.Duration{"7D": 7 * 24 * time.Hour, "12h": 12 * time.Hour, "1W1s": 7*24*time.Hour + time.Second, "0D": -1} {
		if got, err := parseUndo(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "D", "-1D", "7d", "99999999999Y"} {
		if got, err := parseUndo(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestAShareIsAPercentage(t *testing.T) {
	for text, want := range map[string]float64{"10%": 0.1, "10": 0.1, "0": 0, "100%": 1, "2.5%": 0.025} {
		if got, err := parseShare(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "%", "-1%", "101%", "NaN", "x"} {
		if got, err := parseShare(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	if got, err := parseSubset("0%"); err == nil {
		t.Errorf("a subset of nothing is %v", got)
	}
}
