package units

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Install writes the units of all jobs of a configuration file into a directory of systemd, and removes ours of jobs that are not among them.
// config is the name of the file as in Unit; what belongs to others stays. It returns the names of those that were written or removed; none
// of what stays as it is. A file with one of the names that is not ours is an error, and nothing is changed then.
func Install(dir, config string, all []Unit) (written, removed []string, err error) {
	texts, err := render(config, all)
	if err != nil {
		return nil, nil, err
	}
	write, remove, err := compare(dir, config, texts)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range write {
		if err := replace(filepath.Join(dir, name), []byte(texts[name])); err != nil {
			return written, nil, err
		}
		written = append(written, name)
	}
	for _, name := range remove {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return written, removed, err
		}
		removed = append(removed, name)
	}
	return written, removed, nil
}

// compare returns the names of the units that are missing or otherwise in a directory, and of those of the configuration file there that are
// none of texts.
func compare(dir, config string, texts map[string]string) (write, remove []string, err error) {
	old, err := Installed(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range sorted(texts) {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil && !slices.Contains(old, name) {
			return nil, nil, fmt.Errorf("%s was not made by varve: %w", path, fs.ErrExist)
		}
		if have, err := os.ReadFile(path); err != nil || string(have) != texts[name] {
			write = append(write, name)
		}
	}
	for _, name := range old {
		if _, stays := texts[name]; !stays && configOf(name) == config {
			remove = append(remove, name)
		}
	}
	return write, remove, nil
}

// render returns the text of every unit by its name. All are of one configuration file.
func render(config string, all []Unit) (map[string]string, error) {
	texts := map[string]string{}
	for i := range all {
		u := &all[i]
		if u.Config != config {
			return nil, fmt.Errorf("job %s: is of another configuration file", u.Job)
		}
		service, err := u.RenderService()
		if err != nil {
			return nil, err
		}
		timer, err := u.RenderTimer()
		if err != nil {
			return nil, err
		}
		if _, twice := texts[u.Service()]; twice {
			return nil, fmt.Errorf("job %s: is there twice", u.Job)
		}
		texts[u.Service()], texts[u.Timer()] = service, timer
	}
	return texts, nil
}

func sorted(texts map[string]string) []string {
	var names []string
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Installed returns the names of our units in a directory of systemd, of all configuration files, sorted; none where there is no such
// directory.
func Installed(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), prefix) || ext != ".service" && ext != ".timer" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(text, []byte(firstLine+"\n")) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// replace puts text in the place of a file that everybody may read, which others find as it was or as it is to be. A directory that is
// missing is made.
func replace(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".varve-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
