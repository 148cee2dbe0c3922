package tree_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
	"varve/internal/manifest"
	"varve/internal/tree"
)

// snapshotLine is what a listing says of a snapshot, before its entries.
type snapshotLine struct {
	Snapshot varve.SnapshotID `json:"snapshot"`
	Series   string           `json:"series"`
	Seq      uint64           `json:"seq"`
	Time     time.Time        `json:"time"`
	State    varve.State      `json:"state"`
	Location string           `json:"location"`
	Files    int64            `json:"files"`
	Dirs     int64            `json:"dirs"`
	Bytes    int64            `json:"bytes"`
}

// entryLine is what a listing says of an entry. Paths, targets and the like are text with %XX for what is not printable.
type entryLine struct {
	Path   string            `json:"path,omitempty"`
	Kind   string            `json:"kind"`
	Mode   string            `json:"mode"` // octal
	Owner  string            `json:"owner"`
	MTime  string            `json:"mtime"`
	BTime  string            `json:"btime,omitempty"`
	Stamp  string            `json:"stamp,omitempty"` // device, inode, ctime
	Size   string            `json:"size,omitempty"`
	Digest string            `json:"digest,omitempty"`
	Target string            `json:"target,omitempty"`
	Device string            `json:"device,omitempty"`
	Xattrs map[string]string `json:"xattrs,omitempty"` // base64
	Flags  uint32            `json:"flags,omitempty"`
	SameAs string            `json:"same_as,omitempty"`
	Holes  []string          `json:"holes,omitempty"` // offset+length
	Marks  varve.Marks       `json:"marks,omitempty"`
	Unkept varve.Aspect      `json:"unkept,omitempty"`
	Loan   string            `json:"loan,omitempty"` // snapshot ID:path
}

// listing returns what a store holds, having read all content.
func listing(t *testing.T, s *tree.Store, d *memfs.Disk) []byte {
	t.Helper()
	list, err := s.Snapshots(t.Context())
	must(t, err)
	slices.SortFunc(list, func(a, b varve.Snapshot) int {
		return cmp.Or(strings.Compare(a.Series, b.Series), cmp.Compare(a.Seq, b.Seq))
	})
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	for _, n := range list {
		must(t, out.Encode(snapshotLine{n.ID, n.Series, n.Seq, n.Time, n.State, n.Location, n.Files, n.Dirs, n.Bytes}))
		for _, e := range recorded(t, d, n.ID) {
			must(t, out.Encode(lineOf(&e)))
		}
		readAll(t, s, n.ID)
	}
	return b.Bytes()
}

// recorded returns the entries of a manifest as they are written.
func recorded(t *testing.T, d *memfs.Disk, id varve.SnapshotID) (list []varve.Entry) {
	t.Helper()
	dir, err := disk.OpenPath(d.Root(), ".varve/manifests")
	must(t, err)
	defer dir.Close()
	f, err := dir.Open(id.String())
	must(t, err)
	defer f.Close()
	info, err := f.Info()
	must(t, err)
	m, err := manifest.OpenFile(f, info.Size)
	must(t, err)
	for e, err := range manifest.NewReader(m, m.Root()).Entries() {
		must(t, err)
		list = append(list, e)
	}
	return list
}

// readAll reads all files of a snapshot and compares each with its digest.
func readAll(t *testing.T, s *tree.Store, id varve.SnapshotID) {
	t.Helper()
	view, err := s.View(t.Context(), id)
	must(t, err)
	defer view.Close()
	for e, err := range view.Entries(t.Context()) {
		if must(t, err); e.Kind != varve.Regular {
			continue
		}
		f, err := view.Open(t.Context(), e)
		must(t, err)
		stream, err := io.ReadAll(f)
		if must(t, errors.Join(err, f.Close())); digest.Sum(stream) != e.Digest {
			t.Errorf("/%s: its content does not have its digest", e.Path)
		}
	}
}

// printable writes what is not printable as %XX.
func printable(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func lineOf(e *varve.Entry) entryLine {
	at := func(m varve.Time) string { return fmt.Sprintf("%d.%09d", m.Sec, m.Nsec) }
	l := entryLine{Path: printable(e.Path), Kind: e.Kind.String(), Mode: fmt.Sprintf("%o", e.Mode), MTime: at(e.MTime),
		Owner:  fmt.Sprintf("%d:%d:%s:%s", e.UID, e.GID, printable(e.User), printable(e.Group)),
		Target: printable(e.Target), Flags: e.Flags, SameAs: printable(e.SameAs), Marks: e.Marks, Unkept: e.Unkept, Loan: loanLine(e)}
	if e.BTime != (varve.Time{}) {
		l.BTime = at(e.BTime)
	}
	if e.Stamp != (varve.Stamp{}) {
		l.Stamp = fmt.Sprintf("%d:%d:%s", e.Stamp.Dev, e.Stamp.Ino, at(e.Stamp.CTime))
	}
	if e.Size != 0 {
		l.Size = fmt.Sprint(e.Size)
	}
	if e.Digest != (varve.Digest{}) {
		l.Digest = e.Digest.String()
	}
	if e.Kind == varve.CharDevice || e.Kind == varve.BlockDevice {
		l.Device = fmt.Sprintf("%d:%d", e.Rdev.Major, e.Rdev.Minor)
	}
	for _, x := range e.Xattrs {
		if l.Xattrs == nil {
			l.Xattrs = map[string]string{}
		}
		l.Xattrs[printable(x.Name)] = base64.StdEncoding.EncodeToString([]byte(x.Value))
	}
	for _, h := range e.Holes {
		l.Holes = append(l.Holes, fmt.Sprintf("%d+%d", h.Off, h.Len))
	}
	return l
}

// loanLine says where the content of e is lent from.
func loanLine(e *varve.Entry) string {
	if len(e.Chunks) == 0 {
		return ""
	}
	var data []byte
	for _, c := range e.Chunks {
		data = append(data, c[:]...)
	}
	id := varve.SnapshotID(data[:16])
	return id.String() + ":" + printable(strings.TrimRight(string(data[16:]), "\x00"))
}
