package replicate

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"

	"varve"
	"varve/internal/digest"
)

// fake is a store in memory. What it has saved it reads wholly, as a store must.
type fake struct {
	views     map[varve.SnapshotID]*fakeView
	saved     []varve.Snapshot
	forgotten []varve.SnapshotID
	// save takes the place of reading everything, where it is set.
	save func(ctx context.Context, src varve.Source) error
}

var _ varve.Store = (*fake)(nil)

func (f *fake) Snapshots(context.Context) ([]varve.Snapshot, error) { return f.saved, nil }

func (f *fake) View(_ context.Context, id varve.SnapshotID) (varve.View, error) {
	v := f.views[id]
	if v == nil {
		return nil, varve.ErrNoSnapshot
	}
	return v, v.err
}

func (f *fake) Forget(_ context.Context, ids ...varve.SnapshotID) error {
	f.forgotten = append(f.forgotten, ids...)
	return nil
}

func (f *fake) Verify(context.Context, varve.VerifyOptions) (varve.VerifyReport, error) {
	return varve.VerifyReport{}, errors.ErrUnsupported
}

func (f *fake) Close() error { return nil }

func (f *fake) Save(ctx context.Context, src varve.Source, opts varve.SaveOptions) (varve.Snapshot, error) {
	save := readAll
	if f.save != nil {
		save = f.save
	}
	if err := save(ctx, src); err != nil {
		return varve.Snapshot{}, err
	}
	s := varve.Snapshot{ID: varve.SnapshotID{0xff, byte(len(f.saved))}, Series: opts.Series, Origin: Identity(*opts.Origin), Files: 1, Bytes: 2, Added: 1}
	f.saved = append(f.saved, s)
	return s, nil
}

// readAll reads a source as a store does: what concerns one file alone it leaves out, and before it commits it looks at its context.
func readAll(ctx context.Context, src varve.Source) error {
	for e, err := range src.Entries(ctx) {
		if err != nil {
			return err
		}
		if err := readOne(ctx, src, e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// alone reports whether an error concerns one file alone.
func alone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, varve.ErrUnreadable)
}

func readOne(ctx context.Context, src varve.Source, e varve.Entry) error {
	if e.Kind != varve.Regular || e.Err != nil {
		return nil
	}
	f, err := src.Open(ctx, e)
	if err != nil && alone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, f) // concerns this file alone
	_, _ = f.Entry()
	return f.Close()
}

// fakeView is a snapshot with one file "f".
type fakeView struct {
	err     error // of View
	entries error // of Entries, at the end
	entry   error // of the file's entry
	open    error
	read    error
	stat    error
	altered bool
}

var _ varve.View = (*fakeView)(nil)

const content = "content"

func (v *fakeView) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) {
		e := varve.Entry{Path: "f", Kind: varve.Regular, Size: int64(len(content)), Digest: digest.Sum([]byte(content)), Err: v.entry}
		if yield(varve.Entry{Kind: varve.Dir}, nil) && yield(e, nil) && v.entries != nil {
			yield(varve.Entry{}, v.entries)
		}
	}
}

func (v *fakeView) Open(_ context.Context, e varve.Entry) (varve.File, error) {
	if v.open != nil {
		return nil, v.open
	}
	text := content
	if v.altered {
		text = "CONTENT"
	}
	return &fakeFile{strings.NewReader(text), v, e}, nil
}

func (v *fakeView) Below(context.Context, string) iter.Seq2[varve.Entry, error] {
	return func(yield func(varve.Entry, error) bool) { yield(varve.Entry{}, fs.ErrNotExist) }
}

func (v *fakeView) Close() error { return nil }

type fakeFile struct {
	io.Reader
	view  *fakeView
	entry varve.Entry
}

func (f *fakeFile) Read(p []byte) (int, error) {
	if f.view.read != nil {
		return 0, f.view.read
	}
	return f.Reader.Read(p)
}

func (f *fakeFile) Entry() (varve.Entry, error) { return f.entry, f.view.stat }

func (f *fakeFile) Close() error { return nil }
