package sftpfs

import "sync/atomic"

// budget bounds the bytes that wait in memory: read ahead, or written and not acknowledged.
type budget struct{ free atomic.Int64 }

// maxAheadBytes is the whole of it.
const maxAheadBytes = 48 << 20

// take takes n bytes; false where there are not as many. Nobody waits for others: who gets nothing works without.
func (b *budget) take(n int64) bool {
	if b.free.Add(-n) >= 0 {
		return true
	}
	b.free.Add(n)
	return false
}

func (b *budget) give(n int64) { b.free.Add(n) }
