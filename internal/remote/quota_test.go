package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"varve"
	"varve/internal/backend"
	"varve/internal/backend/mem"
	"varve/internal/disk"
	"varve/internal/storetest"
	"varve/internal/tree"
)

func TestAPushOverTheQuotaIsRefusedAndTheNextSmallOneIsNot(t *testing.T) {
	small, big := storetest.NewTree(), storetest.NewTree()
	small.File("small", storetest.Text(50_000))
	for _, name := range []string{"a", "b", "c", "d"} {
		big.File(name, storetest.Text(60_000)+name)
	}
	endless := storetest.NewTree()
	endless.File("endless", strings.Repeat(storetest.Text(100_000), 100))
	far := newGround(t).store(t)
	for range 2 { // what is counted within a session is found again in the next
		l := connect(t, Service{Role: Append, Store: far, Series: "s", Quota: 200_000})
		s := l.Client.Store()
		for _, tree := range []*storetest.Tree{big, endless} {
			if _, err := push(s, tree, "s"); !errors.Is(err, disk.ErrNoSpace) || !errors.Is(err, ErrQuota) || !strings.Contains(err.Error(), "quota of 0.2 MiB: 0.0 MiB of it were in use") {
				t.Errorf("over the quota: %v", err)
			}
		}
		if _, err := push(s, small, "s"); err != nil {
			t.Errorf("within the quota: %v", err)
		}
	}
	if list, err := far.Snapshots(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%d snapshots, error %v", len(list), err)
	}
}

func TestObjectsOverTheQuotaAreRefused(t *testing.T) {
	far := mem.New(mem.Options{})
	data := func(i byte) ([]byte, string) {
		d := noise(i, 1000)
		return d, backend.NameOf(backend.Data, d)
	}
	for i := range byte(2) {
		b := connect(t, Service{Role: Append, Backend: far, Quota: 3500}).Client.Backend()
		d, name := data(i)
		must(t, b.Put(t.Context(), name, d))
		if err := b.Put(t.Context(), name, d); !errors.Is(err, fs.ErrExist) {
			t.Errorf("put again: %v", err)
		}
	}
	b := connect(t, Service{Role: Append, Backend: far, Quota: 3500}).Client.Backend()
	d, name := data(2)
	must(t, b.Put(t.Context(), name, d))
	d, name = data(3)
	if err := b.Put(t.Context(), name, d); !errors.Is(err, disk.ErrNoSpace) {
		t.Errorf("over the quota: %v", err)
	}
}

// limit is the quota of the tests that follow, in bytes.
const limit = 1 << 20

// bounded is a store that clients push into under a quota.
type bounded struct {
	*testing.T
	store *tree.Store
	most  int64 // that was ever occupied
}

func newBounded(t *testing.T) *bounded {
	return &bounded{T: t, store: newGround(t).store(t).(*tree.Store)}
}

// client returns a new client; series is what it is bound to, empty for nothing.
func (b *bounded) client(series string) varve.Store {
	b.Helper()
	return connect(b.T, Service{Role: Append, Series: series, Store: b.store, Quota: limit, Occupied: b.store.Occupied}).Store()
}

// push pushes src, which ends without an error or with one that says that there is no room or that the line was cut. It returns whether
// there was room.
func (b *bounded) push(s varve.Store, src varve.Source, series string) bool {
	b.Helper()
	_, err := push(s, src, series)
	if err != nil && !errors.Is(err, disk.ErrNoSpace) && !errors.Is(err, errCut) {
		b.Errorf("push: %v", err)
	}
	n, countErr := b.store.Occupied(b.Context(), "")
	must(b.T, countErr)
	b.most = max(b.most, n)
	return !errors.Is(err, disk.ErrNoSpace)
}

var errCut = errors.New("the line is cut")

// fresh returns n files of 100,000 bytes that no other call has returned, and an error after them where cut is set.
func fresh(round, n int, cut bool) *storetest.Tree {
	src := storetest.NewTree()
	for i := range n {
		o := src.File(fmt.Sprintf("%04d", i), fmt.Sprintf("%07d %04d", round, i)+storetest.Text(100_000-12))
		o.MTime.Sec += int64(round) * 1000
	}
	if src.File("~", "last"); cut {
		src.At("~").Trouble.Open = errCut
	}
	return src
}

