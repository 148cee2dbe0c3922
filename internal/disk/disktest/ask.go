package disktest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that err matches want, or is any error where want is nil, and names an operation and, where given, a path.
func refused(t *testing.T, what string, err, want error, name string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("%s: error %q does not match %q", what, err, want)
	}
	if op, path := describe(err); op == "" || !strings.Contains(path, name) {
		t.Errorf("%s: error %q names the operation %q and the path %q, want %q in it", what, err, op, path, name)
	}
}

// describe returns the operation and the paths that err names.
func describe(err error) (op, paths string) {
	var one *fs.PathError
	var two *os.LinkError
	switch {
	case errors.As(err, &two):
		return two.Op, two.Old + " " + two.New
	case errors.As(err, &one):
		return one.Op, one.Path
	}
	return "", ""
}

// write makes the file name with content data.
func write(t *testing.T, f disk.FS, name, data string) {
	t.Helper()
	w, err := f.Create(name, 0o644)
	must(t, err)
	_, err = w.WriteAt([]byte(data), 0)
	must(t, err)
	must(t, w.Close())
}

// read returns the content of the file name.
func read(t *testing.T, f disk.FS, name string) string {
	t.Helper()
	r, err := f.Open(name)
	must(t, err)
	defer r.Close()
	return content(t, r)
}

func content(t *testing.T, r disk.Reader) string {
	t.Helper()
	var b bytes.Buffer
	_, err := io.Copy(&b, io.NewSectionReader(r, 0, 1<<40))
	must(t, err)
	return b.String()
}

// mkdir makes and opens the directory name until the test ends.
func mkdir(t *testing.T, f disk.FS, name string) disk.FS {
	t.Helper()
	must(t, f.Mkdir(name, 0o755))
	return openDir(t, f, name)
}

func openDir(t *testing.T, f disk.FS, name string) disk.FS {
	t.Helper()
	sub, err := f.OpenDir(name)
	must(t, err)
	t.Cleanup(func() { sub.Close() })
	return sub
}

func lookup(t *testing.T, f disk.FS, name string) disk.Info {
	t.Helper()
	info, err := f.Lookup(name)
	must(t, err)
	return info
}

func absent(t *testing.T, f disk.FS, name string) {
	t.Helper()
	_, err := f.Lookup(name)
	refused(t, "lookup of a name that must not be", err, fs.ErrNotExist, name)
}

// list returns the names in f, sorted by their bytes.
func list(t *testing.T, f disk.FS) []string {
	t.Helper()
	found, err := f.Names()
	must(t, err)
	var names []string
	for _, n := range found {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

func wantList(t *testing.T, f disk.FS, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := list(t, f); !slices.Equal(got, want) {
		t.Errorf("names are %q, want %q", got, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// makers make an object of each kind; device nodes only where root does.
func makers(opts Options) map[varve.Kind]func(f disk.FS, name string) error {
	m := map[varve.Kind]func(disk.FS, string) error{
		varve.Dir:     func(f disk.FS, name string) error { return f.Mkdir(name, 0o755) },
		varve.Symlink: func(f disk.FS, name string) error { return f.Symlink(name, "no/such target") },
		varve.Regular: func(f disk.FS, name string) error {
			w, err := f.Create(name, 0o644)
			if err != nil {
				return err
			}
			return w.Close()
		},
	}
	if opts.ByPath {
		return m
	}
	kinds := []varve.Kind{varve.FIFO, varve.Socket}
	if opts.Root {
		kinds = append(kinds, varve.CharDevice, varve.BlockDevice)
	}
	for _, k := range kinds {
		m[k] = func(f disk.FS, name string) error { return f.Mknod(name, k, 0o644, varve.Rdev{Major: 1, Minor: 3}) }
	}
	return m
}
