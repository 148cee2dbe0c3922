package manifest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"varve"
)

func recoverLoose(t *testing.T, b []byte) (list []varve.Entry) {
	t.Helper()
	for e, err := range RecoverLoose(bytes.NewReader(b), int64(len(b))) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestLooseEntriesComeBackUpToWhereTheyAreTorn(t *testing.T) {
	want := goldenEntries()[1:]
	slices.Reverse(want) // their order means nothing
	var b []byte
	var ends []int
	for i := range want {
		var err error
		if b, err = AppendLoose(b, &want[i]); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, len(b))
	}
	for n := 0; n <= len(b); n++ {
		whole, _ := slices.BinarySearchFunc(ends, n, func(end, n int) int {
			if end <= n {
				return -1
			}
			return 1
		})
		same(t, recoverLoose(t, b[:n]), want[:whole])
		if n < len(b) {
			bad := bytes.Clone(b)
			bad[n] ^= 0x40
			same(t, recoverLoose(t, bad), want[:whole])
		}
	}
}

func TestAnUnfitEntryIsNeverLoose(t *testing.T) {
	for name, spoil := range unfit {
		if name == "could not be read" { // nobody who has it asks
			continue
		}
		e := fitEntry()
		spoil(&e)
		if b, err := AppendLoose(nil, &e); !errors.Is(err, ErrEntry) || len(b) > 0 {
			t.Errorf("%s: %d bytes, error %v", name, len(b), err)
		}
	}
}
