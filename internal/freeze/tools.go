//go:build linux

package freeze

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"varve/internal/hook"
)

// prefix is how the names of volumes and snapshots begin that tools make for varve.
const prefix = "varve-"

// maxOutput is how much of what a tool prints is read, in bytes.
const maxOutput = 4 << 20

// toolTime is how long a tool may take.
const toolTime = 10 * time.Minute

// runTool runs a tool and returns what it prints to standard output. The error has the last of what it said.
func runTool(ctx context.Context, words ...string) (string, error) {
	c := hook.Command{Name: words[0], Argv: append([]string{toolPath(words[0])}, words[1:]...), Timeout: toolTime, Env: []string{"LC_ALL=C"}}
	s, err := hook.Output(ctx, c)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(s, maxOutput))
	if err == nil && len(text) == maxOutput {
		err = fmt.Errorf("%s: prints too much", words[0])
	}
	return string(text), errors.Join(err, s.Close())
}

// toolPath returns where a tool is: in PATH, or where tools of root are, which cron and others leave out of it.
func toolPath(name string) string {
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	for _, dir := range []string{"/usr/local/sbin/", "/usr/sbin/", "/sbin/"} {
		if _, err := exec.LookPath(dir + name); err == nil {
			return dir + name
		}
	}
	return name
}

// idOf returns the ID in the name of a snapshot that a tool has made for varve; false where it is another name.
func idOf(name string) (string, bool) {
	id, ok := strings.CutPrefix(name, prefix)
	return id, ok && isID(id)
}

// toolShelf opens the directory with the locks of pictures that tools take.
func (o Options) toolShelf() (*shelf, error) {
	up, name := filepath.Split(filepath.Clean(o.Dir))
	if err := os.MkdirAll(up, 0o755); err != nil {
		return nil, err
	}
	parent, err := os.OpenRoot(up)
	if err != nil {
		return nil, err
	}
	s, err := openShelf(parent, name, true)
	return s, errors.Join(err, parent.Close())
}

// steps are what has been done to make a picture, and is undone from the last on.
type steps []step

// step is undone by undo, or by hand with a command.
type step struct {
	undo func(ctx context.Context) error
	hand string // empty where nobody needs to
}

// ran is a step that a command undoes.
func (o Options) ran(words ...string) step {
	return step{func(ctx context.Context) error { _, err := o.Run(ctx, words...); return err }, strings.Join(words, " ")}
}

// unmount is a mount at dir, if it came about.
func (o Options) unmount(dir string) step {
	done := o.ran("umount", dir)
	return step{func(ctx context.Context) error {
		if o.isMounted(dir) != nil {
			return nil
		}
		return done.undo(ctx)
	}, done.hand}
}

// unsure is a step that failed, but may have gone some way: it is undone if what it makes, a picture with this ID, is left.
func unsure(undo step, id string, left func(ctx context.Context) ([]string, error)) step {
	return step{func(ctx context.Context) error {
		ids, err := left(ctx)
		if err == nil && slices.Contains(ids, id) {
			err = undo.undo(ctx)
		}
		return err
	}, undo.hand}
}

// undo undoes the steps. It stops at the first that cannot be undone, as the earlier ones rest on it; the error says what is left.
func (s steps) undo(ctx context.Context) error {
	for len(s) > 0 {
		last := len(s) - 1
		if err := s[last].undo(ctx); err != nil {
			return fmt.Errorf("%w; by hand: %s", err, s.byHand())
		}
		s = s[:last]
	}
	return nil
}

func (s steps) byHand() string {
	var words []string
	for i := len(s) - 1; i >= 0; i-- {
		if s[i].hand != "" {
			words = append(words, s[i].hand)
		}
	}
	return strings.Join(words, " && ")
}

// finish undoes the steps of the picture that c names, then lets go of the claim and the shelf.
func (s steps) finish(ctx context.Context, c *claim) error {
	return errors.Join(c.removed(s.undo(ctx)), c.shelf.close())
}

// build makes a picture step by step, under a name that it claims. Where make fails what it did is undone.
func (o Options) build(ctx context.Context, make func(c *claim, done *steps) (*picture, error)) (*picture, error) {
	s, err := o.toolShelf()
	if err != nil {
		return nil, err
	}
	c, err := s.claim(o.Random)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	var done steps
	p, err := make(c, &done)
	if err != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), removal)
		defer cancel()
		return nil, errors.Join(err, done.finish(late, c))
	}
	p.remove = func(ctx context.Context) error { return done.finish(ctx, c) }
	return p, nil
}

// clear removes the pictures with these IDs whose processes are dead.
func (o Options) clear(ctx context.Context, ids []string, remove func(ctx context.Context, id string) error) error {
	s, err := o.toolShelf()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		c, err := s.ofDead(id)
		if c != nil {
			err = c.removed(remove(ctx, id))
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.close())...)
}

// isMounted makes sure that something is mounted at dir.
func (o Options) isMounted(dir string) error {
	table, err := readMounts(o.mountInfo)
	if err != nil {
		return err
	}
	if m := table.at(dir); m == nil || m.point != dir {
		return fmt.Errorf("nothing is mounted on %s", dir)
	}
	return nil
}
