package gc

import (
	"context"

	"varve"
)

// Contents knows what packs hold, and what snapshots need of it: live content. Its methods are called by one goroutine at a time.
type Contents interface {
	// Learn is told all packs that a complete listing showed. Until the next call these are the only ones that count. It makes
	// sure that it knows what each of them holds. fs.ErrNotExist where one is gone: it is then called again with a new listing.
	Learn(ctx context.Context, packs []varve.Object) error
	// Mark makes live exactly what these roots need, all down to the last piece, in terms of content and not of packs. It need not
	// find out whether that content is there. An error that matches fs.ErrNotExist says that a part which tells what a root needs, such
	// as a page of a manifest, is in no pack that was learned, or that such a pack is gone: it is then called again after another
	// Learn. Only for roots with a tomb (see Plan.Keep) it passes over what is missing. It may compare the records with what
	// it knows of their chain, and refuse.
	Mark(ctx context.Context, roots []Snap) error
	// Covered reports whether each live piece of content that pack holds is also in a pack that was learned and that usable agrees to.
	Covered(ctx context.Context, pack string, usable func(pack string) bool) (bool, error)
	// Lacks reports whether something that snap needs is in no pack that was learned and that usable agrees to; also where a part
	// which tells what it needs is in none. It does not change what is live.
	Lacks(ctx context.Context, snap Snap, usable func(pack string) bool) (bool, error)
}

// Plan says what a collector should do, and does the work on packs. What it chooses can cost space or time, but not lose content.
type Plan interface {
	Contents
	// Keep reports whether what a snapshot needs has to stay although it has a tomb, since its time to be brought back has not ended.
	// False where it was never sealed.
	Keep(snap Snap) bool
	// Choose chooses among the listed packs, after Mark. Those in rescue are not among packs: another collector condemned them, and
	// they alone hold something live. As long as they are not moved, its record cannot go.
	Choose(ctx context.Context, packs, rescue []varve.Object) (Choice, error)
	// Repack copies all live content of these packs into new packs and index objects. Those that are gone meanwhile it passes over.
	Repack(ctx context.Context, packs []string) error
}

// Choice says which packs are to go.
type Choice struct {
	Drop []string // without live content, or all of it also elsewhere
	Move []string // to be copied first
	// More says that further packs would have been chosen if limits on work had allowed that.
	More bool
}

// Report says what a collector did, or would do.
type Report struct {
	// Chosen are the packs that were condemned, and Move those among them whose live content was copied first.
	Chosen []string `json:"chosen"`
	Moved  []string `json:"moved"`
	// Deleted counts the packs that were deleted, Bytes what they took. The others among the chosen turned out to be needed.
	Deleted int   `json:"deleted"`
	Bytes   int64 `json:"bytes"`
	// Swept counts condemn records of other collectors that were removed, Buried records of forgotten snapshots.
	Swept  int `json:"swept"`
	Buried int `json:"buried"`
	// More says that limits on work left something to do.
	More bool `json:"more"`
}
