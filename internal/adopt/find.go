package adopt

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"varve"
	"varve/internal/disk"
)

// TimeFrom says where a time was taken from.
type TimeFrom uint8

const (
	// FromName says that the name of the directory tells it.
	FromName TimeFrom = iota + 1
	// FromMTime says that it is the modification time of the directory.
	FromMTime
)

// String returns the words for f that reports use.
func (f TimeFrom) String() string {
	switch f {
	case FromName:
		return "name"
	case FromMTime:
		return "modification time"
	}
	return "unknown"
}

// Condition says whether something found is a snapshot.
type Condition uint8

const (
	// Whole says that nothing speaks against it.
	Whole Condition = iota + 1
	// Doubtful says that it may still be written to, lies in the future, or cannot be looked at: better taken in later, if at all.
	Doubtful
	// Unfinished says that it never became a snapshot.
	Unfinished
	// Condemned says that its program is about to remove it.
	Condemned
	// Empty says that there is nothing in it, as when a source was not mounted.
	Empty
)

// String returns the word for c that reports use.
func (c Condition) String() string {
	words := [...]string{"unknown", "whole", "doubtful", "unfinished", "condemned", "empty"}
	if int(c) >= len(words) {
		return words[0]
	}
	return words[c]
}

// Found is a directory that is a snapshot, or something like one.
type Found struct {
	// Path is relative to the directory that was searched.
	Path string
	// Time is when the snapshot was made, in UTC.
	Time time.Time
	From TimeFrom
	// Series is what it may belong to in a store.
	Series string
	// Level is rsnapshot's, empty elsewhere. Number counts from 0, the newest, where names have one.
	Level     string
	Number    int
	Condition Condition
	// Why says what speaks against a snapshot that is not Whole.
	Why string
}

// Find returns what in dir has names of this style, the oldest first. Only directories count: symlinks such as "latest" do not. What
// dir holds besides is left out, except what the style's program leaves behind.
func Find(dir disk.FS, style Style) ([]Found, error) {
	list, err := find(dir, style)
	if err != nil {
		return nil, fmt.Errorf("find snapshots: %w", err)
	}
	return list, nil
}

func find(dir disk.FS, style Style) ([]Found, error) {
	if style.Zone == nil {
		style.Zone = time.Local
	}
	read, err := style.reader()
	if err != nil {
		return nil, err
	}
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	var list []Found
	for _, n := range names {
		f, ok := read(n.Name)
		if !ok || n.Kind != 0 && n.Kind != varve.Dir {
			continue
		}
		info, err := dir.Lookup(n.Name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Kind != varve.Dir {
			continue
		}
		if err != nil {
			return nil, err
		}
		f.Path, f.Series = n.Name, style.Series
		if f.From == FromMTime {
			f.Time = info.MTime.Time()
		}
		f.Time = f.Time.UTC()
		style.judge(dir, &f)
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Found) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Path, b.Path)) })
	if slices.ContainsFunc(names, func(n disk.Name) bool { return n.Name == progressMark }) {
		spoilLast(list)
	}
	disorder(list, style.Levels)
	return list, nil
}

// progressMark is the file that rsync-time-backup puts beside its snapshots until the newest of them is finished.
const progressMark = "backup.inprogress"

// spoilLast says of the newest snapshot with a date that it is not finished.
func spoilLast(list []Found) {
	if len(list) == 0 || list[len(list)-1].From != FromName {
		return
	}
	last := &list[len(list)-1]
	last.Condition, last.Why = Unfinished, progressMark+" says that the newest one is not finished"
}

// reader returns what reads a name; false for one that is none of this style. Time is missing where From is FromMTime.
func (s *Style) reader() (func(name string) (Found, bool), error) {
	if len(s.Levels) > 0 && s.Names == "" {
		return s.readLevel, nil
	}
	p, err := s.compile()
	if err != nil {
		return nil, err
	}
	return func(name string) (Found, bool) { return s.readNamed(p, name) }, nil
}

// unfinished are what names of snapshots in the making end in.
var unfinished = [...]string{".inprogress", ".incomplete", ".partial", ".tmp"}

// readNamed reads a name of a given form.
func (s *Style) readNamed(p *pattern, name string) (Found, bool) {
	f := Found{Condition: Whole, From: FromMTime}
	r, err := p.read(name, s.Zone)
	for _, end := range unfinished {
		base, cut := strings.CutSuffix(name, end)
		if !cut || err == nil && !strings.HasSuffix(s.Names, "%*") {
			continue
		}
		if r, err = p.read(base, s.Zone); err == nil {
			f.Condition, f.Why = Unfinished, "its name ends in "+end
		}
	}
	if err != nil {
		return f, false
	}
	f.Time, f.Number = r.time, r.number
	dated, daily := p.dated()
	if dated {
		f.From = FromName
	}
	if daily && s.today(f.Time) && f.Condition == Whole {
		f.Condition, f.Why = Doubtful, "it is of today, and may not be finished"
	}
	return f, true
}

// today reports whether t lies on the day that it is now.
func (s *Style) today(t time.Time) bool {
	if s.Now.IsZero() {
		return false
	}
	y, m, d := t.In(s.Zone).Date()
	ny, nm, nd := s.Now.In(s.Zone).Date()
	return y == ny && m == nm && d == nd
}

// readLevel reads a name of rsnapshot's.
func (s *Style) readLevel(name string) (Found, bool) {
	f := Found{Condition: Whole, From: FromMTime}
	if name == ".sync" {
		f.Condition, f.Why = Unfinished, "rsnapshot collects here what will be the next snapshot"
		return f, true
	}
	if pid, ok := strings.CutPrefix(name, "_delete."); ok {
		_, err := strconv.ParseUint(pid, 10, 63)
		f.Condition, f.Why = Condemned, "rsnapshot was about to remove it"
		return f, err == nil
	}
	level, number, _ := strings.Cut(name, ".")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != number || !slices.Contains(s.Levels, level) {
		return f, false
	}
	f.Level, f.Number = level, int(n)
	if s.Running && n == 0 && level == s.Levels[0] {
		f.Condition, f.Why = Doubtful, "rsnapshot is running, and may be writing to it"
	}
	return f, true
}

// judge looks at a directory itself.
func (s *Style) judge(dir disk.FS, f *Found) {
	if f.Condition != Whole && f.Condition != Doubtful {
		return
	}
	if !s.Now.IsZero() && f.Time.After(s.Now) {
		f.Condition, f.Why = Doubtful, "it is dated in the future"
	}
	at, err := dir.OpenDir(f.Path)
	if err == nil {
		var names []disk.Name
		names, err = at.Names()
		err = errors.Join(err, at.Close())
		if err == nil && len(names) == 0 {
			f.Condition, f.Why = Empty, "there is nothing in it"
		}
	}
	if err != nil {
		f.Condition, f.Why = Doubtful, "it cannot be read: "+err.Error()
	}
}
