package gc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"varve"
	"varve/internal/disk"
)

// Where the objects lie that the protocol is about.
const (
	packs     = "data/"
	snapshots = "snapshots/"
	condemned = "locks/"
)

// Sentinels that callers branch on.
var (
	// ErrForeign is what Codec.Read says of an object that nobody who may write such a record has written: it is as it was put, but is
	// no record, has a signature that is wrong, or one of somebody without the right. It is left out and told to Protocol.Ignored.
	// Whatever else may be wrong, a version that is not known among it, is no reason to leave a record out, and must not match it.
	ErrForeign = errors.New("not a record of this vault")
	// ErrTombed says that a snapshot was given up, or is about to be, by somebody who took its writer for dead. What is stored
	// stays usable: a new record of the same snapshot can be committed at once.
	ErrTombed = errors.New("snapshot given up by another program")
	// ErrLost says that packs which a snapshot needs are gone, and that what they held is no longer at hand.
	ErrLost = errors.New("needed packs were removed, and their content is not at hand")
)

// Kind says what a record is.
type Kind uint8

// The kinds of records.
const (
	Snapshot Kind = iota + 1 // in snapshots/
	Seal                     // in snapshots/
	Tomb                     // in snapshots/
	Condemn                  // in locks/
)

// Record is what the protocol has to know of a record.
type Record struct {
	Kind Kind
	// By names who signed it; empty for an admin. A seal counts from an admin and from who signed the snapshot record. Tombs and
	// condemn records count from admins alone: with those of a client, whoever has its key could remove all it ever saved.
	By string
	// Snap is the object name of the snapshot record that a Seal or Tomb is about.
	Snap string
	// Names are the object names that a Condemn record lists: packs, or one snapshot record.
	Names []string
}

// Codec reads and makes records. Its methods may be called from several goroutines.
type Codec interface {
	// Read returns the record that data is, checked wholly. The hash of data was compared with name. ErrForeign says that it is to
	// be left out; any other error stops everything that would have to know the record.
	Read(name string, data []byte) (Record, error)
	// Seal makes a seal for the snapshot record of this object name.
	Seal(snap string) ([]byte, error)
	// Tomb makes a tomb for the snapshot record of this object name.
	Tomb(snap string) ([]byte, error)
	// Condemn makes a condemn record that lists these object names, packs or one snapshot record. No two calls return the same bytes.
	Condemn(names []string) ([]byte, error)
}

// Protocol is flag and seal on one vault. Backend and Codec are required. Its methods may be called from several goroutines.
type Protocol struct {
	Backend varve.Backend
	Codec   Codec
	// Settle waits until listings show all that was put, and nothing that was deleted, before the call. It must go by a monotonic clock.
	// Nil where listings are never stale.
	Settle func(context.Context) error
	// MakeRoom is called when a record does not fit on a full storage; the record is then put once more. It gives up what was
	// reserved for that. Nil where nothing was.
	MakeRoom func(context.Context) error
	// Ignored, where set, is told of every object that is left out because it is foreign.
	Ignored func(name string, err error)
	// Workers is how many reads of records, or deletions, are under way at once; 0 stands for 1.
	Workers int

	steps *steps // nil stands for law()
}

// steps are the steps of the protocol in their order, and what they decide by, so that tests can show what each of them is for.
type steps struct {
	check   []func(*commit, context.Context) error
	finish  []func(*commit, context.Context) error
	collect []func(*collection, context.Context) error
	giveUp  []func(*doubt, context.Context) error
	root    func(*Snap) bool
	spent   func(c *collection, name string) bool
}

// law is the protocol.
func law() *steps {
	return &steps{
		check:  []func(*commit, context.Context) error{(*commit).announce, (*commit).settle, (*commit).shun, (*commit).find},
		finish: []func(*commit, context.Context) error{(*commit).seal, (*commit).settle, (*commit).doubted, (*commit).tombed},
		collect: []func(*collection, context.Context) error{(*collection).flag, (*collection).settle, (*collection).markAgain,
			(*collection).shun, (*collection).find, (*collection).spare, (*collection).erase, (*collection).settle,
			(*collection).unflag, (*collection).sweep, (*collection).bury},
		giveUp: []func(*doubt, context.Context) error{(*doubt).flag, (*doubt).settle, (*doubt).look, (*doubt).tomb, (*doubt).settle,
			(*doubt).unflag},
		root:  (*Snap).root,
		spent: (*collection).gone,
	}
}

func (p *Protocol) rules() *steps {
	if p.steps != nil {
		return p.steps
	}
	return law()
}

func (p *Protocol) settle(ctx context.Context) error {
	if p.Settle == nil {
		return nil
	}
	return p.Settle(ctx)
}

// Forget puts a tomb for the snapshot record of this object name. It is for ever; nothing else is changed.
func (p *Protocol) Forget(ctx context.Context, snap string) error {
	tomb, err := p.Codec.Tomb(snap)
	if err == nil {
		err = p.put(ctx, nameOf(snapshots, tomb), tomb)
	}
	return about("forget", snap, err)
}

// nameOf is the name of an object with this content.
func nameOf(dir string, data []byte) string {
	sum := sha256.Sum256(data)
	return dir + hex.EncodeToString(sum[:])
}

// put stores a record under its name. That it is there already is no error if it is whole: an earlier attempt got through.
func (p *Protocol) put(ctx context.Context, name string, data []byte) error {
	err := p.Backend.Put(ctx, name, data)
	if errors.Is(err, disk.ErrNoSpace) && p.MakeRoom != nil {
		if err := p.MakeRoom(ctx); err != nil {
			return err
		}
		err = p.Backend.Put(ctx, name, data)
	}
	if errors.Is(err, fs.ErrExist) {
		_, err = p.fetch(ctx, name)
	}
	return err
}

// remove deletes an object. That it is gone already is no error.
func (p *Protocol) remove(ctx context.Context, name string) error {
	err := p.Backend.Delete(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return about("delete", name, err)
}

// each calls do with the numbers below n, several at once if Workers says so, until one of them fails.
func (p *Protocol) each(n int, do func(i int) error) error {
	if p.Workers < 2 || n < 2 {
		for i := range n {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}
	var (
		mu   sync.Mutex
		next int
		fail error
		wg   sync.WaitGroup
	)
	take := func(last error) (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if fail == nil {
			fail = last
		}
		next++
		return next - 1, fail == nil && next <= n
	}
	for range min(p.Workers, n) {
		wg.Go(func() {
			for i, ok := take(nil); ok; i, ok = take(do(i)) {
			}
		})
	}
	wg.Wait()
	return fail
}

// about says what an error is about.
func about(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", operation, name, err)
}
