package adopt

import (
	"context"
	"iter"
	"strings"
	"time"

	"varve"
)

// Under returns src as it looks from so far above that its root lies at path; src itself where path is empty. Nothing is known of the
// directories on the way: they get the time at, and the mode that is usual.
func Under(src varve.Source, path string, at time.Time) varve.Source {
	if path == "" {
		return src
	}
	return under{src, path, varve.TimeOf(at)}
}

// under is a source whose entries lie below path.
type under struct {
	varve.Source
	path string
	at   varve.Time
}

// Entries yields the directories on the way, and then what the source yields.
func (u under) Entries(ctx context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		way := strings.Split(u.path, "/")
		for i := range way {
			e := varve.Entry{Path: strings.Join(way[:i], "/"), Kind: varve.Dir, Mode: 0o755, MTime: u.at, Marks: varve.Passage}
			if !yield(e, nil) {
				return
			}
		}
		for e, err := range u.Source.Entries(ctx) {
			if !yield(u.lower(e), err) {
				return
			}
		}
	}
}

// lower returns e as it lies below path.
func (u under) lower(e varve.Entry) varve.Entry {
	e.Path = strings.TrimSuffix(u.path+"/"+e.Path, "/")
	if e.SameAs != "" {
		e.SameAs = u.path + "/" + e.SameAs
	}
	return e
}

// Open opens the content of a regular file.
func (u under) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	e.Path = strings.TrimPrefix(e.Path, u.path+"/")
	e.SameAs = strings.TrimPrefix(e.SameAs, u.path+"/")
	return u.Source.Open(ctx, e)
}
