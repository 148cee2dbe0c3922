package memfs_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

// chaos does random things in a tree of directories.
type chaos struct {
	t    *testing.T
	rng  *rand.Rand
	disk *memfs.Disk
}

func newChaos(t *testing.T, seed uint64) *chaos {
	return &chaos{t, rand.New(rand.NewPCG(seed, 2)), memfs.New(memfs.Options{})}
}

func (c *chaos) keep() bool { return c.rng.IntN(2) == 0 }

func (c *chaos) name() string { return string(rune('a' + c.rng.IntN(6))) }

// dir opens a random directory.
func (c *chaos) dir() disk.FS {
	f := c.disk.Root()
	for c.rng.IntN(3) > 0 {
		sub, err := f.OpenDir(c.name())
		if err != nil {
			break
		}
		f = sub
	}
	return f
}

// move renames something; it may be refused.
func (c *chaos) move() {
	f, to := c.dir(), c.dir()
	f.Rename(c.name(), to, c.name())
}

// step does anything but syncing; it may be refused.
func (c *chaos) step() {
	f, name := c.dir(), c.name()
	switch c.rng.IntN(10) {
	case 0, 1:
		f.Mkdir(name, 0o755)
	case 2, 3:
		w, err := f.Create(name, 0o600)
		if err == nil {
			w.WriteAt(make([]byte, c.rng.IntN(9000)), c.rng.Int64N(5000))
			w.Close()
		}
	case 4:
		f.Link(name, c.dir(), c.name())
	case 5:
		f.Remove(name)
	case 6:
		f.Rmdir(name)
	case 7:
		f.Replace(name, c.dir(), c.name())
	case 8:
		f.Set(name, &varve.Entry{Mode: uint32(c.rng.IntN(0o1000))}, varve.Mode)
	default:
		f.Rename(name, c.dir(), c.name())
	}
}

// tree returns a line for every object, sorted by path, and checks that it hangs together.
func (c *chaos) tree() []string {
	c.t.Helper()
	var lines []string
	links, counted := map[uint64]uint64{}, map[uint64]uint64{}
	var visit func(f disk.FS, path string)
	visit = func(f disk.FS, path string) {
		names, err := f.Names()
		must(c.t, err)
		for _, n := range names {
			info, err := f.Lookup(n.Name)
			must(c.t, err)
			counted[n.Ino], links[n.Ino] = counted[n.Ino]+1, info.Links
			full := varve.Join(path, n.Name)
			size := info.Size
			if info.Kind == varve.Dir {
				links[n.Ino] = 1
				visit(open(c.t, f, n.Name), full)
			} else {
				get(c.t, f, n.Name)
			}
			lines = append(lines, fmt.Sprint(full, " ", info.Kind, " ", info.Stamp.Ino, " ", size, " ", info.Mode, " ", info.MTime))
		}
	}
	visit(c.disk.Root(), "")
	for ino, n := range counted {
		if n != links[ino] {
			c.t.Errorf("inode %d has %d names and %d links", ino, n, links[ino])
		}
	}
	slices.Sort(lines)
	return lines
}

func (c *chaos) same(what string, got, want []string) {
	c.t.Helper()
	if !slices.Equal(got, want) {
		c.t.Fatalf("%s:\n%q\nwant\n%q", what, got, want)
	}
}

func TestACrashThatLosesNothingChangesNothing(t *testing.T) {
	for seed := range uint64(50) {
		c := newChaos(t, seed)
		for range 200 {
			c.step()
			if c.rng.IntN(20) == 0 {
				must(t, c.dir().Sync())
			}
		}
		before := c.tree()
		c.disk.Crash(all)
		c.same("after a crash that kept all", c.tree(), before)
	}
}

func TestACrashReturnsToTheLastSyncAll(t *testing.T) {
	for seed := range uint64(50) {
		c := newChaos(t, seed)
		for range 100 {
			c.step()
		}
		must(t, c.disk.Root().SyncAll())
		before := c.tree()
		for range 100 {
			c.step()
		}
		c.disk.Crash(nil)
		c.same("after a crash that kept nothing", c.tree(), before)
		before = c.tree()
		c.disk.Crash(c.keep)
		c.same("after a second crash", c.tree(), before)
	}
}

func TestAnyCrashLeavesATreeThatHangsTogether(t *testing.T) {
	for seed := range uint64(40) {
		one, two := newChaos(t, seed), newChaos(t, seed)
		for range 4 {
			for _, c := range []*chaos{one, two} {
				for range 60 {
					c.step()
					if c.rng.IntN(10) == 0 {
						must(t, c.dir().Sync())
					}
				}
				c.disk.Crash(c.keep)
			}
			one.same("the same things done twice", one.tree(), two.tree())
		}
		must(t, empty(one.disk.Root()))
		one.disk.Kill()
		if s, err := one.disk.Root().Space(); err != nil || s.Total-s.Free != 4096+256 {
			t.Fatalf("an emptied disk has the room %+v, error %v", s, err)
		}
	}
}

// empty removes all that is in f.
func empty(f disk.FS) error {
	names, err := f.Names()
	for _, n := range names {
		if n.Kind != varve.Dir {
			if err := f.Remove(n.Name); err != nil {
				return err
			}
			continue
		}
		sub, err := f.OpenDir(n.Name)
		if err != nil {
			return err
		}
		if err := empty(sub); err != nil {
			return err
		}
		if err := sub.Close(); err != nil {
			return err
		}
		if err := f.Rmdir(n.Name); err != nil {
			return err
		}
	}
	return err
}

// Whatever was durable once and then only renamed is there after any crash, under exactly one name.
func TestRenamesLoseAndDoubleNothing(t *testing.T) {
	for seed := range uint64(150) {
		c := newChaos(t, seed)
		for range 60 {
			f, name := c.dir(), c.name()
			if c.rng.IntN(3) == 0 {
				f.Create(name, 0o600)
			} else {
				f.Mkdir(name, 0o755)
			}
		}
		must(t, c.disk.Root().SyncAll())
		objects := len(c.tree())
		for range 60 {
			c.move()
			if c.rng.IntN(8) == 0 {
				must(t, c.dir().Sync())
			}
		}
		c.disk.Crash(c.keep)
		if got := len(c.tree()); got != objects {
			t.Fatalf("seed %d: %d objects are left of %d", seed, got, objects)
		}
	}
}
