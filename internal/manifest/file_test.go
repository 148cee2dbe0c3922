package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"varve"
	"varve/internal/digest"
)

func TestAFileGivesBackEntriesAndRecord(t *testing.T) {
	for _, list := range [][]varve.Entry{nil, plainTree(1, 5), plainTree(60, 80)} {
		for _, record := range []string{"", `{"id":"x"}`} {
			got, rec, err := readFile(writeFile(t, list, record))
			if err != nil || rec != record {
				t.Fatalf("%q, %v", rec, err)
			}
			same(t, got, list)
		}
	}
}

func TestEveryFlippedByteOfAFileIsDamage(t *testing.T) {
	good := writeFile(t, plainTree(2, 30), `{"id":"x"}`)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= byte(1 + i%255)
		if got, rec, err := readFile(bad); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("byte %d of %d: %d entries, record %q, %v", i, len(good), len(got), rec, err)
		}
	}
}

func TestEveryTruncationOfAFileIsDamage(t *testing.T) {
	good := writeFile(t, plainTree(2, 30), `{"id":"x"}`)
	for i := range good {
		if _, _, err := readFile(good[:i]); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", i, len(good), err)
		}
	}
	for _, more := range [][]byte{{0}, make([]byte, 4096), good[len(good)-trailerSize:]} {
		if _, _, err := readFile(slices.Concat(good, more)); !errors.Is(err, varve.ErrDamaged) {
			t.Fatalf("%d bytes more: %v", len(more), err)
		}
	}
}

// forge returns a file without pages whose index holds data, with all hashes right.
func forge(data []byte, at int64) []byte {
	b := appendFrame([]byte(magic), frameIndex, len(data), PageID(digest.Sum(data)))
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	return append(b, magic...)
}

func TestForgedIndexesAreDamage(t *testing.T) {
	t.Parallel()
	start := int64(len(magic))
	row := func(id byte, off uint64, length uint32) []byte {
		b := append([]byte{id}, make([]byte, 31)...)
		b = binary.LittleEndian.AppendUint64(b, off)
		return binary.LittleEndian.AppendUint32(b, length)
	}
	rows := func(list ...[]byte) []byte {
		x := index{rows: slices.Concat(list...)}
		return x.append(nil)
	}
	levels := (&index{root: Root{Level: MaxLevel + 1}}).append(nil)
	entries := (&index{root: Root{Entries: -1}}).append(nil)
	size := (&index{root: Root{Bytes: -1}}).append(nil)
	many := rows()
	binary.LittleEndian.PutUint32(many[1:], 1<<32-1)
	for name, data := range map[string][]byte{
		"more rows than bytes":    many,
		"level too high":          levels,
		"negative entries":        entries,
		"negative bytes":          size,
		"record too long":         (&index{record: make([]byte, maxRecord+1)}).append(nil),
		"page over the magic":     rows(row(1, 3, 1)),
		"page over the index":     rows(row(1, 16, 1)),
		"page at a huge offset":   rows(row(1, 1<<63-1, 5)),
		"page at offset below 0":  rows(row(1, 1<<63+5, 5)),
		"page of too many bytes":  rows(row(1, 16, 1<<32-1)),
		"rows out of order":       rows(row(2, 16, 0), row(1, 16, 0)),
		"the same row twice":      rows(row(1, 16, 0), row(1, 16, 0)),
		"root that is nowhere":    rows(),
		"index shorter than root": make([]byte, rootSize-1),
	} {
		if _, _, err := readFile(forge(data, start)); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, at := range []int64{-1 << 63, -1, 0, 15, 17, 1 << 40, 1<<63 - 1} {
		if _, _, err := readFile(forge(rows(), at)); !errors.Is(err, varve.ErrDamaged) {
			t.Errorf("index at %d: %v", at, err)
		}
	}
}

func TestAFileOfANewerVersionIsNotDamage(t *testing.T) {
	b := writeFile(t, plainTree(1, 3), "")
	b[len(magic)-1], b[len(b)-1] = 2, 2
	if _, _, err := readFile(b); !errors.Is(err, ErrVersion) || errors.Is(err, varve.ErrDamaged) {
		t.Fatal(err)
	}
}

func TestSomethingElseIsNotAManifestFile(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 500), bytes.Repeat([]byte("text "), 100)} {
		if _, _, err := readFile(b); !errors.Is(err, varve.ErrDamaged) {
			t.Error(err)
		}
	}
}

// faultyFile fails at the n-th call.
type faultyFile struct {
	memFile
	n, calls int
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if f.calls++; f.calls == f.n {
		n, _ := f.memFile.WriteAt(p[:len(p)/2], off)
		return n, errTest
	}
	return f.memFile.WriteAt(p, off)
}

// fill makes a manifest file, flushing now and then.
func fill(file io.WriterAt, list []varve.Entry) error {
	fw := NewFileWriter(file)
	w := NewWriter(fw)
	for i := range list {
		if err := w.Add(&list[i]); err != nil {
			return err
		}
		if i%500 == 0 {
			if err := fw.Flush(); err != nil {
				return err
			}
		}
	}
	root, err := w.Close()
	if err != nil {
		return err
	}
	return fw.Finish([]byte("record"), root)
}

