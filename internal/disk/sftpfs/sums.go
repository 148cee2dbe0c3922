package sftpfs

import (
	"hash/maphash"
	"slices"
)

// sums remember what was written to a file, so that it can be read back and compared: neighbouring writes make one run. The hash is
// one with a random key that never leaves this process; it guards against loss, and nobody who does not know the key can aim at it.
type sums struct {
	seed maphash.Seed
	runs []run
	last *maphash.Hash // of the last run
	end  int64         // of all runs
	// spoilt says that a part of what was written was written over: what is left of it cannot be compared.
	spoilt bool
	// twice says that some of it was written over at all: an earlier write that comes late would undo a later one.
	twice bool
}

// run is a part of a file in bytes and its sum.
type run struct {
	off, len int64
	sum      uint64
}

// maxRun is how many bytes one run holds, so that sums of very large files stay small and long runs are not lost as a whole.
const maxRun = 64 << 20

// add notes that p is written at off.
func (s *sums) add(off int64, p []byte) {
	if len(p) == 0 {
		return
	}
	if s.last == nil {
		s.seed, s.last = maphash.MakeSeed(), &maphash.Hash{}
		s.last.SetSeed(s.seed)
	}
	n := len(s.runs) - 1
	if n < 0 || s.runs[n].off+s.runs[n].len != off || s.runs[n].len >= maxRun || off < s.end {
		s.makeRoom(off, int64(len(p)))
		s.last.Reset()
		s.runs = append(s.runs, run{off: off})
		n = len(s.runs) - 1
	}
	s.last.Write(p)
	s.runs[n].len += int64(len(p))
	s.runs[n].sum = s.last.Sum64()
	s.end = max(s.end, off+int64(len(p)))
}

// makeRoom takes out the runs that n bytes at off write over.
func (s *sums) makeRoom(off, n int64) {
	if off >= s.end {
		return
	}
	s.runs = slices.DeleteFunc(s.runs, func(r run) bool {
		over := r.off < off+n && off < r.off+r.len
		s.twice = s.twice || over
		s.spoilt = s.spoilt || over && (r.off < off || off+n < r.off+r.len)
		return over
	})
}

// truncate notes that the file has been cut, or extended, to size bytes.
func (s *sums) truncate(size int64) {
	if size >= s.end {
		return
	}
	s.makeRoom(size, s.end-size)
	s.end = size
	if size == 0 {
		s.spoilt = false
	}
}
