package storetest

import (
	"cmp"
	"context"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"varve"
	"varve/internal/digest"
)

// Tree is a file tree in memory, a varve.Source. Like a disk it gives every object an inode number and every change a new change
// time. The zero value is not usable; call NewTree. It must not be changed while it is saved, except by Watch.
type Tree struct {
	// Known makes the entries carry their digests, as those of a View do.
	Known bool
	// Blind leaves the stamps zero, as a walk does where it cannot rely on them.
	Blind bool
	// Watch, where set, is called before an entry is yielded, with the number of those before it. Its error breaks the sequence off.
	Watch func(n int) error

	objects map[string]*Object
	ticks   int64
	inodes  uint64
}

var _ varve.Source = (*Tree)(nil)

// Object is one object of a Tree; one that has several names is there once. The Path, SameAs, Digest and Size of its Entry mean
// nothing, nor does Linked among its Marks.
type Object struct {
	varve.Entry
	// Stream is the content stream of a regular file: its bytes without the holes.
	Stream  string
	Trouble Trouble
}

// Trouble is what goes wrong when an object is read. At most one field is set.
type Trouble struct {
	// Entry is why the metadata cannot be read.
	Entry error
	// Listing is why a directory cannot be listed.
	Listing error
	// Open is why a file cannot be opened.
	Open error
	// Read is why a file cannot be read further than half.
	Read error
	// Shrinks, Grows and Changes say what somebody else does to a file whenever half of it has been read: cut it there, append to
	// it, or write to it so that its times change.
	Shrinks, Grows, Changes bool
}

// keeps reports whether a store can keep the object nevertheless.
func (t Trouble) keeps() bool {
	return t.Entry == nil && t.Open == nil && t.Read == nil && !t.Shrinks
}

// firstTime is the time of the first change of a Tree, in seconds.
const firstTime = 1_600_000_000

// NewTree returns a Tree with an empty root.
func NewTree() *Tree {
	t := &Tree{objects: map[string]*Object{}}
	t.Put("", varve.Entry{Kind: varve.Dir, Mode: 0o755}, "")
	return t
}

// Put makes path a new object with the metadata of e and a content stream, whatever was there. Where e has no MTime it gets one.
// The directories above must be there.
func (t *Tree) Put(path string, e varve.Entry, stream string) *Object {
	t.inodes++
	o := &Object{Entry: e, Stream: stream}
	o.Stamp.Dev, o.Stamp.Ino = 7, t.inodes+100
	if o.MTime == (varve.Time{}) {
		o.MTime = varve.Time{Sec: firstTime + t.ticks, Nsec: 123_456_789}
	}
	t.objects[path] = o
	t.touch(o)
	return o
}

// File makes path a regular file with mode 0644.
func (t *Tree) File(path, content string) *Object {
	return t.Put(path, varve.Entry{Kind: varve.Regular, Mode: 0o644}, content)
}

// Dir makes path a directory with mode 0755.
func (t *Tree) Dir(path string) *Object {
	return t.Put(path, varve.Entry{Kind: varve.Dir, Mode: 0o755}, "")
}

// touch gives o a new change time.
func (t *Tree) touch(o *Object) {
	t.ticks++
	o.Stamp.CTime = varve.Time{Sec: firstTime + t.ticks, Nsec: 987_654_321}
}

// At returns the object at path; nil where there is none.
func (t *Tree) At(path string) *Object { return t.objects[path] }

// Paths returns all paths in listing order.
func (t *Tree) Paths() []string {
	return slices.SortedFunc(maps.Keys(t.objects), varve.ComparePaths)
}

// Edit lets change work on the object at path and gives it a new change time.
func (t *Tree) Edit(path string, change func(o *Object)) {
	o := t.objects[path]
	change(o)
	t.touch(o)
}

// Write gives a file new content and a new modification time.
func (t *Tree) Write(path, content string) {
	t.Edit(path, func(o *Object) {
		o.Stream, o.Holes = content, nil
		o.MTime = varve.Time{Sec: firstTime + t.ticks, Nsec: 5}
	})
}

// Link makes path another name of the object at old.
func (t *Tree) Link(path, old string) {
	t.objects[path] = t.objects[old]
	t.touch(t.objects[old])
}

// Move gives what is at path, and all below it, another name. The change time changes with the topmost object alone.
func (t *Tree) Move(path, to string) {
	t.touch(t.objects[path])
	for p, o := range maps.Clone(t.objects) {
		if varve.Within(p, path) {
			delete(t.objects, p)
			t.objects[to+p[len(path):]] = o
		}
	}
}

