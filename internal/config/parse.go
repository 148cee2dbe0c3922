package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Options say how a file is read. The zero value is right where nothing in it begins with "~".
type Options struct {
	// Home is what "~" stands for; empty where nobody knows.
	Home string
	// Place returns what is wrong with a place on another machine, as a store, a source or a target; nil takes all.
	Place func(text string) error
	// Sources returns what is wrong with the sources of one job together; nil takes all.
	Sources func(texts []string) error
}

// maxFile is how long a file may be, in bytes.
const maxFile = 256 << 10

// Path returns where the file is that is read unless another one is named: /etc/varve/varve.toml for the superuser, and
// varve/varve.toml in the user's configuration directory for others. env returns environment variables; an error says that they do
// not tell where that is.
func Path(superuser bool, env func(string) string) (string, error) {
	if superuser {
		return "/etc/varve/varve.toml", nil
	}
	dir := env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home := env("HOME")
		if !filepath.IsAbs(home) {
			return "", errors.New("find configuration: neither XDG_CONFIG_HOME nor HOME is set")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "varve", "varve.toml"), nil
}

// Load reads the file at path. An error that holds Faults says what is wrong in it; fs.ErrNotExist that there is none. A file that
// belongs to another user but root, or that others than its owner may write to, is refused, since it names commands to run.
func Load(path string, o Options) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if err := trusted(path, info, os.Geteuid()); err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, o)
}

// Parse reads a file of this name and content. An error that holds Faults says what is wrong in it.
func Parse(name string, data []byte, o Options) (*Config, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("read configuration %s: has more than %d bytes", name, maxFile)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	f := file{name, data}
	if found, err := syntax(data); err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", name, err)
	} else if found != nil {
		return nil, f.faults(found)
	}
	root, err := grow(data)
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", name, err)
	}
	c := &Config{}
	d := &decoder{}
	d.document(root, c)
	k := checker{decoder: d, options: o, config: c, root: root}
	k.checkAll()
	if err := f.faults(d.found); err != nil {
		return nil, err
	}
	return c, nil
}

// syntax returns the first place where the file is not TOML.
func syntax(data []byte) ([]finding, error) {
	var anything map[string]any
	err := toml.Unmarshal(data, &anything)
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return nil, err
	}
	line, column := at.Position()
	offset := 0
	for range line - 1 {
		offset += bytes.IndexByte(data[offset:], '\n') + 1
	}
	offset = min(offset+max(column-1, 0), len(data))
	return []finding{{at: span{offset, offset + 1}, message: trimPrefix(at.Error())}}, nil
}

func trimPrefix(message string) string {
	return string(bytes.TrimPrefix([]byte(message), []byte("toml: ")))
}

// document reads a whole file.
func (d *decoder) document(root *node, c *Config) {
	d.shared = true
	if defaults := root.table["defaults"]; defaults != nil {
		d.value(defaults, reflect.ValueOf(&c.Defaults).Elem(), "")
	}
	d.shared = false
	inherit(root)
	for _, key := range root.keys {
		switch value := root.table[key]; key {
		case "store":
			d.value(value, reflect.ValueOf(&c.Stores).Elem(), "")
		case "job":
			d.value(value, reflect.ValueOf(&c.Jobs).Elem(), "")
		case "notice":
			d.value(value, reflect.ValueOf(&c.Notices).Elem(), "")
		case "defaults":
		default:
			d.faultKey(value, "%s", unknown(key, fieldsOf(reflect.TypeFor[Config]())))
		}
	}
}

// preset sets what a store does not say and has a default.
func (s *Store) preset() {
	s.Deletions, s.Undo, s.Connections = 20, Span(7*24*time.Hour), 4
	s.Verify = Verify{Every: Every(7 * 24 * time.Hour), Subset: 0.10}
	s.Prune = Prune{Every: Every(7 * 24 * time.Hour), MaxUnused: 0.05}
	s.Drill = Drill{Files: 20}
}

// preset sets what a job does not say and has a default.
func (j *Job) preset() {
	j.ExcludeCaches, j.Snapshot, j.Retries = true, None, 3
	j.Overdue, j.WaitNetwork = Span(24*time.Hour), Span(5*time.Minute)
	j.Guard = Guard{MinFiles: 1, MaxLost: 0.5, MaxChanged: 0.8}
}
