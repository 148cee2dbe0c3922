package rsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"varve"
)

// received is what rsync put into a stage, told as the sender had it.
type received struct {
	varve.Source
	fakes bool  // rsync ran with --fake-super
	lacks error // what rsync says that is not there
}

// Names of the attributes in which rsync keeps what it may not set with --fake-super. Attributes of other name spaces have the prefix
// put before their own names.
const (
	fakePrefix     = "user.rsync."
	fakeStat       = fakePrefix + "%stat"
	fakeAccessACL  = fakePrefix + "%aacl"
	fakeDefaultACL = fakePrefix + "%dacl"
)

// maxTarget bounds the length of a symlink's target in bytes.
const maxTarget = 4095

// Entries yields the files as the sender had them. Where something is lacking, the root is yielded again with an error.
func (r *received) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		lacks := r.lacks
		for e, err := range r.Source.Entries(ctx) {
			if err == nil && r.fakes && e.Err == nil {
				err = r.translate(ctx, &e)
			}
			if !yield(e, err) || err != nil {
				return
			}
			if lacks != nil && !yield(varve.Entry{Kind: varve.Dir, Err: lacks}, nil) {
				return
			}
			lacks = nil
		}
	}
}

// translate gives e what it stands for.
func (r *received) translate(ctx context.Context, e *varve.Entry) error {
	lying := *e
	if err := unfake(e); err != nil {
		return fmt.Errorf("/%s: %w", e.Path, err)
	}
	if e.Kind != varve.Symlink || lying.Kind == varve.Symlink {
		return nil
	}
	var err error
	if e.Target, err = r.target(ctx, lying); err != nil {
		return fmt.Errorf("/%s: %w", e.Path, err)
	}
	return nil
}

// target returns the target of a symlink that a regular file stands for: its content.
func (r *received) target(ctx context.Context, lying varve.Entry) (target string, err error) {
	f, err := r.Source.Open(ctx, lying)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, maxTarget+1))
	switch {
	case err != nil:
		return "", err
	case len(text) == 0 || len(text) > maxTarget || strings.IndexByte(string(text), 0) >= 0:
		return "", errors.New("stands for a symlink, but does not hold a target")
	}
	return string(text), nil
}

// Open opens a regular file.
func (r *received) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	f, err := r.Source.Open(ctx, e)
	if err != nil || !r.fakes {
		return f, err
	}
	return fakedFile{f}, nil
}

// fakedFile is a file whose metadata is in an attribute.
type fakedFile struct{ varve.File }

func (f fakedFile) Entry() (varve.Entry, error) {
	e, err := f.File.Entry()
	if err == nil {
		err = unfake(&e)
	}
	return e, err
}

// unfake moves what rsync keeps in attributes to where it belongs.
func unfake(e *varve.Entry) error {
	own, owned := find(e.Xattrs, fakeStat)
	if owned {
		if err := unfakeStat(e, own); err != nil {
			return err
		}
	}
	var attrs []varve.Xattr
	for _, x := range e.Xattrs {
		x, err := unfakeXattr(e, x)
		if err != nil {
			return err
		}
		if x.Name != "" {
			attrs = append(attrs, x)
		}
	}
	slices.SortFunc(attrs, func(a, b varve.Xattr) int { return cmp.Compare(a.Name, b.Name) })
	for i := range attrs[min(1, len(attrs)):] {
		if attrs[i].Name == attrs[i+1].Name {
			return fmt.Errorf("attribute %q is there twice", attrs[i].Name)
		}
	}
	e.Xattrs = attrs
	return nil
}

func find(attrs []varve.Xattr, name string) (string, bool) {
	for _, x := range attrs {
		if x.Name == name {
			return x.Value, true
		}
	}
	return "", false
}

// unfakeXattr returns the attribute that x stands for; without a name where there is none.
func unfakeXattr(e *varve.Entry, x varve.Xattr) (varve.Xattr, error) {
	switch x.Name {
	case fakeStat:
		return varve.Xattr{}, nil
	case fakeAccessACL:
		value, err := unfakeACL(x.Value, e.Mode, true)
		if value == "" {
			return varve.Xattr{}, err
		}
		return varve.Xattr{Name: "system.posix_acl_access", Value: value}, err
	case fakeDefaultACL:
		value, err := unfakeACL(x.Value, 0, false)
		if e.Kind != varve.Dir && err == nil {
			err = errors.New("a default ACL on what is not a directory")
		}
		return varve.Xattr{Name: "system.posix_acl_default", Value: value}, err
	}
	rest, _ := strings.CutPrefix(x.Name, fakePrefix)
	for _, space := range [...]string{"trusted.", "security.", "system."} {
		if strings.HasPrefix(rest, space) && len(rest) > len(space) {
			x.Name = rest
		}
	}
	return x, nil
}

// unfakeStat reads mode, device number and owner: "100644 0,0 1000:1000", the mode with the type of stat(2) in octal.
func unfakeStat(e *varve.Entry, text string) error {
	bad := fmt.Errorf("attribute %s: %s is not what rsync writes", fakeStat, show(text))
	fields := strings.Split(text, " ")
	if len(fields) != 3 {
		return bad
	}
	mode, err := strconv.ParseUint(fields[0], 8, 32)
	major, minor, okDev := pair(fields[1], ",")
	uid, gid, okIDs := pair(fields[2], ":")
	kind := varve.KindOf(uint32(mode))
	if err != nil || mode > 0o177777 || !okDev || !okIDs || kind == 0 {
		return bad
	}
	if err := checkKinds(e.Kind, kind); err != nil {
		return err
	}
	e.Mode, e.UID, e.GID = uint32(mode)&0o7777, uid, gid
	e.User, e.Group = "", "" // they were those of the numbers on this disk
	if kind == varve.CharDevice || kind == varve.BlockDevice {
		e.Rdev = varve.Rdev{Major: major, Minor: minor}
	}
	if e.Kind = kind; kind != varve.Regular {
		e.Size, e.Holes = 0, nil
	}
	return nil
}

// checkKinds returns an error unless an object may stand for one of another kind.
func checkKinds(lies, stands varve.Kind) error {
	if lies == stands || lies == varve.Regular && stands != varve.Dir {
		return nil
	}
	return fmt.Errorf("attribute %s: a %s cannot stand for a %s", fakeStat, lies, stands)
}

// pair reads two numbers. rsync writes them as signed ones.
func pair(text, sep string) (a, b uint32, ok bool) {
	left, right, found := strings.Cut(text, sep)
	a, okA := number32(left)
	b, okB := number32(right)
	return a, b, found && okA && okB
}

func number32(text string) (uint32, bool) {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return uint32(int32(n)), strconv.FormatInt(n, 10) == text
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && strconv.FormatUint(n, 10) == text
}
