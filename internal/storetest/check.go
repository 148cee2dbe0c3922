package storetest

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"

	"varve"
	"varve/internal/digest"
	"varve/internal/part"
)

// Differences says in what way src is not the tree that want, in listing order, describes; nothing where it is. All content is read.
// Unkept, Chunks, Depth and Err do not count, nor do the fields that are not zero in ignore.
func Differences(src varve.Source, want []varve.Entry, ignore varve.Entry) (list []string) {
	blank := blanks(ignore)
	i := 0
	for e, err := range src.Entries(context.Background()) {
		if err != nil {
			return append(list, fmt.Sprintf("the sequence breaks off: %v", err))
		}
		if e.Err != nil {
			list = append(list, fmt.Sprintf("/%s: %v", e.Path, e.Err))
			continue
		}
		for i < len(want) && varve.ComparePaths(want[i].Path, e.Path) < 0 {
			list = append(list, fmt.Sprintf("/%s is missing", want[i].Path))
			i++
		}
		if i == len(want) || want[i].Path != e.Path {
			list = append(list, fmt.Sprintf("/%s should not be there", e.Path))
			continue
		}
		if e.Kind == varve.Regular {
			if fault := read(src, &e); fault != "" {
				list = append(list, fmt.Sprintf("/%s: %s", e.Path, fault))
			}
		}
		list = append(list, fields(e, want[i], blank)...)
		i++
	}
	for ; i < len(want); i++ {
		list = append(list, fmt.Sprintf("/%s is missing", want[i].Path))
	}
	return list
}

// read reads the content of e, completes e by what the file tells, and says what is wrong with it.
func read(src varve.Source, e *varve.Entry) string {
	f, err := src.Open(context.Background(), *e)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	now, err := f.Entry()
	if err != nil {
		return err.Error()
	}
	h := digest.New()
	if _, err := io.Copy(h, f); err != nil {
		return err.Error()
	}
	known := e.Digest
	e.Digest, e.Holes, e.Flags = h.Digest(), now.Holes, now.Flags
	stream := e.Size
	for _, hole := range e.Holes {
		stream -= hole.Len
	}
	switch {
	case h.Len() != stream:
		return fmt.Sprintf("the content stream has %d bytes, not %d", h.Len(), stream)
	case known != varve.Digest{} && known != e.Digest:
		return "the content is not what the digest says"
	}
	return ""
}

// blanks returns the numbers of the fields that do not count.
func blanks(ignore varve.Entry) map[int]bool {
	blank := map[int]bool{}
	v := reflect.ValueOf(ignore)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		blank[i] = !v.Field(i).IsZero() || slices.Contains([]string{"Unkept", "Err", "Chunks", "Depth"}, name)
	}
	return blank
}

// fields says in which fields two entries of one path differ. No list and an empty one are the same.
func fields(got, want varve.Entry, blank map[int]bool) (list []string) {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		a, b := g.Field(i), w.Field(i)
		if blank[i] || a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			list = append(list, fmt.Sprintf("/%s: %s is %v, want %v", got.Path, g.Type().Field(i).Name, a, b))
		}
	}
	return list
}

// same checks that two values are equal.
func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// ReadDir returns the entries of one directory of v; fs.ErrNotExist where path does not name a directory.
func ReadDir(ctx context.Context, v varve.View, path string) (list []varve.Entry, err error) {
	for e, err := range part.Children(ctx, v, path) {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}
