package varve

import (
	"context"
	"encoding/hex"
	"iter"
	"time"
)

// Backend is what a vault asks of storage: objects that are put whole, never change, and have names such as "data/NAME". Errors match
// fs.ErrNotExist, fs.ErrExist or fs.ErrPermission; all others may be temporary. Methods may be called from several goroutines, except Close.
type Backend interface {
	// Put keeps data under name: whole, durable when it returns nil, and never replacing: fs.ErrExist where name is taken.
	Put(ctx context.Context, name string, data []byte) error
	// Get returns n bytes from off on, fewer where the object ends before that; all from off on where n is negative.
	Get(ctx context.Context, name string, off, n int64) ([]byte, error)
	// List yields the objects whose names begin with prefix, in no particular order. What was put before the call is among them.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes an object; fs.ErrNotExist where there is none.
	Delete(ctx context.Context, name string) error
	Close() error
}

// Object is one object in a backend.
type Object struct {
	Name string
	Size int64     // bytes
	Time time.Time // when the storage says that it was put; zero where it does not say
}

// ChunkID names a chunk: a keyed hash of its class and content, 32 bytes.
type ChunkID [32]byte

// String returns id in hexadecimal.
func (id ChunkID) String() string { return hex.EncodeToString(id[:]) }
