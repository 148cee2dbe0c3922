package disktest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
)

var filePart = []clause{
	{"what is written in any order is read", writeAnyOrder},
	{"ReadAt keeps the rules of io.ReaderAt", readAt},
	{"Truncate cuts, and fills with zeros", truncate},
	{"an open file is read after its name is gone", readUnlinked},
	{"one Reader serves several goroutines", parallelReads},
	{"a Reader sees the metadata and content of now", readerInfo},
	{"holes are told, and never where data is", holes},
	{"a clone has the content, or the file is unchanged", clone},
	{"Sync and SyncAll succeed", syncs},
}

func writeAnyOrder(t *testing.T, f disk.FS, _ Options) {
	w, err := f.Create("file", 0o600)
	must(t, err)
	model := make([]byte, 300_000)
	end := 0
	for i, off := range []int{200_000, 0, 4096, 100, 99_999, 150_000, 0, 4095, 200_001, 10_000} {
		part := []byte(strings.Repeat(string(rune('a'+i)), 1+off%7919*13))
		n, err := w.WriteAt(part, int64(off))
		must(t, err)
		equal(t, "bytes written", n, len(part))
		copy(model[off:], part)
		clear(part)
		end = max(end, off+len(part))
	}
	n, err := w.WriteAt(nil, 0)
	must(t, err)
	equal(t, "bytes written", n, 0)
	must(t, w.Close())
	if read(t, f, "file") != string(model[:end]) {
		t.Error("the content is not what was written")
	}
}

func readAt(t *testing.T, f disk.FS, _ Options) {
	write(t, f, "file", "0123456789")
	r, err := f.Open("file")
	must(t, err)
	defer r.Close()
	for _, c := range []struct {
		off, size int
		want      string
		eof       bool
	}{{0, 4, "0123", false}, {6, 4, "6789", false}, {6, 5, "6789", true}, {10, 1, "", true}, {999, 1, "", true}} {
		buf := make([]byte, c.size)
		n, err := r.ReadAt(buf, int64(c.off))
		// The end of the file may be told with the last bytes already.
		if string(buf[:n]) != c.want || c.eof && err != io.EOF || err != nil && err != io.EOF {
			t.Errorf("%d bytes at %d: %q, error %v", c.size, c.off, buf[:n], err)
		}
	}
	_, err = r.ReadAt(make([]byte, 1), -1)
	refused(t, "ReadAt before the beginning", err, nil, "file")
}

func truncate(t *testing.T, f disk.FS, _ Options) {
	w, err := f.Create("file", 0o600)
	must(t, err)
	_, err = w.WriteAt([]byte("0123456789"), 0)
	must(t, err)
	must(t, w.Truncate(4))
	equal(t, "size", lookup(t, f, "file").Size, 4)
	must(t, w.Truncate(8))
	_, err = w.WriteAt([]byte("z"), 10)
	must(t, err)
	equal(t, "content", read(t, f, "file"), "0123\x00\x00\x00\x00\x00\x00z")
	must(t, w.Truncate(0))
	equal(t, "content", read(t, f, "file"), "")
	refused(t, "Truncate to less than nothing", w.Truncate(-1), nil, "file")
	must(t, w.Close())
}

func readUnlinked(t *testing.T, f disk.FS, _ Options) {
	write(t, f, "file", "still here")
	r, err := f.Open("file")
	must(t, err)
	defer r.Close()
	must(t, f.Remove("file"))
	write(t, f, "file", "another")
	equal(t, "content", content(t, r), "still here")
}

func parallelReads(t *testing.T, f disk.FS, _ Options) {
	data := strings.Repeat("0123456789abcdef", 1<<12)
	write(t, f, "file", data)
	r, err := f.Open("file")
	must(t, err)
	defer r.Close()
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			buf := make([]byte, 1000)
			for off := g; off+len(buf) < len(data); off += 997 {
				if n, err := r.ReadAt(buf, int64(off)); err != nil || string(buf[:n]) != data[off:off+len(buf)] {
					t.Errorf("at %d: %d bytes, error %v", off, n, err)
				}
			}
		})
	}
	wait.Wait()
}

func readerInfo(t *testing.T, f disk.FS, opts Options) {
	w, err := f.Create("file", 0o600)
	must(t, err)
	_, err = w.WriteAt([]byte("0123456789"), 0)
	must(t, err)
	r, err := f.Open("file")
	must(t, err)
	defer r.Close()
	info, err := r.Info()
	must(t, err)
	equal(t, "size", info.Size, 10)
	equal(t, "stamp", info.Stamp, lookup(t, f, "file").Stamp)
	equal(t, "path", info.Path, "file")
	must(t, w.Truncate(3))
	must(t, w.Set(&varve.Entry{Mode: 0o640}, varve.Mode))
	must(t, w.Close())
	if opts.Flags {
		must(t, f.Set("file", &varve.Entry{Flags: noDump}, varve.Flags))
	}
	info, err = r.Info()
	must(t, err)
	equal(t, "size", info.Size, 3)
	equal(t, "mode", info.Mode, 0o640)
	equal(t, "content", content(t, r), "012")
	if opts.Flags {
		equal(t, "flags", info.Flags, noDump)
	}
}

