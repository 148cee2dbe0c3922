// Package manifest keeps the entries of one snapshot: a list in listing order, cut into pages, with a tree of pages above.
//
//	                 level 2     [ ref ref ref ]
//	                            /       |       \
//	       level 1     [ ref … ref ]  [ … ]  [ ref … ref ]
//	                    /      |                       \
//	level 0   [ entry entry … ] [ entry … ]   …   [ entry … ]
//
// A page is a byte string that is understood without any other. Where one ends and the next begins depends on the paths in it and
// nothing else, so two snapshots whose trees differ in a few paths have all other pages in common, byte for byte. The format of
// pages, and of a file that holds them, is docs/format/tree.md; it is what lasts.
//
// A [Writer] cuts entries into pages and gives them to a [PageWriter]; a [Reader] finds them again through a [PageReader]. Where pages
// are kept is up to those two: [FileWriter] and [FileReader] keep all pages of one snapshot in one file.
//
// Reading trusts nothing: whatever the bytes of a page, the outcome is entries that a Writer would have taken, in listing order,
// or an error that matches varve.ErrDamaged. One thing cannot be seen page by page and is left to those who act on entries: that
// the parent of every entry is an entry, and a directory.
//
// The package is not for content, nor for deciding what changed.
package manifest

import (
	"encoding/hex"
	"errors"
	"fmt"

	"varve"
)

// Sentinels that callers branch on.
var (
	// ErrEntry says that this one entry cannot be kept in a manifest: it breaks a rule of varve.Entry or a limit of the format.
	ErrEntry = errors.New("entry cannot be kept in a manifest")
	// ErrVersion says that a page or file is in a format that this program does not know.
	ErrVersion = errors.New("unknown format version: made by a newer varve")
)

// Limits of the format.
const (
	// MaxPath is the longest path in bytes.
	MaxPath = 4 << 20
	// MaxHoles is the largest number of holes in one entry.
	MaxHoles = 1 << 20
	// MaxXattrs is the largest number of extended attributes of one entry.
	MaxXattrs = 1 << 16
	// MaxChunks is the largest number of chunks of one entry, and MaxDepth how deep their lists are nested.
	MaxChunks = 1 << 12
	MaxDepth  = 8
	// MaxEntry bounds all strings and holes of one entry together, in bytes; a hole counts 18.
	MaxEntry = 24 << 20
	// MaxPage is the longest page in bytes.
	MaxPage = 32 << 20
	// MaxLevel is the highest level of a page.
	MaxLevel = 40
)

// PageID names a page. The package gives it no meaning; a FileWriter takes the BLAKE3 hash of the page.
type PageID [32]byte

// String returns id in hexadecimal.
func (id PageID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns id as String does.
func (id PageID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *PageID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return errors.New("page ID: want 64 hexadecimal digits")
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// PageWriter takes the pages of a manifest.
type PageWriter interface {
	// Put keeps page and returns a name for it, the same for the same bytes if pages are to be shared. page is only valid
	// during the call.
	Put(page []byte) (PageID, error)
}

// PageReader gives back what a PageWriter took. It may be called from several goroutines.
type PageReader interface {
	// Get returns the page that Put named id. It must not be changed by anybody afterwards. The error matches varve.ErrDamaged
	// where the page is missing or not what was put.
	Get(id PageID) ([]byte, error)
}

// Root is all that is needed to read a manifest again.
type Root struct {
	// ID names the topmost page, whose level is Level.
	ID    PageID `json:"id"`
	Level int    `json:"level"`
	// Entries counts the entries.
	Entries int64 `json:"entries"`
	// Bytes is the sum of their Sizes, each hard link once: entries with SameAs do not count. It stops at 2⁶³−1.
	Bytes int64 `json:"bytes"`
}

// damaged returns an error that says what is wrong with the page named id.
func damaged(id PageID, reason string) error {
	return fmt.Errorf("manifest page %.12s: %s: %w", id, reason, varve.ErrDamaged)
}
