package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// secretSource is one place that a passphrase or a key comes from.
type secretSource struct {
	name string // as the user knows it
	key  bool   // it holds a key file or identities; else a passphrase
	read func(ctx context.Context) ([]byte, error)
}

// source returns the place that a secret comes from: of the first of these where there is one, flags, environment, credentials of
// systemd. nil where there is none.
func (s *secrets) source() (*secretSource, error) {
	for _, level := range [...]func() []secretSource{s.flagged, s.environment, s.systemd} {
		found := level()
		switch len(found) {
		case 0:
		case 1:
			return &found[0], nil
		default:
			return nil, usagef("%s and %s exclude one another", found[0].name, found[1].name)
		}
	}
	return nil, nil
}

// flagged returns the sources that the command line names.
func (s *secrets) flagged() (found []secretSource) {
	if s.file != "" {
		found = append(found, s.app.fileSource("--"+s.prefix+"passphrase-file", s.file, false))
	}
	if s.command != "" {
		found = append(found, commandSource("--"+s.prefix+"passphrase-command", s.command))
	}
	if s.descriptor >= 0 {
		found = append(found, s.app.descriptorSource("--"+s.prefix+"passphrase-fd", s.descriptor))
	}
	if s.key != "" {
		found = append(found, s.app.fileSource("--"+s.prefix+"key", s.key, true))
	}
	return found
}

// environment returns the sources that the environment names.
func (s *secrets) environment() (found []secretSource) {
	name := "VARVE_" + strings.ToUpper(strings.ReplaceAll(s.prefix, "-", "_"))
	if path := s.app.env(name + "PASSPHRASE_FILE"); path != "" {
		found = append(found, s.app.fileSource(name+"PASSPHRASE_FILE", path, false))
	}
	if command := s.app.env(name + "PASSPHRASE_COMMAND"); command != "" {
		found = append(found, commandSource(name+"PASSPHRASE_COMMAND", command))
	}
	if path := s.app.env(name + "KEY_FILE"); path != "" {
		found = append(found, s.app.fileSource(name+"KEY_FILE", path, true))
	}
	return found
}

// systemd returns the credentials that systemd hands to a unit, whose access it has seen to.
func (s *secrets) systemd() (found []secretSource) {
	dir := s.app.env("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil
	}
	for _, name := range [...]string{"passphrase", "key"} {
		path := filepath.Join(dir, "varve-"+s.prefix+name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		read := func(context.Context) ([]byte, error) { return readSecretFile(path, nil) }
		found = append(found, secretSource{"credential " + filepath.Base(path), name == "key", read})
	}
	return found
}

// fileSource returns a file as a source. One that others may read or change is warned of.
func (a *app) fileSource(name, path string, key bool) secretSource {
	return secretSource{name + " " + path, key, func(context.Context) ([]byte, error) {
		return readSecretFile(path, func(mode fs.FileMode) {
			if mode.IsRegular() && mode.Perm()&0o006 != 0 {
				a.warn("%s: others may read or change it (mode %04o): chmod 600 keeps it secret", quote(path), mode.Perm())
			}
		})
	}}
}

// maxSecret is how long a passphrase or a key file may be, in bytes.
const maxSecret = 64 << 10

// readSecretFile reads a file, whose mode it tells to look.
func readSecretFile(path string, look func(fs.FileMode)) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if look != nil {
		look(info.Mode())
	}
	text, err := readAllOf(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// readAllOf reads a secret whole.
func readAllOf(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err == nil && len(text) > maxSecret {
		err = fmt.Errorf("longer than %d bytes: not a secret", maxSecret)
	}
	return text, err
}

// descriptorSource returns an open file of the process as a source.
func (a *app) descriptorSource(name string, fd int) secretSource {
	return secretSource{name + " " + strconv.Itoa(fd), false, func(context.Context) ([]byte, error) {
		if fd == 0 {
			return readAllOf(a.in)
		}
		f := os.NewFile(uintptr(fd), "descriptor "+strconv.Itoa(fd))
		if f == nil {
			return nil, fs.ErrInvalid
		}
		defer f.Close()
		return readAllOf(f)
	}}
}

// commandSource returns what a command of the shell prints as a source. The command has no standard input, which may be a list of files.
func commandSource(name, command string) secretSource {
	return secretSource{name, false, func(ctx context.Context) ([]byte, error) {
		var out bytes.Buffer
		c := exec.CommandContext(ctx, "sh", "-c", command)
		c.Stdout, c.Stderr, c.WaitDelay = &out, os.Stderr, time.Second
		if err := c.Run(); err != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
		return readAllOf(&out)
	}}
}
