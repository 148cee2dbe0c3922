//go:build linux

package freeze

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// logical is a logical volume with a file system.
type logical struct {
	path string // of its device
	kind string // of the file system
	o    Options
}

// locateLVM finds the logical volume that m shows.
func locateLVM(m *mount, o Options) (*site, error) {
	about := o.sys + "/dev/block/" + m.device + "/dm/"
	uuid, err := os.ReadFile(about + "uuid")
	if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.HasPrefix(string(uuid), "LVM-") {
		return nil, fmt.Errorf("%w: it lies on %s, which is not a logical volume", ErrKind, m.source)
	}
	if err != nil {
		return nil, err
	}
	if m.kind == "btrfs" {
		return nil, fmt.Errorf("%w: two copies of a btrfs confuse the kernel; take snapshots of the kind btrfs", ErrKind)
	}
	name, err := os.ReadFile(about + "name")
	if err != nil {
		return nil, err
	}
	v := &logical{"/dev/mapper/" + strings.TrimSpace(string(name)), m.kind, o}
	return &site{volume: v, key: m.device, at: m.point, top: "/"}, nil
}

// space is the room for what changes while there is a snapshot, of a volume that is not thin: a share of it.
const space = "20%ORIGIN"

// lvmNames are what LVM calls a volume.
type lvmNames struct {
	group, volume string
	thin          bool
}

// names asks what LVM calls the volume.
func (v *logical) names(ctx context.Context) (lvmNames, error) {
	text, err := v.o.Run(ctx, "lvs", "--noheadings", "--options", "vg_name,lv_name,segtype", v.path)
	if err != nil {
		return lvmNames{}, err
	}
	words := strings.Fields(text)
	if len(words) != 3 {
		return lvmNames{}, fmt.Errorf("lvs: %s: cannot make sense of %q", v.path, text)
	}
	return lvmNames{words[0], words[1], words[2] == "thin"}, nil
}

// take makes a snapshot and mounts it.
func (v *logical) take(ctx context.Context) (*picture, error) {
	n, err := v.names(ctx)
	if err != nil {
		return nil, err
	}
	p, err := v.o.build(ctx, func(c *claim, done *steps) (*picture, error) { return v.make(ctx, n, c, done) })
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s/%s: %w", n.group, n.volume, err)
	}
	return p, nil
}

func (v *logical) make(ctx context.Context, n lvmNames, c *claim, done *steps) (*picture, error) {
	name, dir := prefix+c.id, v.o.Dir+"/"+c.id
	words := []string{"lvcreate", "--snapshot", "--name", name}
	if n.thin {
		words = append(words, "--setactivationskip", "n")
	} else {
		words = append(words, "--extents", space)
	}
	made := v.o.ran("lvremove", "--force", n.group+"/"+name)
	if _, err := v.o.Run(ctx, append(words, n.group+"/"+n.volume)...); err != nil {
		*done = append(*done, unsure(made, c.id, func(ctx context.Context) ([]string, error) { return v.left(ctx, n) }))
		return nil, err
	}
	*done = append(*done, made)
	if err := c.shelf.root.Mkdir(c.id, 0o700); err != nil {
		return nil, err
	}
	*done = append(*done, step{func(context.Context) error { return c.shelf.root.Remove(c.id) }, ""})
	*done = append(*done, v.o.unmount(dir))
	if _, err := v.o.Run(ctx, "mount", "-t", v.kind, "-o", v.mountOptions(), "/dev/"+n.group+"/"+name, dir); err != nil {
		return nil, err
	}
	return &picture{dir: dir}, v.o.isMounted(dir)
}

// mountOptions keep the mount from changing anything, and from being refused where the file system has a name that must be unique.
func (v *logical) mountOptions() string {
	const options = "ro,nodev,nosuid,noexec"
	if v.kind == "xfs" {
		return options + ",nouuid"
	}
	return options
}

// left returns the IDs of the volume's snapshots that varve has made.
func (v *logical) left(ctx context.Context, n lvmNames) ([]string, error) {
	text, err := v.o.Run(ctx, "lvs", "--noheadings", "--options", "lv_name,origin", n.group)
	if err != nil {
		return nil, err
	}
	var ids []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 2 || words[1] != n.volume {
			continue
		}
		if id, ok := idOf(words[0]); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// remove removes a snapshot that may still be mounted.
func (v *logical) remove(ctx context.Context, n lvmNames, id string) error {
	dir := v.o.Dir + "/" + id
	done := steps{v.o.ran("lvremove", "--force", n.group+"/"+prefix+id), v.o.unmount(dir)}
	if err := done.undo(ctx); err != nil {
		return err
	}
	if err := os.Remove(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes the snapshots that dead processes have left.
func (v *logical) sweep(ctx context.Context) error {
	n, err := v.names(ctx)
	if err != nil {
		return err
	}
	ids, err := v.left(ctx, n)
	if err != nil || len(ids) == 0 {
		return err
	}
	return v.o.clear(ctx, ids, func(ctx context.Context, id string) error { return v.remove(ctx, n, id) })
}
