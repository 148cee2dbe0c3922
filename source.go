package varve

import (
	"context"
	"io"
	"iter"
)

// Source is where files come from: a disk, an ssh peer, a snapshot.
type Source interface {
	// Entries yields every entry once, in listing order, the root first. An object that cannot be read is yielded with
	// Entry.Err set and the sequence goes on; a directory whose listing fails is yielded a second time, with Err, in the place
	// of its listing. A non-nil error breaks the sequence off: what was yielded is not the whole tree.
	Entries(ctx context.Context) iter.Seq2[Entry, error]
	// Open opens the content of a regular file. fs.ErrNotExist and fs.ErrPermission concern this file alone, as does an error
	// that matches ErrUnreadable; any other error means that the Source has failed. It may be called from several goroutines.
	Open(ctx context.Context, e Entry) (File, error)
}

// File is the content of one regular file, opened.
//
// Read yields the content stream: the bytes of the file in order, the regions in Holes left out. A file without holes streams
// its plain content. An error of Read concerns this file alone.
type File interface {
	io.ReadCloser
	// Entry is the file's metadata as the open handle sees it now; Holes is complete from the first call on. The Path is that
	// of the entry the file was opened with.
	Entry() (Entry, error)
}

// View is a saved snapshot, opened.
type View interface {
	Source
	// Below yields what lies below the directory at path, in listing order: its own entries come first. An error ends the sequence:
	// fs.ErrNotExist where path does not name a directory of the snapshot.
	Below(ctx context.Context, path string) iter.Seq2[Entry, error]
	Close() error
}
