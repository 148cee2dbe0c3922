package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/location"
)

// place is a directory that is looked at.
type place struct {
	spec location.Spec
	box  bool // on a storage box
	// path is the place itself, or the nearest directory above it that exists; missing is what is missing in that, empty for nothing.
	path    string
	missing string
	// open opens the directory at path.
	open func() (disk.FS, error)
	// names are the first names in it; all of them unless more is set.
	names []disk.Name
	more  bool
	// tried is how many of the objects in it were opened, refused the names of those that may not be.
	tried   int
	refused []string
	room    room
	// store is what lies there; empty for no store.
	store location.Kind
}

// far reports whether the place is on another machine.
func (p *place) far() bool { return p.spec.Scheme != location.Local }

// sub returns the place below p, as a user would write it, that lies in a directory whose name nobody refuses.
func (p *place) sub() string {
	s := p.spec
	s.Path = path.Join("backup", path.Base(s.Path))
	return s.String()
}

// shown returns a path as people understand it.
func shown(at string) string {
	if at == "." {
		return "the login directory"
	}
	return at
}

var errNoDirectory = errors.New("not a directory")

// find settles how much of the place exists, given how to open a directory. False where nothing can be looked at.
func (e *exam) find(p *place, open func(at string) error) bool {
	at := p.spec.Path
	for missing := ""; ; missing, at = path.Base(at), path.Dir(at) {
		if !e.begin("place") {
			return false
		}
		err := open(at)
		last := at == "." || at == "/"
		switch {
		case err == nil:
			p.path, p.missing = at, missing
			return true
		case errors.Is(err, errNoDirectory) && missing == "" && open(path.Dir(at)) == nil:
			e.warn("place", "name the directory that it lies in, for a store", "%s is not a directory: it can be a source, not a store", at)
			return false
		case errors.Is(err, errNoDirectory):
			e.wrong("place", "is the path spelt right?", "%s is not a directory", at)
			return false
		case errors.Is(err, fs.ErrPermission):
			e.wrong("place", e.asWhom(p), "%s may not be opened by this user", shown(at))
			return false
		case !errors.Is(err, fs.ErrNotExist) || last:
			e.wrong("place", "", "%s: %s", shown(at), reason(err))
			return false
		}
	}
}

// asWhom returns who may do what this user may not.
func (e *exam) asWhom(p *place) string {
	if p.far() {
		return "log in as a user who may: USER@" + p.spec.Target.Host + ":..."
	}
	return "run varve as root, or as a user who may"
}

// contents says what lies in the place.
func (e *exam) contents(p *place) bool {
	if p.missing != "" {
		e.warn("place", "is it a disk that is not mounted? "+command("varve", "init", p.spec.String())+" makes a store there",
			"%s does not exist; %s does, and lacks %q", p.spec, shown(p.path), p.missing)
		return true
	}
	e.litter(p)
	if !e.beginLong("store", storeLimit*e.o.Patience) || !e.kept(p) {
		return false
	}
	switch many := len(p.names); {
	case p.store != "":
	case many == 0 || many == 1 && p.names[0].Name == "lost+found":
		e.good("place", "%s exists and is empty: a store can be made in it, and there is nothing to back up", p.spec)
	case p.more:
		e.good("place", "%s exists and holds more than %d names: it can be a source; a new store wants an empty directory", p.spec, many)
	default:
		e.good("place", "%s exists and holds %s: it can be a source; a new store wants an empty directory", p.spec, count(many, "name", "names"))
	}
	if p.store == "" {
		e.reading(p)
	}
	return true
}

const (
	// storeLimit is how many times longer than other steps looking at all snapshots may take.
	storeLimit = 10
	// stale is the age of the newest snapshot that is worth a word.
	stale = 8 * 24 * time.Hour
	// early is how far in the future a snapshot may be.
	early = time.Hour
)

// kept says what store lies there.
func (e *exam) kept(p *place) bool {
	dir, err := p.open()
	if err != nil {
		e.wrong("place", "", "%s", reason(err))
		return false
	}
	see, err := e.o.Location.Look(e.ctx, dir, p.far())
	switch {
	case errors.Is(err, varve.ErrNoStore):
		return true
	case err != nil && !errors.Is(err, varve.ErrDamaged):
		e.wrong("store", "is it of a newer version of varve? Is a part of it not readable?", "%s", reason(err))
		return e.ctx.Err() == nil
	}
	p.store = see.Kind
	if see.Kind == location.Vault {
		e.good("store", "a vault; what it holds is told with its key: varve snapshots")
		return true
	}
	if err != nil {
		e.wrong("store", command("varve", "verify", "-s", p.spec.String())+" tells all that is damaged", "%s", reason(err))
	}
	e.tree(see)
	return true
}

// tree says what a tree holds.
func (e *exam) tree(see location.Sight) {
	list := see.Snapshots
	if len(list) == 0 {
		e.good("store", "a tree, %s, without a snapshot yet", see.Format)
		return
	}
	series := map[string]bool{}
	newest := list[0]
	for _, s := range list {
		series[s.Series] = true
		if s.Time.After(newest.Time) {
			newest = s
		}
	}
	age := e.o.Now().Sub(newest.Time)
	text := fmt.Sprintf("a tree, %s, with %s of %d series; the newest, of %s, is %s old", see.Format, count(len(list), "snapshot", "snapshots"),
		len(series), newest.Series, ageText(age))
	switch {
	case age < -early:
		e.warn("store", "correct the clock of this machine, or forget the snapshots with wrong times by their IDs",
			"a tree, %s; a snapshot of %s is dated in the future, %v", see.Format, newest.Series, newest.Time.UTC().Format(time.RFC3339))
	case age > stale:
		e.note("store", "do backups still run?", "%s", text)
	default:
		e.good("store", "%s", text)
	}
}

// ageText returns an age in the unit that suits it.
func ageText(d time.Duration) string {
	switch d = max(d, 0); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

// litter says what interrupted exams have left.
func (e *exam) litter(p *place) {
	for _, n := range p.names {
		if strings.HasPrefix(n.Name, scratchPrefix) {
			e.note("place", "remove it, unless another varve doctor runs", "%s was left there by an exam that was interrupted", n.Name)
		}
	}
}

// maxReading is how many of the objects in a place are opened.
const maxReading = 100

// tryReading opens what lies directly in the place, for a moment.
func (e *exam) tryReading(p *place, open func(disk.Name) error) bool {
	for _, n := range p.names {
		if n.Kind != varve.Regular && n.Kind != varve.Dir || p.tried == maxReading {
			continue
		}
		if !e.begin("reading") {
			return false
		}
		p.tried++
		if err := open(n); errors.Is(err, fs.ErrPermission) {
			p.refused = append(p.refused, n.Name)
		}
	}
	return true
}

// reading says what lies directly in the place and cannot be read.
func (e *exam) reading(p *place) {
	switch objects := count(p.tried, "object", "objects"); {
	case p.tried == 0:
	case len(p.refused) == 0:
		e.good("reading", "what lies directly in it can be read (%s tried)", objects)
	default:
		e.warn("reading", e.asWhom(p), "%d of %s directly in it cannot be read, such as %s", len(p.refused), objects, slices.Min(p.refused))
	}
}
