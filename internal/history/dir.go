package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"varve"
	"varve/internal/disk"
)

// Dir keeps the records.
type Dir struct{ dir disk.FS }

// dirName is the directory of the records in that of the state.
const dirName = "history"

// Open opens the records in the directory for the state, which stays the caller's. Where there are none yet they are made room for. Jobs
// and stores have names in one configuration alone: each has its records under a key, a few letters and digits, and the usual one has
// none.
func Open(state disk.FS, key string) (*Dir, error) {
	dirName := dirName
	if key != "" {
		dirName += "-" + key
	}
	err := state.Mkdir(dirName, 0o700)
	if err == nil {
		err = state.Sync()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open history: %w", err)
	}
	dir, err := state.OpenDir(dirName)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	return &Dir{dir}, nil
}

// Close ends the use of the records.
func (d *Dir) Close() error { return d.dir.Close() }

// Job returns what is remembered of a job: an empty record, and an error that matches varve.ErrDamaged, where that cannot be read.
func (d *Dir) Job(name string) (Job, error) {
	j, err := read[Job](d.dir, jobPrefix+name)
	j.trim()
	return j, err
}

// Store returns what is remembered of a store, like Job.
func (d *Dir) Store(name string) (Store, error) { return read[Store](d.dir, storePrefix+name) }

// Lease is the right to write one record. It is for one goroutine at a time.
type Lease[T any] struct {
	// Record is what is remembered, to be changed.
	Record T
	// Lost says why nothing is remembered although something was written once.
	Lost error

	dir  disk.FS
	name string
	lock io.Closer
}

// LockJob takes the lease of a job. It is held while the job runs. varve.ErrBusy where somebody has it.
func (d *Dir) LockJob(name string) (*Lease[Job], error) {
	l, err := lock[Job](d.dir, jobPrefix+name)
	if err == nil {
		l.Record.trim()
	}
	return l, err
}

// Alarm returns what was told of a job while it ran, like Job.
func (d *Dir) Alarm(name string) (Alarm, error) { return read[Alarm](d.dir, alarmPrefix+name) }

// LockAlarm takes the lease of what was told of a job while it ran. varve.ErrBusy where somebody has it.
func (d *Dir) LockAlarm(name string) (*Lease[Alarm], error) {
	return lock[Alarm](d.dir, alarmPrefix+name)
}

// LockStore takes the lease of a store's record. varve.ErrBusy where somebody has it.
func (d *Dir) LockStore(name string) (*Lease[Store], error) {
	return lock[Store](d.dir, storePrefix+name)
}

func lock[T any](dir disk.FS, name string) (*Lease[T], error) {
	if err := disk.CheckName(name); err != nil {
		return nil, fmt.Errorf("history %q: %w", name, err)
	}
	held, err := dir.Lock(name + lockSuffix)
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", name, err)
	}
	l := &Lease[T]{dir: dir, name: name, lock: held}
	l.Record, l.Lost = read[T](dir, name)
	return l, nil
}

// Save writes the record, durably.
func (l *Lease[T]) Save() error {
	text, err := json.MarshalIndent(&l.Record, "", "\t")
	if err == nil {
		err = write(l.dir, l.name, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write history %s: %w", l.name, err)
	}
	return nil
}

// Close gives the lease up.
func (l *Lease[T]) Close() error { return l.lock.Close() }

// The names of records, and of what belongs to them. Names of jobs and stores have no dots.
const (
	jobPrefix   = "job-"
	storePrefix = "store-"
	alarmPrefix = "alarm-"
	suffix      = ".json"
	newSuffix   = ".new"
	lockSuffix  = ".lock"
)

// maxRecord is how long a record may be, in bytes.
const maxRecord = 4 << 20

func read[T any](dir disk.FS, name string) (record T, err error) {
	text, err := content(dir, name+suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return record, nil
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		if err = d.Decode(&record); err == nil {
			return record, nil
		}
	}
	var empty T
	return empty, fmt.Errorf("read history %s: %w: %w", name, varve.ErrDamaged, err)
}

func content(dir disk.FS, name string) ([]byte, error) {
	r, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.NewSectionReader(r, 0, maxRecord+1))
	if err == nil && len(text) > maxRecord {
		err = errors.New("is too long")
	}
	return text, err
}

// write puts text in the place of the file, which another run finds as it was or as it is to be. Only who has the lease writes, so that
// the new file needs no name of its own.
func write(dir disk.FS, name string, text []byte) error {
	if err := dir.Remove(name + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := dir.Create(name+newSuffix, 0o600)
	if err != nil {
		return err
	}
	_, err = w.WriteAt(text, 0)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = dir.Replace(name+newSuffix, dir, name+suffix)
	}
	if err != nil {
		return errors.Join(err, absent(dir.Remove(name+newSuffix)))
	}
	return dir.Sync()
}

// absent returns err unless it says that there is nothing to remove.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