func TestEveryFailureToWriteIsReported(t *testing.T) {
	list := plainTree(50, 80)
	whole := &faultyFile{}
	if err := fill(whole, list); err != nil || whole.calls < 5 {
		t.Fatal(whole.calls, err)
	}
	for n := 1; n <= whole.calls; n++ {
		file := &faultyFile{n: n}
		if err := fill(file, list); !errors.Is(err, errTest) {
			t.Fatalf("call %d: %v", n, err)
		}
		if _, _, err := readFile(file.data); err == nil {
			t.Fatalf("call %d: the file passes for whole", n)
		}
	}
}

func TestAFileWriterStaysBrokenAndFinished(t *testing.T) {
	list := plainTree(1, 3)
	broken := NewFileWriter(&faultyFile{n: 1})
	root := write(t, broken, list)
	for range 2 {
		if err := broken.Flush(); !errors.Is(err, errTest) {
			t.Error(err)
		}
		if err := broken.Finish(nil, root); !errors.Is(err, errTest) {
			t.Error(err)
		}
		if _, err := broken.Put([]byte("page")); !errors.Is(err, errTest) {
			t.Error(err)
		}
	}
	done := NewFileWriter(&memFile{})
	root = write(t, done, list)
	if err := done.Finish(nil, Root{}); err == nil {
		t.Error("a root that was never put is taken")
	}
	if err := done.Finish(make([]byte, maxRecord+1), root); err == nil {
		t.Error("a record that is too long is taken")
	}
	if err := done.Finish(nil, root); err != nil {
		t.Error(err)
	}
	if _, err := done.Put([]byte("page")); err == nil {
		t.Error("Put after Finish")
	}
	if _, err := NewFileWriter(&memFile{}).Put(make([]byte, MaxPage+1)); err == nil {
		t.Error("a page that is too long is taken")
	}
}

// sick is an io.ReaderAt that fails from some offset on.
type sick struct {
	data []byte
	from int64
}

func (s sick) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > s.from {
		return 0, errTest
	}
	return bytes.NewReader(s.data).ReadAt(p, off)
}

func TestAFailureToReadIsNotDamage(t *testing.T) {
	data := writeFile(t, plainTree(20, 80), "record")
	size := int64(len(data))
	if _, err := OpenFile(sick{data, 10}, size); !errors.Is(err, errTest) || errors.Is(err, varve.ErrDamaged) {
		t.Error(err)
	}
	f, err := OpenFile(bytes.NewReader(data), size)
	if err != nil {
		t.Fatal(err)
	}
	f.r = sick{data, 20000}
	if got, err := readAll(NewReader(f, f.Root())); !errors.Is(err, errTest) || errors.Is(err, varve.ErrDamaged) {
		t.Error(len(got), err)
	}
	var last error
	for _, last = range Recover(sick{data, 20000}, size) {
	}
	if !errors.Is(last, errTest) {
		t.Error(last)
	}
}

func recovered(t *testing.T, data []byte) (list []varve.Entry) {
	t.Helper()
	for e, err := range Recover(bytes.NewReader(data), int64(len(data))) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestATornFileGivesBackItsWholePages(t *testing.T) {
	t.Parallel()
	list := plainTree(10, 60)
	data := writeFile(t, list, "record")
	same(t, recovered(t, data), list)
	before := 0
	for n := 0; n < len(data); n += 797 {
		got := recovered(t, data[:n])
		if len(got) < before {
			t.Fatalf("%d bytes: %d entries, with fewer bytes %d", n, len(got), before)
		}
		before = len(got)
		same(t, got, list[:len(got)])
		same(t, recovered(t, slices.Concat(data[:n], make([]byte, 5000))), list[:len(got)])
	}
	if before < len(list)/2 {
		t.Fatalf("%d of %d entries", before, len(list))
	}
}

func TestWhatAFlushWroteIsRecovered(t *testing.T) {
	list := plainTree(20, 60)
	file := &memFile{}
	fw := NewFileWriter(file)
	w := NewWriter(fw)
	for i := range list {
		if err := w.Add(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if len(recovered(t, file.data)) != 0 {
		t.Fatal("something was written before Flush")
	}
	if err := fw.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := recovered(t, file.data); len(got) < len(list)/2 {
		t.Fatalf("%d of %d entries", len(got), len(list))
	}
}

func TestRecoveryNeverGivesBackWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	list := plainTree(3, 60)
	good := writeFile(t, list, "record")
	rng := rand.New(rand.NewPCG(8, 9))
	for range 300 {
		bad := bytes.Clone(good)
		for range 1 + rng.IntN(3) {
			bad[rng.IntN(len(bad))] ^= byte(1 + rng.IntN(255))
		}
		got := recovered(t, bad)
		same(t, got, list[:len(got)])
	}
}

func TestRecoveryStopsAtAPageOutOfOrder(t *testing.T) {
	file := &memFile{}
	fw := NewFileWriter(file)
	for _, paths := range [][]string{{"", "b"}, {"c"}, {"a"}, {"d"}} {
		p := &leaf{}
		p.reset()
		for _, path := range paths {
			p.add(&varve.Entry{Path: path, Kind: varve.Dir}, "", path)
		}
		if _, err := fw.Put(p.buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := fw.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := recovered(t, file.data); len(got) != 3 || got[2].Path != "c" {
		t.Fatalf("%+v", got)
	}
}

func TestRecoveryStopsWhenTheCallerHasEnough(t *testing.T) {
	data := writeFile(t, plainTree(3, 60), "record")
	n := 0
	for range Recover(bytes.NewReader(data), int64(len(data))) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Fatal(n)
	}
}
