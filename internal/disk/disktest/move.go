package disktest

import (
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
)

var linkPart = []clause{
	{"a link is another name of the same object", links},
	{"Link links a symlink itself", linkSymlink},
	{"Link refuses directories and what is absent", linkRefuses},
	{"links made at once are all counted", parallelLinks},
}

var movePart = []clause{
	{"Rename and Replace move objects of every kind within and between directories", moves},
	{"Rename never replaces", renameKeeps},
	{"Replace replaces atomically", replaceReplaces},
	{"Replace loses no directory that has entries", replaceDirectories},
	{"a directory cannot be moved into itself", moveIntoItself},
	{"nothing moves to a foreign disk", foreignDisk},
	{"of many that rename to one name at once, one succeeds", renameRace},
}

var removePart = []clause{
	{"Remove removes everything but directories", remove},
	{"Rmdir removes empty directories only", rmdir},
}

func links(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Links, "hard links")
	sub := mkdir(t, f, "sub")
	for kind, mk := range makers(opts) {
		if kind == varve.Dir {
			continue
		}
		name := kind.String()
		must(t, mk(f, name))
		must(t, f.Link(name, sub, "linked "+name))
		one, two := lookup(t, f, name), lookup(t, sub, "linked "+name)
		equal(t, "stamp of the linked "+name, two.Stamp, one.Stamp)
		equal(t, "kind", two.Kind, kind)
		opts.links(t, one, 2)
		must(t, f.Remove(name))
		opts.links(t, lookup(t, sub, "linked "+name), 1)
	}
	write(t, f, "a", "content")
	must(t, f.Link("a", f, "b"))
	must(t, f.Set("a", &varve.Entry{Mode: 0o640}, varve.Mode))
	equal(t, "mode of the other name", lookup(t, f, "b").Mode, 0o640)
	equal(t, "content under the other name", read(t, f, "b"), "content")
}

// links checks how many hard links there are to an object.
func (o Options) links(t *testing.T, info disk.Info, want uint64) {
	t.Helper()
	if !o.ByPath {
		equal(t, "links of "+info.Path, info.Links, want)
	}
}

func linkSymlink(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Links, "hard links")
	write(t, f, "file", "")
	must(t, f.Symlink("link", "file"))
	must(t, f.Link("link", f, "copy"))
	info := lookup(t, f, "copy")
	equal(t, "kind", info.Kind, varve.Symlink)
	equal(t, "target", info.Target, "file")
	opts.links(t, info, 2)
	opts.links(t, lookup(t, f, "file"), 1)
}

func linkRefuses(t *testing.T, f disk.FS, opts Options) {
	mkdir(t, f, "sub")
	refused(t, "Link of a directory", f.Link("sub", f, "other"), nil, "sub")
	if opts.looksFor("Link") {
		refused(t, "Link of nothing", f.Link("absent", f, "other"), fs.ErrNotExist, "absent")
	}
	wantList(t, f, "sub")
}

