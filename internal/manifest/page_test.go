package manifest

import (
	"testing"

	"varve/internal/digest"
)

func TestTheHashOfPathsNeverChanges(t *testing.T) {
	for path, want := range map[string]uint64{
		"": mix(0xcbf29ce484222325), "a": mix(0xaf63dc4c8601ec8c), "foobar": mix(0x85944171f73967e8),
		"usr/share/doc": 0,
	} {
		dir, name := split(path)
		h := newPathHasher()
		got := h.hash(dir, name)
		if want == 0 {
			want = mix(fnv(fnvBasis, path))
		}
		if got != want || h.hash(dir, name) != want {
			t.Errorf("%q: %#x, want %#x", path, got, want)
		}
	}
	if got := mix(0x9e3779b97f4a7c15); got != 0xe220a8397b1dcdaf { // the first output of SplitMix64 from 0
		t.Errorf("mix: %#x", got)
	}
}

func TestSharedPagesHaveTheHashOfTheirBytes(t *testing.T) {
	file := &memFile{}
	id, err := NewFileWriter(file).Put([]byte("page"))
	if err != nil || id != PageID(digest.Sum([]byte("page"))) {
		t.Fatal(id, err)
	}
}
