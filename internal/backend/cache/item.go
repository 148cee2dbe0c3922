package cache

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"varve"
	"varve/internal/backend"
	"varve/internal/disk"
)

// item is something that may be kept: the file NN/NAME, NAME being the SHA-256 of what the item is, NN its first two digits. It holds
// the bytes, and after those of a range SHA-256(key ‖ bytes).
type item struct {
	key  string // the object's name; for a range also where it lies
	leaf string
	// want is the length of a range in bytes; -1 for a whole object, whose hash is its name.
	want int64
}

func wholeItem(name string) item { return newItem(name, -1) }

func rangeItem(name string, off, n int64) item {
	return newItem(fmt.Sprintf("%s %d+%d", name, off, n), n)
}

func newItem(key string, want int64) item {
	sum := sha256.Sum256([]byte(key))
	return item{key: key, leaf: hex.EncodeToString(sum[:]), want: want}
}

// seal returns what the item's file holds.
func (it item) seal(data []byte) []byte {
	if it.want < 0 {
		return data
	}
	sum := it.sum(data)
	return append(data[:len(data):len(data)], sum...)
}

// open returns the bytes in the item's file if they are right.
func (it item) open(file []byte) (data []byte, ok bool) {
	if it.want < 0 {
		return file, backend.Check(it.key, file) == nil
	}
	if int64(len(file)) != it.want+sha256.Size {
		return nil, false
	}
	data = file[:it.want:it.want]
	return data, bytes.Equal(it.sum(data), file[it.want:])
}

func (it item) sum(data []byte) []byte {
	h := sha256.New()
	h.Write([]byte(it.key))
	h.Write(data)
	return h.Sum(nil)
}

// maxFile is how long the file of an item may be.
func (it item) maxFile() int64 {
	if it.want >= 0 {
		return it.want + sha256.Size
	}
	k, _, _ := backend.Parse(it.key)
	return k.MaxSize()
}

// load returns what is kept of it; whatever cannot be read, or is damaged, is not there.
func (c *Cache) load(it item) (data []byte, ok bool) {
	folder := c.folder(it.leaf)
	dir, err := folder.Use()
	if err != nil {
		return nil, false
	}
	defer folder.Done()
	file, err := c.read(dir, it)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err == nil {
		data, ok = it.open(file)
	}
	if !ok {
		_ = dir.Remove(it.leaf) // otherwise it will be found damaged again
	}
	return data, ok
}

var errTooLong = errors.New("too long")

// read reads the file of an item and marks it as used.
func (c *Cache) read(dir disk.FS, it item) ([]byte, error) {
	r, err := dir.Open(it.leaf)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Info()
	if err != nil {
		return nil, err
	}
	if info.Size > it.maxFile() {
		return nil, errTooLong
	}
	file := make([]byte, info.Size)
	if n, err := r.ReadAt(file, 0); n < len(file) {
		return nil, err
	}
	c.touch(dir, it.leaf, info.MTime)
	return file, nil
}

// grain is how exactly the time of the last use is kept, in seconds.
const grain = 600

// touch makes the item the newest, unless it was used a short time ago. Where that fails, it is removed earlier than it need be.
func (c *Cache) touch(dir disk.FS, leaf string, last varve.Time) {
	now := varve.TimeOf(c.opts.Now())
	if d := now.Sec - last.Sec; d < 0 || d >= grain {
		_ = dir.Set(leaf, &varve.Entry{Kind: varve.Regular, MTime: now}, varve.MTime)
	}
}

// keep writes an item, unless that failed before.
func (c *Cache) keep(it item, data []byte) {
	if c.unwritable.Load() {
		return
	}
	file := it.seal(data)
	if err := c.write(it, file); err != nil {
		c.unwritable.Store(true)
		return
	}
	if c.kept.Add(room(int64(len(file)))) > c.opts.Limit/8 {
		c.evict()
	}
}

// write makes the file of an item under a temporary name and gives it its own. That another process has done so meanwhile, or that
// somebody has removed the temporary file, is no error.
func (c *Cache) write(it item, file []byte) error {
	folder := c.folder(it.leaf)
	dir, err := folder.Use()
	if errors.Is(err, fs.ErrNotExist) {
		dir, err = c.makeFolder(it.leaf)
	}
	if err != nil {
		return err
	}
	defer folder.Done()
	tmp := tmpName()
	if err := c.fill(dir, tmp, file); err != nil {
		_ = dir.Remove(tmp)
		return err
	}
	err = dir.Rename(tmp, dir, it.leaf)
	if err != nil {
		_ = dir.Remove(tmp)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (c *Cache) fill(dir disk.FS, name string, file []byte) error {
	w, err := dir.Create(name, 0o600)
	if err != nil {
		return err
	}
	_, err = w.WriteAt(file, 0)
	_ = w.Set(&varve.Entry{Kind: varve.Regular, MTime: varve.TimeOf(c.opts.Now())}, varve.MTime) // by the clock that touch uses
	return errors.Join(err, w.Close())
}

// remove removes an item if it is there.
func (c *Cache) remove(it item) {
	folder := c.folder(it.leaf)
	dir, err := folder.Use()
	if err != nil {
		return
	}
	defer folder.Done()
	_ = dir.Remove(it.leaf)
}

// Temporary names are tmp- and 32 random hexadecimal digits.
const tmpPrefix = "tmp-"

func tmpName() string {
	var random [16]byte
	rand.Read(random[:]) // it never fails
	return tmpPrefix + hex.EncodeToString(random[:])
}

// folder is the directory of the items whose names begin as leaf does.
func (c *Cache) folder(leaf string) *disk.HeldDir { return c.held.At(leaf[:2]) }

// makeFolder makes that directory and opens it.
func (c *Cache) makeFolder(leaf string) (disk.FS, error) {
	root, err := c.held.Root().Use()
	if err != nil {
		return nil, err
	}
	defer c.held.Root().Done()
	if err := root.Mkdir(leaf[:2], 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return c.folder(leaf).Use()
}
