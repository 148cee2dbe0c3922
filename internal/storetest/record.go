package storetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"varve"
)

var recordPart = []clause{
	{"a snapshot says what it was told and what it counted", records},
	{"snapshots of a series are numbered from one", numbered},
	{"series do not know one another", seriesApart},
	{"names of series that look alike are apart", seriesAlike},
	{"a series needs a name, and one that is text", seriesNameless},
	{"snapshots are ordered by time, then series", ordered},
	{"snapshots made in the same second are all kept", sameSecond},
	{"no two snapshots have the same ID", idsDiffer},
	{"an unknown snapshot is no snapshot", unknown},
	{"progress tells of every entry once and of all bytes", progress},
	{"verify counts, and checks what it is asked to", verifies},
}

func records(r *rig) {
	tree := Sample()
	opts := r.options("a series")
	opts.Host, opts.Program, opts.Pinned = "höst", "program 1", true
	opts.Sources, opts.Tags = []string{"/b", "/a"}, []string{"x", "y\nz"}
	begin := r.now
	snap, err := r.store.Save(context.Background(), tree, opts)
	must(r.T, err)
	want := varve.Snapshot{ID: snap.ID, Series: "a series", Seq: 1, Time: begin.Add(tick), End: r.now, Host: opts.Host, Sources: opts.Sources,
		Tags: opts.Tags, Pinned: true, State: varve.Complete, Bytes: tree.Size(), Added: snap.Added, Beside: snap.Beside, Location: snap.Location,
		Program: opts.Program}
	for _, e := range tree.Want() {
		if e.Kind == varve.Dir {
			want.Dirs++
		} else {
			want.Files++
		}
	}
	same(r.T, "what Save returns", snap, want)
	same(r.T, "added is something and not more than there is", snap.Added > 0 && snap.Added <= snap.Bytes, true)
	r.reopen()
	same(r.T, "what Snapshots returns", r.list(), []varve.Snapshot{want})
}

func numbered(r *rig) {
	tree := wood()
	for n := uint64(1); n < 5; n++ {
		same(r.T, "number", r.save(tree, "s").Seq, n)
		r.reopen()
	}
}

func seriesApart(r *rig) {
	one, two := wood(), forest()
	a := r.save(one, "one")
	b := r.save(two, "two")
	same(r.T, "numbers", [2]uint64{a.Seq, b.Seq}, [2]uint64{1, 1})
	one.Write("a/file 1", "changed")
	c := r.save(one, "one")
	same(r.T, "number", c.Seq, uint64(2))
	r.holds(b.ID, two)
	r.holds(c.ID, one)
}

func seriesAlike(r *rig) {
	names := []string{"a/b", "a_b", "a%2Fb", "a b", "A/B", ".", "..", ".varve", "latest", "-", "a:b,c", "~", "é", "e\u0301",
		strings.Repeat("long", 100), strings.Repeat("long", 100) + "er", "/", "//"}
	tree := wood()
	for _, name := range names {
		same(r.T, "number of the first in "+name, r.save(tree, name).Seq, uint64(1))
	}
	r.reopen()
	var got []string
	for _, snap := range r.list() {
		got = append(got, snap.Series)
		r.holds(snap.ID, tree)
	}
	same(r.T, "series", got, names)
}

func seriesNameless(r *rig) {
	r.refuse(context.Background(), wood(), "")
	r.refuse(context.Background(), wood(), "s\xff")
}

func ordered(r *rig) {
	tree := wood()
	times := []int64{5000, 3000, 4000, 3000, -1, 3000}
	series := []string{"b", "b", "a", "a", "c", "c"}
	var want []varve.Snapshot
	for i := range times {
		r.now = time.Unix(times[i], 0).UTC().Add(-tick)
		want = append(want, r.save(tree, series[i]))
	}
	slices.SortFunc(want, func(a, b varve.Snapshot) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return int(a.Series[0]) - int(b.Series[0])
	})
	same(r.T, "snapshots", r.list(), want)
}

func sameSecond(r *rig) {
	tree := wood()
	for range 4 {
		begin := r.now
		r.save(tree, "s")
		r.now = begin
		tree.Write("a/file 1", tree.At("a/file 1").Stream+"more")
	}
	same(r.T, "number of snapshots", len(r.list()), 4)
}

func idsDiffer(r *rig) {
	tree := wood()
	met := map[varve.SnapshotID]bool{{}: true}
	for range 5 {
		id := r.save(tree, "s").ID
		if met[id] {
			r.Errorf("%s comes again", id)
		}
		met[id] = true
	}
}

func unknown(r *rig) {
	r.save(wood(), "s")
	before := r.list()
	id := varve.SnapshotID{1, 2, 3}
	if v, err := r.store.View(context.Background(), id); !errors.Is(err, varve.ErrNoSnapshot) {
		r.Errorf("View: %v, %v", v, err)
	}
	if err := r.store.Forget(context.Background(), id); !errors.Is(err, varve.ErrNoSnapshot) {
		r.Errorf("Forget: %v", err)
	}
	if _, err := r.store.Verify(context.Background(), varve.VerifyOptions{Snapshots: []varve.SnapshotID{id}}); !errors.Is(err, varve.ErrNoSnapshot) {
		r.Errorf("Verify: %v", err)
	}
	same(r.T, "snapshots", r.list(), before)
}

func progress(r *rig) {
	tree := Sample()
	tree.Remove("links") // a storage may not be able to hold them
	for _, first := range []bool{true, false} {
		snap := r.save(tree, "s")
		met := map[string]bool{}
		stored := false
		bytes := int64(0)
		for _, e := range r.events {
			if e.Kind == varve.Partly {
				bytes = min(bytes, math.MaxInt64-e.Bytes) + e.Bytes
			}
			if e.Kind != varve.Done {
				continue
			}
			if met[e.Path] {
				r.Errorf("/%s was told twice", e.Path)
			}
			met[e.Path], stored = true, stored || e.Stored
			bytes = min(bytes, math.MaxInt64-e.Bytes) + e.Bytes
		}
		for _, e := range tree.Want() {
			if !met[e.Path] && e.Path != "" {
				r.Errorf("/%s was not told", e.Path)
			}
		}
		same(r.T, "content was stored", stored, first)
		same(r.T, "the bytes told are those of all files", bytes >= snap.Bytes, true)
	}
}

func verifies(r *rig) {
	tree := wood()
	one := r.save(tree, "s")
	tree.Write("a/file 1", "changed")
	r.save(tree, "s")
	for _, opts := range []varve.VerifyOptions{{}, {StructureOnly: true}, {Snapshots: []varve.SnapshotID{one.ID}}} {
		report, err := r.store.Verify(context.Background(), opts)
		must(r.T, err)
		want := int64(2)
		if len(opts.Snapshots) > 0 {
			want = 1
		}
		same(r.T, "snapshots", report.Snapshots, want)
		same(r.T, "damage", report.Damage, 0)
		same(r.T, "files were counted", report.Files >= one.Files, true)
		same(r.T, "content was read", report.Bytes > 0, !opts.StructureOnly)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.store.Verify(ctx, varve.VerifyOptions{}); !errors.Is(err, context.Canceled) {
		r.Errorf("a cancelled Verify: %v", err)
	}
}
