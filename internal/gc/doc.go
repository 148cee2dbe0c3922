// Package gc is flag and seal: how many writers add snapshots to a vault while many collectors remove packs from it, without locks and
// without clocks. Any of them may pause for any time, or die, between any two steps.
//
// Each says first what it is about to do, where all can see it, and only then looks at what the others said. Of two that are in each
// other's way, the later one to speak therefore sees the earlier one, and gives way:
//
//	writer               W1 packs and index   W2 snapshot record   W3 read condemn records   W4 then list packs; what is needed and
//	                     absent or condemned is stored again, and back to W3   W5 seal   W6 look for doubt, then for a tomb
//	collector            G1 mark, copy, choose   G2 condemn record   G3 mark again from all roots   G4 then read others' condemn records
//	                     G5 then list packs   G6 delete of its own list what leaves a usable copy of everything live   G7 remove its record
//	who tidies up        H1 packs that hold everything: W3, W4, W5 for the silent writer   H2 otherwise a condemn record that names the
//	                     snapshot record, its doubt   H3 look for a seal   H4 a tomb if there is none   H5 remove its record
//
// A snapshot is valid if its record is there, a seal is, and no tomb is. Roots are all records without a tomb, sealed or not. What a
// collector condemned counts as absent for everybody but itself, for as long as its record is there: also after it died, and the next
// one then condemns the same packs, copies what is live, and deletes them. A record is removed by its writer, or by anybody once all
// that it names is gone.
//
// Where listings may be stale, [Protocol.Settle] waits out what they lag, at every place where a step depends on what an earlier one
// of somebody else made visible. Nothing else waits. Ages, and who is taken for silent, save work only.
//
// Two collectors that condemn the same packs may both keep them, and must try again; a writer may have to store a pack again whenever
// a collector that began since condemned it. Neither can go on without end unless new collectors keep beginning, and nothing is lost.
//
// The package knows neither cryptography nor what packs look like: records are read and made by a [Codec], packs by a [Plan]. Every
// object that it reads must be named by the SHA-256 of its bytes, except packs, which it never reads. It does not decide what to forget.
package gc
