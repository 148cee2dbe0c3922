package rdiff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"varve"
)

// Version is what a repository held at one time. Its entries are as the metadata of the session tell them; what those have no place
// for in an entry, or do not tell, is in Notes.
type Version struct {
	repo  *Repository
	time  int64
	spool *spool
	root  ref
	links map[linkKey]*link
	// users and groups are those that files belong to.
	users, groups names
	notes         notes

	mu   sync.Mutex
	dirs recent[map[string]ref] // where the rows of a directory's entries lie, by its path
}

var _ varve.View = (*Version)(nil)

// link is what is known of the names of one inode.
type link struct {
	first string // in listing order
	count int
	sum   sum
	known bool // the sum is
	apart bool // two names have different content: the numbers of inodes are wrong
}

// names are the IDs of users or groups that files belong to.
type names map[string]uint32

// maxNames bounds how many names of owners are remembered.
const maxNames = 1 << 16

func (n names) add(name string, id uint32) {
	if _, ok := n[name]; !ok && name != "" && len(n) < maxNames {
		n[name] = id
	}
}

// userID and groupID are namers for ACLs.
func (v *Version) userID(name string) (uint32, bool)  { return v.users.find(name, v.repo.opts.Users) }
func (v *Version) groupID(name string) (uint32, bool) { return v.groups.find(name, v.repo.opts.Groups) }

// find asks other for what n does not know.
func (n names) find(name string, other namer) (uint32, bool) {
	id, ok := n[name]
	if !ok && other != nil {
		return other(name)
	}
	return id, ok
}

// notes are what a version does not hold. Very many of them end in a count.
type notes struct {
	list []string
	more int
}

const maxNotes = 200

func (n *notes) add(format string, args ...any) {
	if len(n.list) >= maxNotes {
		n.more++
		return
	}
	n.list = append(n.list, fmt.Sprintf(format, args...))
}

// At opens what the repository held at t, one of Times; ErrNoVersion for any other time. It reads all metadata, each object's once. The
// error matches varve.ErrDamaged where they cannot be what rdiff-backup wrote. Close the Version before the Repository.
func (r *Repository) At(ctx context.Context, t time.Time) (*Version, error) {
	v := &Version{repo: r, time: t.Unix(), spool: &spool{dir: r.opts.Scratch},
		links: map[linkKey]*link{}, users: names{}, groups: names{}}
	v.dirs.limit = maxRemembered
	err := ErrNoVersion
	for _, known := range r.times {
		if known == v.time {
			err = v.load(ctx)
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open rdiff-backup session %s: %w", when(v.time), err), v.Close())
	}
	return v, nil
}

// Close gives temporary files free. Files of the version must be closed already.
func (v *Version) Close() error { return v.spool.Close() }

// Notes returns what is known of the session and is not in the entries, such as an ACL that names somebody unknown, Macintosh metadata,
// directories without metadata, and the errors that rdiff-backup met in it, one line each.
func (v *Version) Notes() []string {
	list := v.notes.list
	if v.notes.more > 0 {
		list = append(list[:len(list):len(list)], fmt.Sprintf("and %d notes more", v.notes.more))
	}
	return list
}

// readErrors notes what the session could not back up, as far as it says so.
func (v *Version) readErrors() {
	for _, i := range v.repo.at(errorBase, v.time) {
		text, err := v.repo.head(i)
		for line := range strings.Lines(text) {
			v.notes.add("rdiff-backup reported: %s", strings.TrimSpace(line))
		}
		if err != nil {
			v.notes.add("%s/%s cannot be read: %v", i.dir, i.name, err)
		}
	}
}

// head returns the first bytes of an increment, decompressed.
func (r *Repository) head(i increment) (string, error) {
	src, err := r.stream(i)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(src, maxSmall))
	return string(text), errors.Join(err, src.Close())
}
