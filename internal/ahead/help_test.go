package ahead_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"varve"
)

// far is a source in memory on which every call takes a while.
type far struct {
	delay time.Duration
	mu    sync.Mutex
	files map[string]*content
	opens map[string]int // how often each was opened
	bytes atomic.Int64   // read so far
	open  atomic.Int64   // files that are open now
	gate  chan struct{}  // where set, Open waits until it is closed
}

// content is one file of it, with what goes wrong.
type content struct {
	data     []byte
	size     int64 // what the looks tell, where it is not the length of data
	openErr  error
	looks    int           // taken so far
	lookErrs map[int]error // by look, from 1 on
	readErr  error         // after data
	gone     bool          // the looks after the first tell another time
}

func newFar(delay time.Duration) *far {
	return &far{delay: delay, files: map[string]*content{}, opens: map[string]int{}}
}

// add adds a file and returns its entry.
func (s *far) add(path string, c content) varve.Entry {
	if c.size == 0 {
		c.size = int64(len(c.data))
	}
	s.files[path] = &c
	return varve.Entry{Path: path, Kind: varve.Regular, Size: c.size}
}

// many adds n files of some bytes each and returns their entries.
func (s *far) many(n, size int) (entries []varve.Entry) {
	for i := range n {
		data := bytes.Repeat([]byte{byte(i)}, size)
		entries = append(entries, s.add(fmt.Sprintf("d/%05d", i), content{data: data}))
	}
	return entries
}

func (s *far) Entries(context.Context) iter.Seq2[varve.Entry, error] {
	return func(func(varve.Entry, error) bool) {}
}

func (s *far) Open(ctx context.Context, e varve.Entry) (varve.File, error) {
	time.Sleep(s.delay)
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens[e.Path]++
	c, ok := s.files[e.Path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if c.openErr != nil {
		return nil, c.openErr
	}
	s.open.Add(1)
	return &farFile{source: s, content: c, path: e.Path}, nil
}

// opened returns how often path was opened.
func (s *far) opened(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens[path]
}

type farFile struct {
	source *far
	*content
	path string
	off  int
}

func (f *farFile) Entry() (varve.Entry, error) {
	time.Sleep(f.source.delay)
	f.source.mu.Lock()
	defer f.source.mu.Unlock()
	f.looks++
	e := varve.Entry{Path: f.path, Kind: varve.Regular, Size: f.size}
	if f.gone {
		e.MTime.Sec = int64(f.looks)
	}
	return e, f.lookErrs[f.looks]
}

func (f *farFile) Read(p []byte) (int, error) {
	time.Sleep(f.source.delay)
	n := copy(p, f.data[f.off:])
	f.off += n
	f.source.bytes.Add(int64(n))
	switch {
	case n > 0:
		return n, nil
	case f.readErr != nil:
		return 0, f.readErr
	}
	return 0, io.EOF
}

func (f *farFile) Close() error {
	f.source.open.Add(-1)
	return nil
}

// opener is what gives out files.
type opener interface {
	Open(ctx context.Context, e varve.Entry) (varve.File, error)
}

// read opens e, reads it to its end and closes it.
func read(t *testing.T, s opener, e varve.Entry) []byte {
	t.Helper()
	f, err := s.Open(t.Context(), e)
	if err != nil {
		t.Fatalf("open %s: %v", e.Path, err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read %s: %v", e.Path, err)
	}
	if err := f.Close(); err != nil {
		t.Fatalf("close %s: %v", e.Path, err)
	}
	return data
}
