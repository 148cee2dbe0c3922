package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	jobs "varve/internal/job"
	"varve/internal/units"
)

// own reports whether it is for the user alone.
func (s *scheduling) own() bool { return s.user || !s.app.root }

// systemd returns the systemd that jobs would be started by.
func (s *scheduling) systemd() (units.Systemd, error) {
	runs := isDir(s.app.system + "/run/systemd/system")
	if !s.own() {
		return units.Systemd{Dir: s.app.system + "/etc/systemd/system", Config: s.name, Offline: !runs}, nil
	}
	dir := s.app.env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home := s.app.env("HOME")
		if !filepath.IsAbs(home) {
			return units.Systemd{}, errors.New("find the user's units: HOME is not set")
		}
		dir = filepath.Join(home, ".config")
	}
	return units.Systemd{Dir: filepath.Join(dir, "systemd/user"), Config: s.name, User: true, Offline: !runs}, nil
}

// crontab returns the crontab that jobs would be started from: without a directory for those of the system, root has one of his own.
func (s *scheduling) crontab() units.Crontab {
	if s.own() || !units.ReadsDirectory(s.app.system) {
		return units.Crontab{Config: s.name}
	}
	return units.Crontab{File: s.app.system + "/etc/cron.d/varve", Config: s.name}
}

// names returns the names of the configuration files that something is installed for, each once, sorted.
func (s *scheduling) names(ctx context.Context) ([]string, error) {
	systemd, err := s.systemd()
	if err != nil {
		return nil, err
	}
	names, err := systemd.Configs()
	if crontab := s.crontab(); err == nil && crontab.Usable() {
		var more []string
		more, err = crontab.Configs(ctx)
		names = append(names, more...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// choose returns the system that starts jobs here.
func (s *scheduling) choose() (string, error) {
	switch {
	case s.system != "":
		return s.system, nil
	case isDir(s.app.system + "/run/systemd/system"):
		return bySystemd, nil
	case s.crontab().Usable():
		return byCron, nil
	}
	return "", errNoTimers
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// starters returns how systemd and cron start jobs.
func (s *scheduling) starters() (systemd, cron jobs.Starter, err error) {
	program, err := s.app.program()
	switch {
	case errors.Is(err, errProgram) && s.silent:
	case errors.Is(err, errProgram) && s.shows:
		s.app.warn("varve schedule install would refuse to run: %s", describe(err))
	case err != nil:
		return systemd, cron, err
	}
	host, _ := s.app.host() // without it all machines have the same minute
	both := jobs.Starter{Program: program, Config: s.path, Name: s.name, User: s.own(), Host: host, Cache: s.app.env("VARVE_CACHE_DIR")}
	if both.Cache != "" {
		if both.Cache, err = filepath.Abs(both.Cache); err != nil {
			return systemd, cron, err
		}
	}
	_, state := s.app.dirs()
	if state == "" {
		return systemd, cron, errors.New("there is no directory for what runs remember: set VARVE_STATE_DIR")
	}
	if state, err = filepath.Abs(state); err != nil {
		return systemd, cron, err
	}
	systemd, cron = both, both
	home := s.app.env("HOME")
	if state != filepath.Join(home, ".local/state/varve") || !s.own() && home != "/root" { // else varve finds it by itself
		systemd.State, cron.State = state, state
	}
	if !s.own() {
		systemd.State = state
	}
	if s.crontab().File != "" {
		cron.As = "root"
	}
	return systemd, cron, nil
}

// lastingProgram returns the path of this program, by which it will be found the next time, too. Where it will not the error matches
// errProgram, and the path is that of now.
func lastingProgram() (string, error) {
	path, err := os.Executable()
	if err == nil {
		err = lasting(path, os.TempDir())
	}
	if err != nil {
		return path, fmt.Errorf("find the program: %w", err)
	}
	return path, nil
}

// lasting returns an error that matches errProgram where a program is in a place from which it goes by itself: below the directory for
// temporary files, or where go run puts programs.
func lasting(program, temp string) error {
	for _, dir := range []string{filepath.Clean(temp), "/tmp", "/var/tmp", "/dev/shm", "/run"} {
		if within(program, dir) {
			return fmt.Errorf("%w: %s is in %s", errProgram, program, dir)
		}
	}
	for element := range strings.SplitSeq(program, "/") {
		if strings.HasPrefix(element, "go-build") {
			return fmt.Errorf("%w: %s was made by go run", errProgram, program)
		}
	}
	return nil
}
