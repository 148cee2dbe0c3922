package varve

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"
)

// Store keeps snapshots.
type Store interface {
	// Save makes a snapshot of src. It is durable if and only if the error is nil. What cannot be read is reported, left out,
	// and makes the snapshot Incomplete.
	Save(ctx context.Context, src Source, opts SaveOptions) (Snapshot, error)
	// Snapshots returns all snapshots, ordered by Time, then Series, then Seq. What is listed is durable and whole. With an error
	// that matches ErrDamaged the list holds those that can be read.
	Snapshots(ctx context.Context) ([]Snapshot, error)
	// View opens a snapshot. ErrNoSnapshot where there is none with this ID.
	View(ctx context.Context, id SnapshotID) (View, error)
	// Forget removes snapshots, damaged ones too. It is not undone when it breaks off: an ID that is gone meanwhile counts as
	// forgotten. Called again, also without ids, it finishes what was interrupted. ErrNoSnapshot where there is none with an ID.
	Forget(ctx context.Context, ids ...SnapshotID) error
	// Verify checks what the store holds and reports damage; the error says only that checking itself was impossible.
	Verify(ctx context.Context, opts VerifyOptions) (VerifyReport, error)
	Close() error
}

// Sentinels that callers branch on.
var (
	// ErrNoStore says that a place is not a store, or not one yet.
	ErrNoStore = errors.New("not a varve store")
	// ErrNoSnapshot says that a store has no such snapshot.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrBusy says that another process holds what is needed.
	ErrBusy = errors.New("in use by another varve process")
	// ErrDamaged says that stored data is not what was stored.
	ErrDamaged = errors.New("damaged")
	// ErrUnreadable says of a source's file that it alone cannot be read.
	ErrUnreadable = errors.New("unreadable")
)

// SnapshotID names a snapshot; random, 16 bytes. A copy of a snapshot in another store has an ID of its own.
type SnapshotID [16]byte

