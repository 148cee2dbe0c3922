package digest

import (
	"encoding/hex"
	"testing"

	"varve"
)

// The input of the official test vectors of BLAKE3 is 0, 1, 2, … and their key is this.
const vectorKey = "whats the Elvish word for friend"

func TestChunkIDsAreKeyedBLAKE3OfClassAndDigest(t *testing.T) {
	var d varve.Digest
	for i := range d {
		d[i] = byte(i + 1)
	}
	k := NewIDKey([32]byte([]byte(vectorKey)))
	const want = "252573d0542352f56b8d764f7541700c11dd0b735f93f93bec1cf6d8ec12439e"
	if got := k.ID(ClassContent, d).String(); got != want {
		t.Errorf("ID of 00 01 … 20 = %s, want %s", got, want)
	}
	if k.ID(ClassContent, d) == k.ID(ClassPage, d) {
		t.Error("a page has the ID of content")
	}
	if k.ID(ClassContent, d) == NewIDKey([32]byte{}).ID(ClassContent, d) {
		t.Error("the key makes no difference")
	}
}

func TestDigestOfNothingIsZero(t *testing.T) {
	if Sum(nil) != (varve.Digest{}) || New().Digest() != (varve.Digest{}) {
		t.Error("the digest of no bytes is not zero")
	}
	const want = "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"
	if got := Sum([]byte{0}); hex.EncodeToString(got[:]) != want {
		t.Errorf("digest of 00 = %s, want %s", got, want)
	}
}

func BenchmarkID(b *testing.B) {
	k := NewIDKey([32]byte{1})
	var d varve.Digest
	for b.Loop() {
		d[0]++
		k.ID(ClassContent, d)
	}
}
