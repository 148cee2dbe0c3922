// Package index finds chunks: for the ID of a chunk it tells in which pack, blob and place it is.
//
//	Set     recent   packs learnt since the last file was written, in memory
//	        files    packs learnt before, each file sorted and never changed, mapped into memory
//
//	file    [ packs | names | blobs | chunks | buckets | rows | refs | domains | sessions | gone | checksums | footer ]
//
// A row is the first 8 bytes of a chunk ID, and the number of a chunk. Rows are sorted, and parted into buckets of about 48 by
// those bytes. A bucket tells where its rows begin and, with a Bloom filter beside it, in one line of the processor's cache, whether it is
// worth looking there. The number of a chunk leads to its full ID and its blob, that of a blob to its pack. Files store packs, blobs and
// chunks in the order in which they were learnt, so that joining files is copying, and a merge of rows.
//
// A Set is a cache. It holds what its owner was told by index objects and packs, and every file of it may be lost: the packs in
// it are unknown then. Every 4 KiB of a file have a checksum, which is looked at before they are used first. A file that
// turns out to be damaged is left out and removed; the call that met it returns an error that matches varve.ErrDamaged, and the same call
// made again answers from the rest. Checksums are against accidents, not against who can write the directory: what a Set tells
// about a chunk is a hint, to be checked when the blob is opened.
//
// Several processes may use a directory at the same time. Files are written under other names and renamed when they are whole; a
// process does not see what others add until it opens the directory again.
//
// The package is not for deciding who may be believed, for the format of index objects, which is that of package table, or for proving
// that a pack is still there.
package index
