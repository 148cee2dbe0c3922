//go:build linux

package freeze

import (
	"context"
	"fmt"
	"strings"
)

// dataset is a file system of ZFS.
type dataset struct {
	name  string
	point string // where its root is mounted
	o     Options
}

// locateZFS finds the dataset that m shows.
func locateZFS(m *mount, table mounts, o Options) (*site, error) {
	if m.kind != "zfs" {
		return nil, fmt.Errorf("%w: it lies on %s, not on zfs", ErrKind, m.kind)
	}
	for _, over := range append(mounts{m}, table...) {
		if over.device == m.device && over.root == "/" && table.at(over.point) == over {
			return &site{volume: &dataset{m.source, over.point, o}, key: m.source, at: m.point, top: "/"}, nil
		}
	}
	return nil, fmt.Errorf("the root of the dataset %s is not mounted anywhere", m.source)
}

// take makes a snapshot, which the kernel mounts when somebody looks.
func (v *dataset) take(ctx context.Context) (*picture, error) {
	p, err := v.o.build(ctx, func(c *claim, done *steps) (*picture, error) { return v.make(ctx, c, done) })
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", v.name, err)
	}
	return p, nil
}

func (v *dataset) make(ctx context.Context, c *claim, done *steps) (*picture, error) {
	name := v.name + "@" + prefix + c.id
	made := v.o.ran("zfs", "destroy", name)
	if _, err := v.o.Run(ctx, "zfs", "snapshot", name); err != nil {
		*done = append(*done, unsure(made, c.id, v.left))
		return nil, err
	}
	*done = append(*done, made)
	p := &picture{dir: joined(v.point, ".zfs/snapshot/"+prefix+c.id)}
	if _, err := lookUp(p.dir); err != nil { // which mounts it
		return nil, err
	}
	return p, v.o.isMounted(p.dir)
}

// left returns the IDs of the dataset's snapshots that varve has made.
func (v *dataset) left(ctx context.Context) ([]string, error) {
	text, err := v.o.Run(ctx, "zfs", "list", "-H", "-t", "snapshot", "-d", "1", "-o", "name", v.name)
	if err != nil {
		return nil, err
	}
	var ids []string
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), v.name+"@")
		if id, ours := idOf(name); ok && ours {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// sweep removes the snapshots that dead processes have left.
func (v *dataset) sweep(ctx context.Context) error {
	ids, err := v.left(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	return v.o.clear(ctx, ids, func(ctx context.Context, id string) error {
		return steps{v.o.ran("zfs", "destroy", v.name+"@"+prefix+id)}.undo(ctx)
	})
}
