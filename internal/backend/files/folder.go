package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"varve/internal/backend"
	"varve/internal/disk"
)

// Temporary names are tmp- and 32 random hexadecimal digits.
const (
	tmpPrefix = "tmp-"
	tmpDigits = 32
)

// isTmp reports whether name is a temporary one.
func isTmp(name string) bool {
	digits, ok := strings.CutPrefix(name, tmpPrefix)
	return ok && len(digits) == tmpDigits && backend.IsHex(digits)
}

// folder is a directory that holds objects, or the folders of data. It need not exist.
type folder struct {
	held   *disk.HeldDir
	parent *folder // nil for the root
	name   string
	kind   backend.Kind // of the objects in it
	// prefix is what the names of the objects in it begin with: "config", "index/", "data/NN".
	prefix string

	making  sync.Mutex
	durable bool // it exists, and its name survives a power cut

	// Syncing is shared: who waits for the lock while others sync finds that a later sync, begun after its own change, was made.
	asked   atomic.Int64
	syncing sync.Mutex
	synced  int64                 // the changes up to this one are durable
	failed  atomic.Pointer[error] // of the first sync that failed
}

// layout is all folders.
type layout struct {
	// all are those that can hold objects, in the order of their paths, the root first; byPath finds them.
	all    []*folder
	byPath map[string]*folder
	data   *folder // holds some of them
}

func newLayout(held *disk.Held) *layout {
	root := &folder{held: held.Root(), kind: backend.Config, prefix: backend.Config.Prefix(), durable: true}
	l := &layout{data: root.child(string(backend.Data), backend.Data, backend.Data.Prefix()), byPath: map[string]*folder{}}
	l.add("", root)
	for i := range 256 {
		digits := hex.EncodeToString([]byte{byte(i)})
		l.add("data/"+digits, l.data.child(digits, backend.Data, l.data.prefix+digits))
	}
	for _, k := range []backend.Kind{backend.Index, backend.Keys, backend.Locks, backend.Snapshots} {
		l.add(string(k), root.child(string(k), k, k.Prefix()))
	}
	return l
}

func (l *layout) add(path string, d *folder) {
	l.all = append(l.all, d)
	l.byPath[path] = d
}

// present returns the folders that may exist and hold names with this prefix.
func (l *layout) present(ctx context.Context, prefix string) (some []*folder, err error) {
	there := map[string]bool{}
	if l.data.fits(prefix) {
		err = l.data.use(ctx, func(dir disk.FS) error {
			names, err := dir.Names()
			for _, n := range names {
				there[n.Name] = true
			}
			return err
		})
	}
	for _, d := range l.all {
		if d.fits(prefix) && (d.parent != l.data || there[d.name]) {
			some = append(some, d)
		}
	}
	return some, err
}

// fits reports whether names in d may begin with prefix.
func (d *folder) fits(prefix string) bool {
	return strings.HasPrefix(d.prefix, prefix) || strings.HasPrefix(prefix, d.prefix)
}

func (d *folder) child(name string, kind backend.Kind, prefix string) *folder {
	return &folder{held: d.held.Child(name), parent: d, name: name, kind: kind, prefix: prefix}
}

// place returns where the object name lies, and under which name there.
func (f *Files) place(name string) (d *folder, leaf string, err error) {
	k, _, err := backend.Parse(name)
	switch {
	case err != nil:
		return nil, "", err
	case k == backend.Config:
		return f.byPath[""], name, nil
	case k == backend.Data:
		leaf = name[len(k.Prefix()):]
		return f.byPath["data/"+leaf[:2]], leaf, nil
	}
	return f.byPath[string(k)], name[len(k.Prefix()):], nil
}

// holds returns the name of the object that lies in d under the name leaf; "" where it is none.
func (d *folder) holds(leaf string) string {
	name := leaf
	if d.kind != backend.Config {
		name = d.kind.Prefix() + leaf
	}
	if backend.CheckName(name) != nil || !strings.HasPrefix(name, d.prefix) {
		return ""
	}
	return name
}

// ensure makes d where it does not exist, durably. One that exists may have been made a moment ago by another process, so its name
// is synced once in any case. An error says that nothing can be put into d.
func (d *folder) ensure() error {
	if failed := d.failed.Load(); failed != nil {
		return *failed
	}
	d.making.Lock()
	defer d.making.Unlock()
	if d.durable {
		return nil
	}
	if err := d.parent.ensure(); err != nil {
		return err
	}
	up, err := d.parent.held.Use()
	if err != nil {
		return err
	}
	defer d.parent.held.Done()
	if err := d.make(up); err != nil {
		return err
	}
	if err := d.parent.commit(up); err != nil {
		return err
	}
	d.durable = true
	return nil
}

// make makes the directory in up unless it is there.
func (d *folder) make(up disk.FS) error {
	_, err := d.held.Use()
	if err == nil {
		d.held.Done()
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := up.Mkdir(d.name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// commit makes the names in d, opened as dir, durable as they were before the call.
func (d *folder) commit(dir disk.FS) error {
	mine := d.asked.Add(1)
	d.syncing.Lock()
	defer d.syncing.Unlock()
	if failed := d.failed.Load(); failed != nil {
		return *failed
	}
	if d.synced >= mine {
		return nil
	}
	upTo := d.asked.Load()
	if err := dir.Sync(); err != nil {
		err = fmt.Errorf("directory not durable, nothing more is put into it: %w", err)
		d.failed.Store(&err)
		return err
	}
	d.synced = upTo
	return nil
}
