// Package varve is the vocabulary of a backup program: what a snapshot, an entry, a source and a store are.
//
//	A Store saves a Source; a saved snapshot is again a Source.
//
// A [Source] yields the entries of one file tree in listing order and opens the content of its regular files. A [Store] pulls
// from a Source, keeps what it saw as a snapshot, and gives every snapshot back as a [View], which is a Source again. Backing up,
// copying between stores, comparing and restoring are therefore one walk along one or two sequences.
//
// # Listing order
//
// The entries of one directory stand together, sorted by the bytes of their names; directories follow one another in pre-order.
// So entries are ordered by (parent directory, compared element by element; then name), and the root comes first. [ComparePaths]
// is this order.
//
// # Not for
//
// The package does no input or output and imports the standard library alone. It promises nothing about its own API: the formats
// under docs/format are what lasts.
package varve