// Remove takes away path and all below it.
func (t *Tree) Remove(path string) {
	maps.DeleteFunc(t.objects, func(p string, _ *Object) bool { return varve.Within(p, path) })
}

// Entries yields the tree.
func (t *Tree) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		l := &listing{tree: t, ctx: ctx, yield: yield, below: map[string][]string{}, names: map[*Object]int{}, first: map[*Object]string{}}
		for path, o := range t.objects {
			l.names[o]++
			if path != "" {
				l.below[varve.Parent(path)] = append(l.below[varve.Parent(path)], path)
			}
		}
		if t.objects[""] != nil && l.hand("") {
			l.list("")
		}
	}
}

// listing is one walk along a Tree.
type listing struct {
	tree  *Tree
	ctx   context.Context
	yield func(varve.Entry, error) bool
	below map[string][]string
	names map[*Object]int
	first map[*Object]string
	n     int
}

// hand yields the entry at path and reports whether to go on.
func (l *listing) hand(path string) bool {
	err := l.ctx.Err()
	if err == nil && l.tree.Watch != nil {
		err = l.tree.Watch(l.n)
	}
	l.n++
	if err != nil {
		l.yield(varve.Entry{}, err)
		return false
	}
	o := l.tree.objects[path]
	e := o.entry(path)
	switch first, met := l.first[o]; {
	case o.Trouble.Entry != nil:
		e = varve.Entry{Path: path, Kind: o.Kind, Err: o.Trouble.Entry}
	case l.names[o] < 2:
	case met:
		e.SameAs = first
	default:
		l.first[o] = path
		e.Marks |= varve.Linked
	}
	return l.yield(l.tree.dim(e), nil)
}

// list yields what lies in dir and below and reports whether to go on.
func (l *listing) list(dir string) bool {
	o := l.tree.objects[dir]
	if o.Trouble.Listing != nil {
		return l.yield(varve.Entry{Path: dir, Kind: varve.Dir, Err: o.Trouble.Listing}, nil)
	}
	paths := l.below[dir]
	slices.Sort(paths)
	for _, p := range paths {
		if !l.hand(p) {
			return false
		}
	}
	for _, p := range paths {
		if o := l.tree.objects[p]; o.Kind == varve.Dir && o.Trouble.Entry == nil && !l.list(p) {
			return false
		}
	}
	return true
}

// entry returns all that there is to say of the object under one of its names.
func (o *Object) entry(path string) varve.Entry {
	e := o.Entry
	e.Path, e.SameAs, e.Marks = path, "", e.Marks&^varve.Linked
	if e.Kind == varve.Regular {
		e.Size, e.Digest = int64(len(o.Stream)), digest.Sum([]byte(o.Stream))
		for _, h := range o.Holes {
			e.Size += h.Len
		}
	}
	return e
}

// dim takes from e what the tree does not tell.
func (t *Tree) dim(e varve.Entry) varve.Entry {
	if !t.Known {
		e.Digest = varve.Digest{}
	}
	if t.Blind {
		e.Stamp = varve.Stamp{}
	}
	return e
}

// Want returns the entries of a snapshot of the tree: those that can be kept, digests filled in.
func (t *Tree) Want() []varve.Entry {
	still := *t
	still.Known, still.Watch, still.objects = true, nil, maps.Clone(t.objects)
	maps.DeleteFunc(still.objects, func(_ string, o *Object) bool { return o.Kind != varve.Dir && !o.Trouble.keeps() })
	var list []varve.Entry
	for e := range still.Entries(context.Background()) {
		if e.Err == nil {
			list = append(list, e)
		}
	}
	return list
}

// Open opens a file.
func (t *Tree) Open(_ context.Context, e varve.Entry) (varve.File, error) {
	o := t.objects[e.Path]
	switch {
	case o == nil:
		return nil, &fs.PathError{Op: "open", Path: e.Path, Err: fs.ErrNotExist}
	case o.Kind != varve.Regular:
		return nil, &fs.PathError{Op: "open", Path: e.Path, Err: varve.ErrUnreadable}
	case o.Trouble.Open != nil:
		return nil, o.Trouble.Open
	}
	return &file{tree: t, object: o, path: e.Path, marks: e.Marks, sameAs: e.SameAs, in: strings.NewReader(o.Stream)}, nil
}

// Size returns the bytes of content in the tree, each object once.
func (t *Tree) Size() (n int64) {
	met := map[*Object]bool{}
	for _, o := range t.objects {
		if !met[o] {
			met[o] = true
			n += cmp.Or(o.entry("").Size, 0)
		}
	}
	return n
}
