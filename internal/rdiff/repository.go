package rdiff

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"varve"
	"varve/internal/disk"
)

// Sentinels that callers branch on.
var (
	// ErrNoRepository says that a directory holds no repository of rdiff-backup, or one without a finished session.
	ErrNoRepository = errors.New("not an rdiff-backup repository")
	// ErrNoVersion says that a repository has no session of that time.
	ErrNoVersion = errors.New("no such session")
)

// Options say what a repository itself does not tell. The zero value will do.
type Options struct {
	// Scratch is the directory for temporary files; empty for the system's own. They are needed for large metadata and for content
	// that is put together from compressed parts, and never hold more than the metadata of the versions and the files that are open.
	Scratch string
	// Users and Groups return the IDs of names in ACLs that no file of the version belongs to; nil where nobody knows.
	Users  func(name string) (id uint32, ok bool)
	Groups func(name string) (id uint32, ok bool)
}

const (
	dataDir       = "rdiff-backup-data"
	incrementsDir = dataDir + "/increments"
	longDir       = dataDir + "/long_filename_data"

	metadataBase = "mirror_metadata"
	eaBase       = "extended_attributes"
	aclBase      = "access_control_lists"
	winACLBase   = "win_access_control_lists"
	mirrorBase   = "current_mirror"
	errorBase    = "error_log"
	rootBase     = "increments"

	// descriptors is how many idle directories stay open.
	descriptors = 64
	// maxRemembered is how many names of directories are remembered. A directory itself counts as folderWeight of them.
	maxRemembered = 1 << 18
	folderWeight  = 1 << 10
)

// Repository is a directory that rdiff-backup writes to. Its methods may be called from several goroutines, except Close.
type Repository struct {
	opts   Options
	held   *disk.Held
	quoted bool // names on the disk have quoted characters
	// data are the files with a time in their names directly in rdiff-backup-data, by what comes before the time.
	data    map[string][]increment
	mirror  int64   // the time of the mirror: of the last session that ended well
	broken  int64   // the time of the session that was broken off after that
	aborted bool    // there is one
	times   []int64 // ascending

	mu      sync.Mutex
	folders recent[*folder] // by the path of the directory, on the disk
}

// Open reads what a repository holds. It takes over dir and closes it with the Repository, or with the error. ErrNoRepository where
// dir is none.
func Open(dir disk.FS, opts Options) (*Repository, error) {
	r := &Repository{opts: opts, held: disk.NewHeld(dir, descriptors), data: map[string][]increment{}}
	r.folders.limit = maxRemembered
	if err := r.look(); err != nil {
		return nil, errors.Join(fmt.Errorf("open rdiff-backup repository: %w", err), r.Close())
	}
	return r, nil
}

// Close closes the repository, whose versions must be closed already.
func (r *Repository) Close() error { return r.held.Close() }

// Times returns when the sessions that can be asked for began, ascending, to the second.
func (r *Repository) Times() []time.Time {
	times := make([]time.Time, len(r.times))
	for i, t := range r.times {
		times[i] = time.Unix(t, 0).UTC()
	}
	return times
}

// Aborted reports whether a session after the last of Times did not come to its end, and when it began: it was broken off, or runs
// still. All earlier versions can be read nevertheless, unless it runs on.
func (r *Repository) Aborted() (time.Time, bool) {
	return time.Unix(r.broken, 0).UTC(), r.aborted
}

// look finds out about the repository.
func (r *Repository) look() error {
	names, err := r.list(dataDir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) {
		return ErrNoRepository
	}
	if err != nil {
		return err
	}
	quoting, err := r.readSmall(dataDir, "chars_to_quote")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.quoted = len(quoting) > 0
	f, err := r.fold(dataDir, names)
	if err != nil {
		return err
	}
	r.data = f.increments
	return r.sessions()
}

// sessions finds the times of all sessions.
func (r *Repository) sessions() error {
	var marks []int64
	for _, m := range r.data[mirrorBase] {
		marks = append(marks, m.time)
	}
	slices.Sort(marks)
	switch len(marks) {
	case 0:
		return fmt.Errorf("%w: no session has ended", ErrNoRepository)
	case 1:
		r.mirror = marks[0]
	case 2:
		r.mirror, r.broken, r.aborted = marks[0], marks[1], true
	default:
		return fmt.Errorf("%w: it has %d current mirrors", varve.ErrDamaged, len(marks))
	}
	r.times = []int64{r.mirror}
	for _, base := range [...]string{metadataBase, rootBase} {
		for _, f := range r.data[base] {
			if f.time < r.mirror {
				r.times = append(r.times, f.time)
			}
		}
	}
	slices.Sort(r.times)
	r.times = slices.Compact(r.times)
	return nil
}

// at returns the files of one base in rdiff-backup-data of a time.
func (r *Repository) at(base string, t int64) []increment {
	var found []increment
	for _, f := range r.data[base] {
		if f.time == t {
			found = append(found, f)
		}
	}
	return found
}