func parallelLinks(t *testing.T, f disk.FS, opts Options) {
	opts.need(t, opts.Links, "hard links")
	const workers, each = 8, 25
	write(t, f, "file", "content")
	subs := []disk.FS{mkdir(t, f, "a"), mkdir(t, f, "b")}
	var wait sync.WaitGroup
	for g := range workers {
		wait.Go(func() {
			for i := range each {
				if err := f.Link("file", subs[g%2], fmt.Sprint(g, "-", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	opts.links(t, lookup(t, f, "file"), 1+workers*each)
	equal(t, "names", len(list(t, subs[0]))+len(list(t, subs[1])), workers*each)
}

// mover is Rename or Replace.
type mover func(f disk.FS, name string, to disk.FS, toName string) error

func movers() map[string]mover {
	return map[string]mover{"Rename": disk.FS.Rename, "Replace": disk.FS.Replace}
}

func moves(t *testing.T, f disk.FS, opts Options) {
	sub := mkdir(t, f, "sub")
	for method, move := range movers() {
		for kind, mk := range makers(opts) {
			must(t, mk(f, "here"))
			before := lookup(t, f, "here")
			must(t, move(f, "here", f, "there"))
			absent(t, f, "here")
			must(t, move(f, "there", sub, "inside"))
			absent(t, f, "there")
			after := lookup(t, sub, "inside")
			if after.Stamp.Ino != before.Stamp.Ino || after.Kind != kind || after.Mode != before.Mode || after.MTime != before.MTime {
				t.Errorf("%s changed %+v to %+v", method, before, after)
			}
			must(t, move(sub, "inside", f, method+" "+kind.String()))
		}
		refused(t, method+" of nothing", move(f, "absent", sub, "new"), fs.ErrNotExist, "absent")
	}
	wantList(t, sub)
}

func renameKeeps(t *testing.T, f disk.FS, opts Options) {
	sub := mkdir(t, f, "sub")
	write(t, f, "file", "source")
	write(t, sub, "file", "kept")
	must(t, f.Symlink("dangling", "nowhere"))
	must(t, f.Mkdir("empty", 0o755))
	must(t, f.Mkdir("other", 0o755))
	refused(t, "Rename over a file", f.Rename("file", sub, "file"), fs.ErrExist, "file")
	refused(t, "Rename over a symlink", f.Rename("file", f, "dangling"), fs.ErrExist, "dangling")
	refused(t, "Rename of a directory over an empty one", f.Rename("other", f, "empty"), fs.ErrExist, "empty")
	refused(t, "Rename over a directory", f.Rename("file", f, "empty"), fs.ErrExist, "empty")
	equal(t, "content", read(t, f, "file"), "source")
	equal(t, "content", read(t, sub, "file"), "kept")
	wantList(t, f, "sub", "file", "dangling", "empty", "other")
	if opts.Links {
		must(t, f.Link("file", f, "same"))
		refused(t, "Rename over a link to the same file", f.Rename("file", f, "same"), fs.ErrExist, "same")
		opts.links(t, lookup(t, f, "file"), 2)
	}
}

func replaceReplaces(t *testing.T, f disk.FS, opts Options) {
	sub := mkdir(t, f, "sub")
	for kind, mk := range makers(opts) {
		if kind == varve.Dir {
			continue
		}
		must(t, mk(sub, "name"))
		write(t, f, "new", "new content")
		must(t, f.Replace("new", sub, "name"))
		absent(t, f, "new")
		equal(t, "content over a "+kind.String(), read(t, sub, "name"), "new content")
		must(t, sub.Remove("name"))
	}
	write(t, f, "target", "untouched")
	must(t, f.Symlink("link", "target"))
	write(t, f, "new", "new content")
	must(t, f.Replace("new", f, "link"))
	equal(t, "content", read(t, f, "link"), "new content")
	equal(t, "content of what the symlink pointed to", read(t, f, "target"), "untouched")
	old, err := f.Open("target")
	must(t, err)
	defer old.Close()
	must(t, f.Replace("link", f, "target"))
	equal(t, "content of the replaced file, still open", content(t, old), "untouched")
	wantList(t, f, "sub", "target")
}

func replaceDirectories(t *testing.T, f disk.FS, _ Options) {
	write(t, mkdir(t, f, "full"), "inside", "")
	write(t, mkdir(t, f, "also full"), "inside too", "")
	mkdir(t, f, "empty")
	write(t, f, "file", "")
	refused(t, "Replace of a directory with entries", f.Replace("also full", f, "full"), nil, "full")
	refused(t, "Replace of a directory by a file", f.Replace("file", f, "empty"), nil, "empty")
	refused(t, "Replace of a file by a directory", f.Replace("empty", f, "file"), nil, "file")
	wantList(t, openDir(t, f, "full"), "inside")
	must(t, f.Replace("full", f, "empty"))
	wantList(t, openDir(t, f, "empty"), "inside")
	wantList(t, f, "empty", "also full", "file")
}

func moveIntoItself(t *testing.T, f disk.FS, _ Options) {
	a := mkdir(t, f, "a")
	b := mkdir(t, a, "b")
	for method, move := range movers() {
		refused(t, method+" into itself", move(f, "a", a, "c"), nil, "a")
		refused(t, method+" below itself", move(f, "a", b, "c"), nil, "a")
	}
	wantList(t, f, "a")
	wantList(t, a, "b")
	wantList(t, b)
}

func foreignDisk(t *testing.T, f disk.FS, _ Options) {
	write(t, f, "file", "content")
	foreign := struct{ disk.FS }{f}
	for method, move := range map[string]mover{"Link": disk.FS.Link, "Rename": disk.FS.Rename, "Replace": disk.FS.Replace} {
		refused(t, method, move(f, "file", foreign, "other"), disk.ErrCrossDevice, "file")
	}
	wantList(t, f, "file")
}

func renameRace(t *testing.T, f disk.FS, _ Options) {
	const racers = 8
	for i := range racers {
		write(t, f, fmt.Sprint("racer-", i), fmt.Sprint("racer-", i))
	}
	won := make([]bool, racers)
	var wait sync.WaitGroup
	for i := range racers {
		wait.Go(func() { won[i] = f.Rename(fmt.Sprint("racer-", i), f, "goal") == nil })
	}
	wait.Wait()
	winners := 0
	for i, w := range won {
		if w {
			winners++
			equal(t, "content", read(t, f, "goal"), fmt.Sprint("racer-", i))
		}
	}
	equal(t, "number of winners", winners, 1)
	equal(t, "number of files", len(list(t, f)), racers)
}

func remove(t *testing.T, f disk.FS, opts Options) {
	write(t, f, "target", "untouched")
	must(t, f.Symlink("link", "target"))
	must(t, f.Remove("link"))
	for kind, mk := range makers(opts) {
		must(t, mk(f, "object"))
		if kind != varve.Dir {
			must(t, f.Remove("object"))
			absent(t, f, "object")
			continue
		}
		refused(t, "Remove of a directory", f.Remove("object"), nil, "object")
		must(t, f.Rmdir("object"))
	}
	wantList(t, f, "target")
	equal(t, "content", read(t, f, "target"), "untouched")
}

func rmdir(t *testing.T, f disk.FS, opts Options) {
	write(t, mkdir(t, f, "full"), "inside", "")
	must(t, f.Symlink("to-empty", "empty"))
	must(t, f.Mkdir("empty", 0))
	refused(t, "Rmdir of a directory with entries", f.Rmdir("full"), disk.ErrNotEmpty, "full")
	for kind, mk := range makers(opts) {
		if kind != varve.Dir {
			must(t, mk(f, kind.String()))
			refused(t, "Rmdir of a "+kind.String(), f.Rmdir(kind.String()), nil, kind.String())
			must(t, f.Remove(kind.String()))
		}
	}
	refused(t, "Rmdir of a symlink to a directory", f.Rmdir("to-empty"), nil, "to-empty")
	must(t, f.Rmdir("empty"))
	wantList(t, f, "full", "to-empty")
}