const mib = 1 << 20

func holes(t *testing.T, f disk.FS, opts Options) {
	island := strings.Repeat("data", mib/2)
	for _, c := range []struct {
		name    string
		size    int64
		islands []int64
		want    []varve.Extent
	}{
		{"islands", 32 * mib, []int64{8 * mib, 16 * mib}, []varve.Extent{{Off: 0, Len: 8 * mib}, {Off: 10 * mib, Len: 6 * mib}, {Off: 18 * mib, Len: 14 * mib}}},
		{"first", 8 * mib, []int64{0}, []varve.Extent{{Off: 2 * mib, Len: 6 * mib}}},
		{"last", 8 * mib, []int64{6 * mib}, []varve.Extent{{Off: 0, Len: 6 * mib}}},
		{"dense", 4 * mib, []int64{0, 2 * mib}, nil},
		{"nothing", 8 * mib, nil, []varve.Extent{{Off: 0, Len: 8 * mib}}},
		{"odd", 8*mib + 1, []int64{2 * mib}, []varve.Extent{{Off: 0, Len: 2 * mib}, {Off: 4 * mib, Len: 4*mib + 1}}},
		{"empty", 0, nil, nil},
	} {
		w, err := f.Create(c.name, 0o600)
		must(t, err)
		must(t, w.Truncate(c.size))
		for _, off := range c.islands {
			_, err := w.WriteAt([]byte(island), off)
			must(t, err)
		}
		must(t, w.Close())
		for _, settle := range []bool{true, false} {
			checkHoles(t, f, c.name, c.size, settle, c.want, opts)
		}
		if allocated := lookup(t, f, c.name).Allocated; opts.Holes && allocated > int64(len(c.islands))*3*mib {
			t.Errorf("%s: %d bytes are allocated", c.name, allocated)
		}
	}
	opts.need(t, opts.Holes, "sparse files")
}

// checkHoles checks the holes of a file whose data, and nothing but its data, is outside want.
func checkHoles(t *testing.T, f disk.FS, name string, size int64, settle bool, want []varve.Extent, opts Options) {
	t.Helper()
	r, err := f.Open(name)
	must(t, err)
	defer r.Close()
	got, err := r.Holes(size, settle)
	must(t, err)
	if opts.Holes && !slices.Equal(got, want) {
		t.Errorf("%s: holes are %v, want %v", name, got, want)
	}
	for i, h := range got {
		if h.Len <= 0 || h.Off < 0 || h.Off+h.Len > size || i > 0 && h.Off <= got[i-1].Off+got[i-1].Len {
			t.Errorf("%s: the hole %v of %v is out of place", name, h, got)
		}
		within := func(w varve.Extent) bool { return w.Off <= h.Off && h.Off+h.Len <= w.Off+w.Len }
		if !slices.ContainsFunc(want, within) {
			t.Errorf("%s: data lies in the hole %v", name, h)
		}
	}
}

func clone(t *testing.T, f disk.FS, opts Options) {
	data := strings.Repeat("0123456789abcdef", 1<<13) + "tail"
	write(t, f, "from", data)
	r, err := f.Open("from")
	must(t, err)
	defer r.Close()
	w, err := f.Create("to", 0o600)
	must(t, err)
	defer w.Close()
	refused(t, "Clone from a foreign reader", w.Clone(struct{ disk.Reader }{r}), disk.ErrUnsupported, "to")
	want := data
	if err := w.Clone(r); err != nil {
		refused(t, "Clone", err, disk.ErrUnsupported, "to")
		want = ""
	}
	equal(t, "size of the clone", lookup(t, f, "to").Size, int64(len(want)))
	if read(t, f, "to") != want {
		t.Error("the clone has other content")
	}
	opts.need(t, opts.Reflinks, "reflinks")
	_, err = w.WriteAt([]byte("changed"), 5)
	must(t, err)
	if read(t, f, "from") != data || read(t, f, "to") != data[:5]+"changed"+data[12:] {
		t.Error("a write to the clone went elsewhere")
	}
}

func syncs(t *testing.T, f disk.FS, _ Options) {
	sub := mkdir(t, f, "sub")
	for i := range 3 {
		w, err := sub.Create(fmt.Sprint(i), 0o600)
		must(t, err)
		_, err = w.WriteAt([]byte("data"), 0)
		must(t, err)
		must(t, w.Sync())
		must(t, w.Sync())
		must(t, w.Close())
	}
	must(t, sub.Sync())
	must(t, f.Sync())
	must(t, f.SyncAll())
	equal(t, "content", read(t, sub, "2"), "data")
}
