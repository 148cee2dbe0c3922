package pack

import (
	"bytes"
	"slices"

	"varve/internal/seal"
	"varve/internal/table"
)

// tableHead is what stands before the table of a pack within its seal, in bytes: codec and length.
const tableHead = 1 + 4

// filling is a pack that is being filled.
type filling struct {
	data  []byte // the blobs so far; its capacity is table.MaxPack
	pack  table.Pack
	table int // how long its table may become, in bytes
}

// newFilling returns an empty pack whose own session is session.
func newFilling(buffer, session []byte) *filling {
	f := &filling{data: buffer[:0], pack: table.Pack{Sessions: [][]byte{session}}}
	f.table = f.pack.MaxSize()
	return f
}

// free returns how many bytes are left for blobs and what the table says of them.
func (f *filling) free() int {
	return table.MaxPack - footerSize - seal.Overhead - tableHead - f.table - len(f.data)
}

// room returns what free would return with s in the pack; negative where s does not fit.
func (f *filling) room(s *Sealed) int {
	grow := s.Blob.MaxSize()
	if f.session(s) < 0 {
		grow += table.SessionSize
	}
	if f.domain(s) < 0 {
		grow += len(s.Domain)
	}
	if f.table+grow > table.MaxTable {
		return -1
	}
	return f.free() - grow - len(s.Data)
}

// session returns the place of the session of s; negative where it is not listed.
func (f *filling) session(s *Sealed) int {
	return slices.IndexFunc(f.pack.Sessions, func(x []byte) bool { return bytes.Equal(x, s.Session) })
}

// domain returns the place of the domain of s; negative where it is not listed.
func (f *filling) domain(s *Sealed) int { return slices.Index(f.pack.Domains, s.Domain) }

// add puts s, for which there is room, into the pack. Nothing of s but its session is referred to afterwards.
func (f *filling) add(s *Sealed) {
	f.table = f.table + s.Blob.MaxSize()
	b := s.Blob
	b.Chunks = slices.Clone(b.Chunks)
	b.Off = uint32(len(f.data))
	if b.Session = f.session(s); b.Session < 0 {
		b.Session = len(f.pack.Sessions)
		f.pack.Sessions = append(f.pack.Sessions, s.Session)
		f.table += table.SessionSize
	}
	if b.Domain = f.domain(s); b.Domain < 0 {
		b.Domain = len(f.pack.Domains)
		f.pack.Domains = append(f.pack.Domains, s.Domain)
		f.table += len(s.Domain)
	}
	f.pack.Blobs = append(f.pack.Blobs, b)
	f.data = append(f.data, s.Data...)
}
