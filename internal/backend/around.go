package backend

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve"
)

// Save puts data as an object of kind k and returns its name. An object of that name that is there already counts as saved if it is
// as long, since nobody puts other bytes under that name; where it has another length the error matches varve.ErrDamaged. It is not
// read: what has rotted in place is found by reading. For Config an object that is there is an error that matches fs.ErrExist.
func Save(ctx context.Context, b varve.Backend, k Kind, data []byte) (string, error) {
	if int64(len(data)) > k.MaxSize() {
		return "", &fs.PathError{Op: "put", Path: string(k), Err: fmt.Errorf("%d bytes are more than an object of this kind may have", len(data))}
	}
	name := NameOf(k, data)
	err := b.Put(ctx, name, data)
	if k != Config && errors.Is(err, fs.ErrExist) {
		err = confirm(ctx, b, name, data)
	}
	return name, err
}

// confirm checks that the object name is there and holds data, as far as its length tells. A storage that says that an object exists
// and does not list it is asked for the object itself.
func confirm(ctx context.Context, b varve.Backend, name string, data []byte) error {
	for o, err := range b.List(ctx, name) {
		switch {
		case err != nil:
			return err
		case o.Name != name:
		case o.Size == int64(len(data)):
			return nil
		default:
			return damaged("put", name, "an object of %d bytes is there instead of %d", o.Size, len(data))
		}
	}
	there, err := b.Get(ctx, name, 0, int64(len(data))+1)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &fs.PathError{Op: "put", Path: name, Err: errors.New("the storage says that it exists, and that it does not")}
	case err != nil:
		return err
	case !bytes.Equal(there, data):
		return damaged("put", name, "another object is there")
	}
	return nil
}

// Load gets a whole object and checks that its bytes hash to its name; nothing is checked of Config. What does not fit is read a
// second time before it is called varve.ErrDamaged. Objects longer than Kind.MaxSize are refused in the same way.
func Load(ctx context.Context, b varve.Backend, name string) ([]byte, error) {
	data, err := load(ctx, b, name)
	if errors.Is(err, varve.ErrDamaged) {
		data, err = load(ctx, b, name)
	}
	return data, err
}

func load(ctx context.Context, b varve.Backend, name string) ([]byte, error) {
	k, _, err := Parse(name)
	if err != nil {
		return nil, err
	}
	data, err := b.Get(ctx, name, 0, k.MaxSize()+1)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > k.MaxSize() {
		return nil, damaged("get", name, "it is longer than %d bytes", k.MaxSize())
	}
	if err := Check(name, data); err != nil {
		return nil, err
	}
	return data, nil
}

// Range gets exactly n bytes of an object from off on. Where the object ends before that the error matches varve.ErrDamaged.
func Range(ctx context.Context, b varve.Backend, name string, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 {
		return nil, &fs.PathError{Op: "get", Path: name, Err: fs.ErrInvalid}
	}
	data, err := b.Get(ctx, name, off, n)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != n {
		return nil, damaged("get", name, "%d bytes at %d instead of %d", len(data), off, n)
	}
	return data, nil
}

func damaged(op, name, format string, args ...any) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w: "+format, append([]any{varve.ErrDamaged}, args...)...)}
}

// Objects returns all objects of kind k, sorted by name, each once. What a storage lists under names that are none, or beyond the
// prefix, is left out. With an error the list is nil: half a listing says nothing.
func Objects(ctx context.Context, b varve.Backend, k Kind) ([]varve.Object, error) {
	var objects []varve.Object
	for o, err := range b.List(ctx, k.Prefix()) {
		if err != nil {
			return nil, err
		}
		if kind, _, err := Parse(o.Name); err == nil && kind == k {
			objects = append(objects, o)
		}
	}
	slices.SortStableFunc(objects, func(a, b varve.Object) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(objects, func(a, b varve.Object) bool { return a.Name == b.Name }), nil
}

// Remove deletes an object; one that is not there counts as deleted.
func Remove(ctx context.Context, b varve.Backend, name string) error {
	err := b.Delete(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
