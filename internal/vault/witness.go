package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"varve"
	"varve/internal/backend"
	"varve/internal/seal"
)

// ErrWitness says that no record of a vault fits the words of a witness.
var ErrWitness = errors.New("no snapshot of this vault fits the witness: the storage lost it or holds it back")

// Witness is what a machine without any memory of a vault can hold its state against: words that stand for the newest record of a series, and
// so for all before it.
type Witness struct {
	Series   string           `json:"series"`
	Snapshot varve.SnapshotID `json:"snapshot"`
	Words    string           `json:"words"`
}

// Witness returns the witness of every series that has a snapshot; with a put-only key, which reads none, those of the series that this
// machine remembers, without Snapshot.
func (s *Store) Witness(ctx context.Context) ([]Witness, error) {
	if s.keys.admin == nil {
		return s.ownWitness()
	}
	r, err := s.catalog.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	list := []Witness{}
	met := map[string]bool{}
	for _, rec := range r.valid() {
		series := rec.snap.Series
		if met[series] {
			continue
		}
		met[series] = true
		head := r.head(series)
		list = append(list, Witness{Series: series, Snapshot: head.snap.ID, Words: witnessOf(head.name)})
	}
	return list, nil
}

func (s *Store) ownWitness() ([]Witness, error) {
	h, err := s.local.readHeads()
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	list := []Witness{}
	for _, series := range slices.Sorted(maps.Keys(h)) {
		if words := witnessOf(h[series].Record); words != "" {
			list = append(list, Witness{Series: series, Words: words})
		}
	}
	return list, nil
}

// witnessOf returns the words that stand for a record.
func witnessOf(name string) string {
	_, sum, err := backend.Parse(name)
	if err != nil {
		return ""
	}
	return seal.Witness(sum)
}

// CheckWitness looks for the record that words stand for, forgotten or not. ErrWitness where it is not there.
func (s *Store) CheckWitness(ctx context.Context, words string) error {
	want, err := seal.ParseWitness(words)
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	r, err := s.catalog.read(ctx)
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	prefix := backend.Snapshots.Prefix() + hex.EncodeToString(want[:])
	for name := range r.byName {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			return nil
		}
	}
	for name := range r.tombs {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			return nil
		}
	}
	return ErrWitness
}
