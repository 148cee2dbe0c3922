package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"varve"
)

// record is what a store says of a snapshot: the snapshot as JSON, and the sources once more where they are not text, which JSON would
// not give back.
type record struct {
	varve.Snapshot
	RawSources [][]byte `json:"raw_sources,omitempty"`
}

// EncodeRecord returns the record of a snapshot: docs/format/tree.md, section 5.
func EncodeRecord(snap *varve.Snapshot) ([]byte, error) {
	r := record{Snapshot: *snap}
	if slices.ContainsFunc(snap.Sources, func(s string) bool { return !utf8.ValidString(s) }) {
		for _, s := range snap.Sources {
			r.RawSources = append(r.RawSources, []byte(s))
		}
	}
	return json.Marshal(&r)
}

// DecodeRecord reads what EncodeRecord wrote. varve.ErrDamaged where it is not that.
func DecodeRecord(data []byte) (varve.Snapshot, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return varve.Snapshot{}, fmt.Errorf("record: %w: %w", varve.ErrDamaged, err)
	}
	if r.RawSources != nil {
		r.Sources = nil
		for _, s := range r.RawSources {
			r.Sources = append(r.Sources, string(s))
		}
	}
	return r.Snapshot, nil
}