// String returns all 32 hexadecimal digits of id.
func (id SnapshotID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 hexadecimal digits of id, for people.
func (id SnapshotID) Short() string { return id.String()[:8] }

// MarshalText returns id as String does.
func (id SnapshotID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *SnapshotID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return errors.New("snapshot ID: want 32 hexadecimal digits")
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// State says how much of its sources a snapshot holds.
type State string

const (
	// Complete says that everything that was asked for and did not vanish is in the snapshot.
	Complete State = "complete"
	// Incomplete says that something could not be read; the snapshot holds the rest.
	Incomplete State = "incomplete"
	// Suspect says that so much was lost or changed since the last good one that somebody must look. It may be incomplete, too.
	Suspect State = "suspect"
)

// Good reports whether a snapshot in state s counts for retention and as a base.
func (s State) Good() bool { return s == Complete }

// Snapshot is what one backup made.
type Snapshot struct {
	ID SnapshotID `json:"id"`
	// Series names the job and host the snapshot belongs to; Seq counts from 1 within the series of one store.
	Series string `json:"series"`
	Seq    uint64 `json:"seq"`
	// Time is when the backup began, End when it was committed.
	Time time.Time `json:"time"`
	End  time.Time `json:"end"`
	Host string    `json:"host"`
	// Sources are absolute paths.
	Sources []string `json:"sources"`
	Tags    []string `json:"tags"`
	// Pinned snapshots are never removed by retention.
	Pinned bool  `json:"pinned"`
	State  State `json:"state"`
	// Files counts everything but directories, Dirs directories, Bytes the content of regular files, each hard link once.
	Files int64 `json:"files"`
	Dirs  int64 `json:"dirs"`
	Bytes int64 `json:"bytes"`
	// Added counts the bytes of content that had to be stored anew.
	Added int64 `json:"added"`
	// Beside counts the bytes that a tree gave to the snapshot beside Added: content that an interrupted run had stored already, and
	// extended attributes of what is not linked from an earlier snapshot.
	Beside int64 `json:"beside,omitempty"`
	// Skipped counts what could not be read, Vanished what went away meanwhile, Changed the files that changed while being read.
	Skipped  int64 `json:"skipped"`
	Vanished int64 `json:"vanished"`
	Changed  int64 `json:"changed"`
	// Origin is the ID of the snapshot that this one is a copy of, through all copies back to the first; zero where it is none.
	Origin SnapshotID `json:"origin,omitzero"`
	// Location is where a tree store keeps the snapshot, relative to the store; empty in a vault.
	Location string `json:"location,omitempty"`
	// Program is the name and version of what made the snapshot.
	Program string `json:"program"`
}

// SaveOptions describe a snapshot to be made. Series is required.
type SaveOptions struct {
	Series  string
	Host    string
	Sources []string
	Tags    []string
	Pinned  bool
	Program string
	// Origin, where set, is the snapshot that Source is a View of: the new one is a copy, and takes over its times, host, sources,
	// tags, state and counts.
	Origin *Snapshot
	// Recheck reads what older snapshots hold before it is built on, and stores anew what is damaged.
	Recheck bool
	// Alone builds on snapshots of its own series alone, also where the series begins.
	Alone bool
	// Judge, where set, says what becomes of a snapshot, by how it differs from the last good one of its series. One that would be
	// Incomplete may be called Suspect, but not Complete: that leaves it as it is.
	Judge func(Difference) State
	// Ahead is how many files of the source are opened ahead of their turn, for one where every call takes long; 0 for none.
	Ahead int
	// Now tells the time; nil stands for time.Now.
	Now func() time.Time
	// Progress, where set, is told what happens, by one goroutine at a time. It must not block.
	Progress func(Event)
}

// Difference says how a snapshot differs from the last good one of its series. What was only moved is neither lost nor changed.
type Difference struct {
	// Files counts everything but directories in the new one, Before in the last good one; zero where there is none.
	Files, Before int64
	// Lost counts what was in the last good one and is not in this one, Changed the files whose content is another.
	Lost, Changed int64
	// Worst is the source, of several, that lost the largest share of its files: WorstLost of WorstBefore. Ten or fewer count only where
	// none is left. Empty where no source lost as much, and where it is not known which files the last good snapshot had.
	Worst                  string
	WorstBefore, WorstLost int64
}

// Begin returns the record of the snapshot to be made, with an ID and a number in its series, as far as it is known before anything
// was read. A Store adds what it counts.
func (o *SaveOptions) Begin(id SnapshotID, seq uint64) Snapshot {
	s := Snapshot{ID: id, Series: o.Series, Seq: seq, Host: o.Host, Sources: o.Sources, Tags: o.Tags, Pinned: o.Pinned,
		State: Complete, Program: o.Program}
	if from := o.Origin; from != nil {
		s.Time, s.Host, s.Sources, s.Tags, s.Pinned, s.State = from.Time, from.Host, from.Sources, from.Tags, from.Pinned, from.State
		s.Skipped, s.Vanished, s.Changed, s.Program = from.Skipped, from.Vanished, from.Changed, from.Program
		if s.Origin = from.Origin; s.Origin == (SnapshotID{}) {
			s.Origin = from.ID
		}
		return s
	}
	s.Time = o.Now()
	return s
}

// Finish returns when the snapshot was committed: now, or for a copy when its origin was.
func (o *SaveOptions) Finish() time.Time {
	if o.Origin != nil {
		return o.Origin.End
	}
	return o.Now()
}

// Count enters an entry that the snapshot has: the bytes of its content that were stored anew, and whether it changed while it was read.
func (s *Snapshot) Count(e *Entry, stored int64, changed bool) {
	if e.Kind == Dir {
		s.Dirs++
	} else {
		s.Files++
	}
	if e.SameAs == "" {
		s.Bytes += e.Size
	}
	s.Added += stored
	if changed {
		s.Changed++
	}
}

// Miss enters an entry that the snapshot lacks because of its Err, and returns the kind of event that tells of it.
func (s *Snapshot) Miss(e *Entry) EventKind {
	if errors.Is(e.Err, fs.ErrNotExist) {
		s.Vanished++
		return Vanished
	}
	s.Skipped++
	s.State = Incomplete
	return Skipped
}

// VerifyOptions say how much to check. The zero value checks everything in all snapshots.
type VerifyOptions struct {
	// Snapshots restricts the check to these; empty stands for all.
	Snapshots []SnapshotID
	// StructureOnly leaves file content unread.
	StructureOnly bool
	// Subset, between 0 and 1, reads that share of the content only, what was not read for the longest time first; 0 reads all.
	Subset   float64
	Progress func(Event)
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	// Snapshots, Files and Bytes count what was checked; content shared between snapshots is read and counted once.
	Snapshots int64 `json:"snapshots"`
	Files     int64 `json:"files"`
	Bytes     int64 `json:"bytes"`
	// Damage counts the findings; each was told to Progress as an event of kind Damage.
	Damage int64 `json:"damage"`
}

// EventKind says what an Event reports.
type EventKind uint8

const (
	// Done reports one entry dealt with; Bytes is the content it stands for, whether copied, linked or only checked.
	Done EventKind = iota + 1
	// Skipped reports something that could not be read and is left out.
	Skipped
	// Vanished reports something that went away while it was dealt with.
	Vanished
	// Changed reports a file that changed while it was read.
	Changed
	// Unkept reports aspects that the place written to cannot hold.
	Unkept
	// Damage reports stored data that is not what was stored.
	Damage
	// Partly reports that Bytes more of a large file were dealt with; the Done that follows counts the rest.
	Partly
)

// Event is one step of progress or one thing to report.
type Event struct {
	Kind  EventKind
	Path  string
	Bytes int64
	// Stored reports content that was stored anew; for Done.
	Stored bool
	// Aspect is what was not kept; for Unkept.
	Aspect Aspect
	Err    error
}