// withinLimit wants that the client never had much more than its quota, and that it can push again.
func (b *bounded) withinLimit(series string) {
	b.Helper()
	if slack := int64(limit / 8); b.most > limit+slack {
		b.Errorf("%d bytes are occupied, with a quota of %d", b.most, limit)
	}
	s := b.client(series)
	for range 2 { // the first one may only make room
		if b.push(s, fresh(1<<20, 1, false), series) {
			return
		}
	}
	b.Error("there is no more room even for a small push")
}

func TestBrokenPushesOfOneSeriesStayWithinItsQuota(t *testing.T) {
	b := newBounded(t)
	for round := range 8 {
		b.push(b.client("s"), fresh(round, 8, true), "s")
	}
	b.withinLimit("s")
}

func TestBrokenPushesOfManySeriesStayWithinTheQuota(t *testing.T) {
	b := newBounded(t)
	room := 0
	for round := range 8 {
		if b.push(b.client(""), fresh(round, 8, true), fmt.Sprint("series ", round)) {
			room++
		}
	}
	if room != 1 {
		t.Errorf("there was room for %d of the pushes", room)
	}
	b.withinLimit("series 0")
}

func TestContentThatABrokenPushHasLeftCountsInTheSnapshotThatTakesItOver(t *testing.T) {
	b := newBounded(t)
	rooms := ""
	for round := range 5 {
		for _, cut := range []bool{true, false} {
			if b.push(b.client("s"), fresh(round, 3, cut), "s") {
				rooms += "x"
			} else {
				rooms += "."
			}
		}
	}
	if rooms != "xxxxxx...." {
		t.Errorf("there was room for %s", rooms)
	}
}

func TestABrokenPushIsTakenUpAgainUnderAQuota(t *testing.T) {
	b := newBounded(t)
	for range 3 {
		if !b.push(b.client("s"), fresh(1, 8, true), "s") {
			t.Error("there is no room for what is there already")
		}
	}
	if !b.push(b.client("s"), fresh(1, 8, false), "s") {
		t.Error("there is no room for what is there already")
	}
	list, err := b.store.Snapshots(t.Context())
	if err != nil || len(list) != 1 || list[0].Added > 1000 || list[0].Beside < 700_000 {
		t.Errorf("%+v, error %v", list, err)
	}
}

func TestMetadataAndDirectoriesCountAgainstTheQuota(t *testing.T) {
	heavy := storetest.NewTree()
	for i := range 4 {
		heavy.Dir(fmt.Sprint(i)).Xattrs = []varve.Xattr{{Name: "user.x", Value: strings.Repeat("x", 60_000)}}
	}
	wide := storetest.NewTree()
	for i := range 70 {
		wide.Dir(fmt.Sprint(i))
	}
	for what, src := range map[string]*storetest.Tree{"attributes": heavy, "directories": wide} {
		b := newBounded(t)
		snaps := 0
		for range 8 {
			if b.push(b.client("s"), src, "s") {
				snaps++
			}
		}
		if snaps != 3 && snaps != 4 {
			t.Errorf("%s: there was room for %d pushes", what, snaps)
		}
		b.withinLimit("s2")
	}
}

func TestSessionsUnderOneQuotaCountWhatOthersHavePushed(t *testing.T) {
	for _, series := range []string{"s", ""} {
		b := newBounded(t)
		clients := []varve.Store{b.client(series), b.client(series), b.client(series)}
		room := 0
		for round := range 6 {
			if b.push(clients[round%3], fresh(round, 3, false), "s") {
				room++
			}
		}
		if room != 3 {
			t.Errorf("there was room for %d of the pushes", room)
		}
	}
}

func TestSessionsUnderOneQuotaCountTheObjectsOfOthers(t *testing.T) {
	far := mem.New(mem.Options{})
	var clients []varve.Backend
	for range 3 {
		clients = append(clients, connect(t, Service{Role: Append, Backend: far, Quota: 10_500}).Backend())
	}
	room := 0
	for i := range byte(20) {
		data := noise(i, 1000)
		err := clients[i%3].Put(t.Context(), backend.NameOf(backend.Data, data), data)
		if err == nil {
			room++
		} else if !errors.Is(err, disk.ErrNoSpace) {
			t.Errorf("put: %v", err)
		}
	}
	if room != 10 {
		t.Errorf("there was room for %d objects", room)
	}
}
