package sftpfs

import (
	"container/list"
	"strings"
	"sync"
	"time"

	"varve"
	"varve/internal/sftp"
)

// memory keeps what listings told of objects, so that a walk need not ask again: each piece of knowledge answers one question and is
// gone then, is forgotten when this Disk changes the object, and after a while.
type memory struct {
	now func() time.Time

	mu       sync.Mutex
	listings map[string]*listing // by the path of the directory
	recent   *list.List          // of *listing, the most recently filled in front
	bytes    int
	reading  map[*reading]bool
	ways     map[string]way // by the paths of directories
}

// way is a directory that somebody went through a moment ago, and will again on the way to what lies below it.
type way struct {
	object
	until time.Time
}

// listing is what is known of the objects in one directory.
type listing struct {
	path  string
	at    time.Time
	known map[string]*known
	place *list.Element
	bytes int
}

// known is what was told of one object.
type known struct {
	object
	uses use // that are left
}

// object is the metadata of one object as the server sent it, and what was asked for beside it.
type object struct {
	sftp.Attrs
	target string // of a symlink
	dev    uint64 // the file system a directory lies on; zero where not asked for
}

// use is a set of questions.
type use uint8

const (
	byName use = 1 << iota // Lookup of the name
	toOpen                 // OpenDir or Open: what kind of object is it
	asSelf                 // Lookup of the opened directory itself
)

const (
	// rememberFor is how long a listing is believed.
	rememberFor = time.Minute
	// maxListings and maxMemory bound what is kept; knownSize is what one object takes beside its name and target, in bytes.
	maxListings = 1 << 13
	maxMemory   = 64 << 20
	knownSize   = 160
	// passableFor is how long a directory that was looked at is taken for one when it is gone through again; there are maxWays of them.
	passableFor = 2 * time.Second
	maxWays     = 1 << 10
)

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, listings: map[string]*listing{}, recent: list.New(), reading: map[*reading]bool{}, ways: map[string]way{}}
}

// reading is a listing that is being read; stale once something in the directory changed meanwhile.
type reading struct {
	path  string
	stale bool
}

// begin says that the directory at path is going to be listed.
func (m *memory) begin(path string) *reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &reading{path: path}
	m.reading[r] = true
	return r
}

// done ends r and remembers what it told, unless something has changed.
func (m *memory) done(r *reading, found []found) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.reading, r)
	m.drop(r.path)
	if r.stale || len(found) == 0 {
		return
	}
	l := m.listing(r.path)
	for i := range found {
		o := &found[i].object
		uses := byName
		switch o.Kind() {
		case 0: // to be asked for
			continue
		case varve.Dir:
			uses |= toOpen | asSelf
		case varve.Regular:
			uses |= toOpen
		}
		if !o.Has(sftp.Size | sftp.Owner | sftp.Mode | sftp.Times) {
			continue
		}
		if !m.add(l, found[i].name, &known{*o, uses}) {
			return
		}
	}
}

// listing returns the listing of path, made where there is none. m.mu is held.
func (m *memory) listing(path string) *listing {
	l := m.listings[path]
	if l == nil {
		l = &listing{path: path, at: m.now(), known: map[string]*known{}}
		l.place = m.recent.PushFront(l)
		m.listings[path] = l
		m.bytes += len(path)
		for len(m.listings) > maxListings {
			m.drop(m.recent.Back().Value.(*listing).path)
		}
	}
	return l
}

// add remembers one object. It reports whether there was room: older listings make room, the listing at hand does not.
func (m *memory) add(l *listing, name string, k *known) bool {
	size := knownSize + len(name) + len(k.target)
	for m.bytes+size > maxMemory {
		oldest := m.recent.Back().Value.(*listing)
		if oldest == l {
			return false
		}
		m.drop(oldest.path)
	}
	m.forgetOne(l, name)
	l.known[name] = k
	l.bytes += size
	m.bytes += size
	return true
}

// note remembers what a look at the directory path told: what it is called in its parent answers no more than Lookup(".").
func (m *memory) note(path string, o object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.listing(parent(path))
	if m.now().Sub(l.at) > rememberFor {
		m.drop(l.path)
		l = m.listing(parent(path))
	}
	k := l.known[base(path)]
	if k == nil {
		k = &known{}
		m.add(l, base(path), k)
	}
	k.object, k.uses = o, k.uses|asSelf
}

// passed remembers that path is a directory, for a moment.
func (m *memory) passed(path string, o object) {
	if o.Kind() != varve.Dir {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ways) >= maxWays {
		clear(m.ways)
	}
	m.ways[path] = way{o, m.now().Add(passableFor)}
}

// passable returns what is at path, if it was a directory a moment ago.
func (m *memory) passable(path string) (object, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, ok := m.ways[path]
	return w.object, ok && m.now().Before(w.until)
}

// recall answers one question about the object at path, once.
func (m *memory) recall(path string, u use) (object, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.listings[parent(path)]
	if l == nil {
		return object{}, false
	}
	if m.now().Sub(l.at) > rememberFor {
		m.drop(l.path)
		return object{}, false
	}
	k := l.known[base(path)]
	if k == nil || k.uses&u == 0 {
		return object{}, false
	}
	o := k.object
	if k.uses &^= u; k.uses == 0 {
		m.forgetOne(l, base(path))
		if len(l.known) == 0 {
			m.drop(l.path)
		}
	}
	return o, true
}

// forget says that the object at path was changed, made or removed, and with it the directory that holds it. It is not one that holds
// others; see forgetTree.
func (m *memory) forget(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetName(path)
}

func (m *memory) forgetName(path string) {
	dir := parent(path)
	delete(m.ways, path)
	delete(m.ways, dir)
	for r := range m.reading {
		if r.path == dir || r.path == parent(dir) || r.path == path {
			r.stale = true
		}
	}
	if l := m.listings[dir]; l != nil {
		m.forgetOne(l, base(path))
	}
	if l := m.listings[parent(dir)]; l != nil && l.known[base(dir)] != nil {
		l.known[base(dir)].uses &= toOpen // it is a directory still
	}
}

// forgetTree says that the object at path was moved or removed with everything below it.
func (m *memory) forgetTree(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.ways)
	m.forgetName(path)
	for r := range m.reading {
		r.stale = r.stale || within(r.path, path)
	}
	for at := range m.listings {
		if within(at, path) {
			m.drop(at)
		}
	}
}

// forgetOne takes one object out. m.mu is held.
func (m *memory) forgetOne(l *listing, name string) {
	if k := l.known[name]; k != nil {
		size := knownSize + len(name) + len(k.target)
		l.bytes -= size
		m.bytes -= size
		delete(l.known, name)
	}
}

// drop takes a whole listing out. m.mu is held.
func (m *memory) drop(path string) {
	if l := m.listings[path]; l != nil {
		m.recent.Remove(l.place)
		m.bytes -= l.bytes + len(path)
		delete(m.listings, path)
	}
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	return strings.HasPrefix(path, dir) && (len(path) == len(dir) || path[len(dir)] == '/')
}

// parent and base split the path of an object on the server; the root "" has neither.
func parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
