package rdiff

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// copies is a delta that takes these regions.
func copies(regions ...[2]int64) string {
	out := []byte("rs\x026")
	for _, r := range regions {
		out = append(out, 0x54)
		out = binary.BigEndian.AppendUint64(out, uint64(r[0]))
		out = binary.BigEndian.AppendUint64(out, uint64(r[1]))
	}
	return string(append(out, 0))
}

func TestNeighboursBecomeOnePiece(t *testing.T) {
	c, err := whole(100).patch(t.Context(), 0, strings.NewReader(copies([2]int64{10, 5}, [2]int64{15, 5}, [2]int64{15, 5})))
	if err != nil {
		t.Fatal(err)
	}
	want := []segment{{fromBase, 10, 10}, {fromBase, 15, 5}}
	if !slices.Equal(c.segments, want) || c.size() != 15 {
		t.Errorf("%v, %d bytes; want %v", c.segments, c.size(), want)
	}
}

func TestCopiesOfCopiesCannotGrowWithoutEnd(t *testing.T) {
	c := whole(4)
	c.limit = 1000
	var err error
	for n := 0; err == nil; n++ {
		size := c.size()
		c, err = c.patch(t.Context(), n, strings.NewReader(copies([2]int64{1, size - 1}, [2]int64{0, size})))
		if len(c.segments) > c.limit || n > 100 {
			t.Fatalf("%d pieces after %d deltas", len(c.segments), n)
		}
	}
	if !errors.Is(err, errSegments) {
		t.Errorf("%v, want %v", err, errSegments)
	}
}

func TestLengthsDoNotOverflow(t *testing.T) {
	large := "rs\x026" + "\x54" + strings.Repeat("\x00", 8) + "\x7f" + strings.Repeat("\xff", 7)
	if _, err := whole(endless).patch(t.Context(), 0, strings.NewReader(large+large[4:]+"\x00")); !errors.Is(err, errDelta) {
		t.Errorf("%v, want %v", err, errDelta)
	}
}
