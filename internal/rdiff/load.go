package rdiff

import (
	"context"
	"errors"
	"fmt"

	"varve"
)

// loading is a version whose metadata are being read.
type loading struct {
	*Version
	history   *history
	eas, acls *items
	listing   *listing
	// aclUsers and aclGroups are the names in ACLs, numbered.
	aclUsers, aclGroups names
	// These count objects.
	strays, forks, unsummed int
}

// load reads all metadata of the version.
func (v *Version) load(ctx context.Context) (err error) {
	v.readErrors()
	l := &loading{Version: v, listing: &listing{spool: v.spool}, aclUsers: names{}, aclGroups: names{}}
	defer func() { err = errors.Join(err, l.close()) }()
	if l.history, err = v.repo.history(ctx, v.time); err != nil {
		return err
	}
	if l.eas, err = v.side(ctx, eaBase); err != nil {
		return err
	}
	if l.acls, err = v.side(ctx, aclBase); err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = l.step()
	}
	if err != nil {
		return err
	}
	l.sumUp()
	v.root = l.listing.root
	return nil
}

// side opens the attributes or ACLs of the session; nil where there are none.
func (v *Version) side(ctx context.Context, base string) (*items, error) {
	files := v.repo.at(base, v.time)
	switch len(files) {
	case 0:
		return nil, nil
	case 1:
		return v.repo.items(ctx, files[0], fileHead, unescapeOctal)
	}
	return nil, fmt.Errorf("%w: there are %d files with the %s of the session", varve.ErrDamaged, len(files), base)
}

func (l *loading) close() error {
	var errs []error
	if l.history != nil {
		errs = append(errs, l.history.Close())
	}
	for _, s := range [...]*items{l.eas, l.acls} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// step takes in the next object; false after the last.
func (l *loading) step() (more bool, err error) {
	i, more, err := l.history.next()
	if err != nil {
		return false, err
	}
	if !more {
		err = errors.Join(l.drain(l.eas), l.drain(l.acls))
		if err == nil {
			err = l.listing.finish()
		}
		return false, err
	}
	rec, err := parseRecord(i.text)
	if rec.gone {
		return true, nil
	}
	if err == nil {
		l.learn(i.path, &rec)
	} else if rec.entry.Kind == varve.Dir { // others are told by their entries
		l.notes.add("%q: %v", i.path, err)
	}
	r := row{attr: i.text, isDir: rec.entry.Kind == varve.Dir}
	if r.ea, err = l.seek(l.eas, i.path); err != nil {
		return false, err
	}
	if r.acl, err = l.seek(l.acls, i.path); err != nil {
		return false, err
	}
	l.check(i.path, &r)
	return true, l.listing.add(i.path, r, func(path string) { l.notes.add("%q: no metadata of this directory", path) })
}

// seek returns the record of path in s.
func (l *loading) seek(s *items, path string) (string, error) {
	if s == nil {
		return "", nil
	}
	text, passed, err := s.seek(path)
	l.strays += passed
	return text, err
}

// drain counts the records that are left in s.
func (l *loading) drain(s *items) error {
	for s != nil && !s.ended {
		l.strays++
		if err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

// learn takes in what concerns more than one object.
func (l *loading) learn(path string, r *record) {
	l.users.add(r.entry.User, r.entry.UID)
	l.groups.add(r.entry.Group, r.entry.GID)
	if r.fork {
		l.forks++
	}
	if r.links == (linkKey{}) {
		if r.entry.Kind == varve.Regular && !r.hasSum {
			l.unsummed++
		}
		return
	}
	k := l.links[r.links]
	if k == nil {
		k = &link{first: path}
		l.links[r.links] = k
	}
	k.count++
	if varve.ComparePaths(path, k.first) < 0 {
		k.first = path
	}
	if r.hasSum {
		k.apart = k.apart || k.known && k.sum != r.sum
		k.sum, k.known = r.sum, true
	}
}

// check notes attributes and ACLs that cannot be converted.
func (l *loading) check(path string, r *row) {
	if _, err := parseXattrs(r.ea); err != nil {
		l.notes.add("%q: extended attributes left out: %v", path, err)
	}
	if _, err := parseACL(r.acl, l.aclUsers.number, l.aclGroups.number); err != nil {
		l.notes.add("%q: ACL left out: %v", path, err)
	}
}

// number is a namer that knows everybody, as a number that nobody else has.
func (n names) number(name string) (uint32, bool) {
	if _, ok := n[name]; !ok {
		n.add(name, 1<<31+uint32(len(n)))
	}
	return n[name], true
}

// sumUp notes what concerns many objects.
func (l *loading) sumUp() {
	for name := range l.aclUsers {
		if _, ok := l.userID(name); !ok {
			l.notes.add("ACLs name the user %q, whose ID is not known: these entries are left out", name)
		}
	}
	for name := range l.aclGroups {
		if _, ok := l.groupID(name); !ok {
			l.notes.add("ACLs name the group %q, whose ID is not known: these entries are left out", name)
		}
	}
	for _, k := range l.links {
		if !k.known {
			l.unsummed += k.count
		}
	}
	if len(l.repo.at(winACLBase, l.time)) > 0 {
		l.notes.add("the Windows ACLs of the session are left out")
	}
	l.count(l.strays, "extended attributes or ACLs of objects that were not there: %d")
	l.count(l.forks, "files with Macintosh metadata, which are left out: %d")
	l.count(l.unsummed, "files without a SHA-1, whose content is checked by its length alone: %d")
}

// count notes n in a sentence.
func (l *loading) count(n int, sentence string) {
	if n > 0 {
		l.notes.add(sentence, n)
	}
}
