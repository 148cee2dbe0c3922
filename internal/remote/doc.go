// Package remote is varve at both ends of one pipe: far files as a varve.Source, a far varve.Store, a far varve.Backend. The protocol is
// docs/format/wire.md.
//
//	near                                  far
//	Dial ── Client ───── mux streams ───── Serve ── Service
//	  Source ───────────────────────────▶ walks, reads, cuts
//	  Store.Save(src) ──────────────────▶ Store.Save(pull of src)
//	        src ◀─────────────────────── entries, open
//	  Backend ──────────────────────────▶ Backend
//
// Every request is a stream of its own, so none waits for another. A file tree is read the same way in both directions: whoever has it
// offers it (offer), whoever wants it pulls it (pull). A push is the far Store pulling, so only what the near side has read to its end
// and said so can become a snapshot.
//
// Both ends distrust one another: entries pass the same checks as those of a manifest, lengths and counts are bounded, an error of one
// request costs that request alone. What a client may do is decided by its [Role], which the far end fixes.
//
// The package starts no programs and knows no kinds of stores: it gets a pipe on one side, and a [Service] on the other.
package remote

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"varve"
	"varve/internal/mux"
)

// Protocol versions that this package speaks.
const (
	oldestVersion = 1
	newestVersion = 2
)

// ErrProtocol says that the other side said something that makes no sense where it was said. It matches mux.ErrBreach, too: asking
// again is of no use.
var ErrProtocol = fmt.Errorf("%w", mux.ErrBreach)

// Role is what a client may do.
type Role string

// The roles.
const (
	// Read lets a client read file trees, snapshots and objects.
	Read Role = "read"
	// Append lets a client add snapshots and objects, see which there are, and read objects. It changes and removes nothing.
	Append Role = "append"
	// Full lets a client do everything.
	Full Role = "full"
)

// Service is what Serve offers. The zero value offers nothing.
type Service struct {
	Role Role
	// Series, where set, is the one series that the client may see and add to. It says nothing about Backend, whose objects do not
	// tell what series they belong to.
	Series string
	// Host, where set, is the host of all snapshots that the client adds, whatever it says itself.
	Host string
	// Quota is how many bytes the client's snapshots, or the objects of Backend, may take up together; 0 for no limit. Beyond it the
	// errors match disk.ErrNoSpace.
	Quota int64
	// Occupied tells how many bytes of Store the snapshots of a series take up, those of all series where it is empty, with their
	// metadata and with what broken pushes have left. Nil counts what snapshots say that they have added, and nothing else.
	Occupied func(ctx context.Context, series string) (int64, error)
	// Store, Backend and OpenSource are what there is; nil where there is nothing of this kind. Serve closes none of them.
	Store      varve.Store
	Backend    varve.Backend
	OpenSource OpenSource
	// Program is the name and version of this program.
	Program string
	// HostName is the name of this machine, told to the client.
	HostName string
	// Now tells the time of snapshots that clients add; nil stands for time.Now.
	Now func() time.Time
	// Log is told what was refused and what was done; nil for nobody.
	Log *slog.Logger
}

// Info is what the far end says of itself.
type Info struct {
	Program string `json:"program"`
	Host    string `json:"host"`
	Role    Role   `json:"role"`
	Series  string `json:"series,omitempty"`
	Quota   int64  `json:"quota,omitempty"`
	// Store, Backend and Source say which of these there are.
	Store   bool `json:"store"`
	Backend bool `json:"backend"`
	Source  bool `json:"source"`
}
