package vault

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve"
	"varve/internal/backend"
	"varve/internal/gc"
	"varve/internal/manifest"
	"varve/internal/seal"
)

// snapBody is the body of a snapshot record.
type snapBody struct {
	Snapshot json.RawMessage `json:"snapshot"` // as manifest.EncodeRecord makes it
	Domain   seal.SignerID   `json:"domain"`
	Root     manifest.Root   `json:"root"`
	Previous string          `json:"previous,omitempty"`
	Heads    []string        `json:"heads,omitempty"`
}

// sealBody is the body of a seal, tombBody that of a tomb.
type sealBody struct {
	Snap string `json:"snap"`
}

type tombBody struct {
	Snap string    `json:"snap"`
	Time time.Time `json:"time"`
}

type condemnBody struct {
	Names []string `json:"names"`
	Nonce string   `json:"nonce"`
}

// record is one snapshot record.
type record struct {
	name     string // of its object
	snap     varve.Snapshot
	domain   seal.SignerID
	root     manifest.Root
	previous string
	heads    []string
	signer   seal.SignerID
	opened   bool // its body could be read; a put-only client reads none
	sealed   bool
	tomb     *tombBody
}

// valid reports whether the record stands for a snapshot.
func (r *record) valid() bool { return r.sealed && r.tomb == nil }

// records is everything under snapshots/.
type records struct {
	all     []*record // in the order of varve.Store.Snapshots
	byName  map[string]*record
	tombs   map[string]bool // of all records, gone or not; and the records that a removed client made afterwards
	orphans []string        // records that are not there, although somebody sealed them
	seen    heads           // what this machine saw earlier
	faults  []error         // what is damaged; matches varve.ErrDamaged
	hurt    []absence       // objects among the faults that may have been records of this vault
}

// find returns the valid record with an ID; nil where there is none. Of several, as they come from forgetting and bringing back at the same
// time, it is the first.
func (r *records) find(id varve.SnapshotID) *record {
	i := slices.IndexFunc(r.all, func(r *record) bool { return r.opened && r.valid() && r.snap.ID == id })
	if i < 0 {
		return nil
	}
	return r.all[i]
}

// valid returns the records that stand for snapshots, each snapshot once.
func (r *records) valid() []*record {
	var list []*record
	met := map[varve.SnapshotID]bool{}
	for _, rec := range r.all {
		if rec.valid() && rec.opened && !met[rec.snap.ID] {
			met[rec.snap.ID] = true
			list = append(list, rec)
		}
	}
	return list
}

// nextSeq returns the number of the next snapshot of a series.
func (r *records) nextSeq(series string) uint64 {
	next := r.seen[series].Seq + 1
	for _, rec := range r.all {
		if rec.opened && rec.snap.Series == series {
			next = max(next, rec.snap.Seq+1)
		}
	}
	return min(next, maxSeq) // which is not reached without malice
}

// before returns the name of the record that the next one of a series follows; empty for the first.
func (r *records) before(series string) string {
	seen := r.seen[series]
	if head := r.head(series); head != nil && (head.snap.Seq >= seen.Seq || seen.Record == "") {
		return head.name
	}
	return seen.Record // also where the storage does not show it any more
}

// head returns the newest sealed record of a series, forgotten or not; nil where there is none.
func (r *records) head(series string) *record {
	var head *record
	for _, rec := range r.all {
		if rec.opened && rec.sealed && rec.snap.Series == series && (head == nil || rec.snap.Seq >= head.snap.Seq) {
			head = rec
		}
	}
	return head
}

// headsBut returns the names of the newest records of all series but one, sorted.
func (r *records) headsBut(but string) []string {
	heads := map[string]*record{}
	for _, rec := range r.all {
		s := rec.snap.Series
		if rec.opened && rec.sealed && s != but && (heads[s] == nil || rec.snap.Seq >= heads[s].snap.Seq) {
			heads[s] = rec
		}
	}
	var names []string
	for _, head := range heads {
		names = append(names, head.name)
	}
	slices.Sort(names)
	return names
}

// parsed is what one object under snapshots/ says.
type parsed struct {
	record  *record
	seals   string // the record that it seals
	tomb    *tombBody
	condemn *condemnBody
	signer  seal.SignerID
}

// readRecords reads everything under snapshots/. What is damaged is among the faults.
func (s *Store) readRecords(ctx context.Context) (*records, error) {
	objects, err := backend.Objects(ctx, s.backend, backend.Snapshots)
	if err != nil {
		return nil, err
	}
	r := &records{byName: map[string]*record{}, tombs: map[string]bool{}}
	var marks []parsed
	found := make([]struct {
		parsed
		err error
	}, len(objects))
	err = together(ctx, s.opts.requests(), len(objects), func(i int) error {
		found[i].parsed, found[i].err = s.readRecord(ctx, objects[i].Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, o := range objects {
		p, err := found[i].parsed, found[i].err
		switch {
		case isGone(err): // deleted since it was listed
			continue
		case errors.Is(err, errRevoked): // which is no reason to complain for ever
			r.tombs[o.Name] = true
			s.opts.Warn(fmt.Errorf("%s: %w", o.Name, err))
			continue
		case errors.Is(err, gc.ErrForeign): // whoever can put objects can put junk
			s.opts.Warn(fmt.Errorf("%s: %w", o.Name, err))
			continue
		case isDamage(err):
			err = fmt.Errorf("%s: %w", o.Name, err)
			r.faults = append(r.faults, err)
			r.hurt = append(r.hurt, absence{o.Name, err})
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", o.Name, err)
		}
		if p.record != nil {
			r.add(p.record)
			continue
		}
		marks = append(marks, p)
	}
	for _, p := range marks {
		if p.tomb == nil && r.byName[p.seals] == nil { // put after its place in the listing was passed
			if err := s.lookAgain(ctx, r, p.seals); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range marks {
		s.mark(r, p)
	}
	slices.SortFunc(r.all, func(a, b *record) int {
		return cmp.Or(a.snap.Time.Compare(b.snap.Time), cmp.Compare(a.snap.Series, b.snap.Series), cmp.Compare(a.snap.Seq, b.snap.Seq),
			cmp.Compare(a.name, b.name))
	})
	return r, nil
}

// add enters a record.
func (r *records) add(rec *record) {
	r.byName[rec.name] = rec
	r.all = append(r.all, rec)
}

// lookAgain enters the record of that name where it is there.
func (s *Store) lookAgain(ctx context.Context, r *records, name string) error {
	p, err := s.readRecord(ctx, name)
	switch {
	case isDamage(err) || errors.Is(err, gc.ErrForeign): // which was told, or that it is missing will be
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case p.record != nil && r.byName[name] == nil:
		r.add(p.record)
	}
	return nil
}

// mark enters a seal or a tomb, if its signer may say so: a tomb is the admin's, a seal also the writer's.
func (s *Store) mark(r *records, p parsed) {
	admin := s.keys.adminKey(p.signer) != nil
	if p.tomb != nil {
		if !admin {
			return
		}
		r.tombs[p.tomb.Snap] = true
		if rec := r.byName[p.tomb.Snap]; rec != nil && (rec.tomb == nil || p.tomb.Time.Before(rec.tomb.Time)) {
			rec.tomb = p.tomb
		}
		return
	}
	rec := r.byName[p.seals]
	if rec == nil && s.keys.believed(p.signer) { // a put-only client could make up what it seals
		r.orphans = append(r.orphans, p.seals)
	} else if rec != nil && (admin || p.signer == rec.signer) {
		rec.sealed = true
	}
}

// readRecord reads one object under snapshots/, from memory where it was read before: objects do not change.
func (s *Store) readRecord(ctx context.Context, name string) (parsed, error) {
	if p, ok := s.catalog.known(name); ok {
		return p, s.revoked(p)
	}
	data, err := backend.Load(ctx, s.near(), name)
	if err != nil {
		return parsed{}, err
	}
	return s.parse(name, data)
}

// parse says what an object under snapshots/ or locks/ is, whose bytes hash to its name. The error matches gc.ErrForeign where nobody has
// written it who may write records: what is no record is no loss, whoever can put objects could put it there.
func (s *Store) parse(name string, data []byte) (parsed, error) {
	if p, ok := s.catalog.known(name); ok {
		return p, s.revoked(p)
	}
	h, body, err := seal.VerifyObject(s.keys.vault, data, s.keys.signers)
	if isDamage(err) || errors.Is(err, seal.ErrSigner) || errors.Is(err, seal.ErrVersion) || int(h.Generation) > len(s.keys.publics) {
		return parsed{}, fmt.Errorf("%w: %w", gc.ErrForeign, cmp.Or(err, error(seal.ErrVersion)))
	}
	if err != nil {
		return parsed{}, err
	}
	p, err := s.parseRecord(name, h, body, data)
	if isDamage(err) && s.keys.adminKey(h.Signer) == nil {
		err = fmt.Errorf("%w: %w", gc.ErrForeign, err)
	}
	if err != nil {
		return p, err
	}
	s.catalog.keep(name, p)
	return p, s.revoked(p)
}

// revoked returns errRevoked where p is a snapshot record, or the seal of one, that a client put after it was removed.
func (s *Store) revoked(p parsed) error {
	r := s.keys.removed[p.signer]
	about := p.seals
	if p.record != nil {
		about = p.record.name
	}
	if r == nil || about == "" || slices.Contains(r.Snaps, about) {
		return nil
	}
	return errRevoked
}

// errRevoked says that a snapshot record, or its seal, was put by a client that was removed before.
var errRevoked = fmt.Errorf("its client was removed: %w", gc.ErrForeign)

// parseRecord says what a verified object is: data, of which body is a part.
func (s *Store) parseRecord(name string, h seal.Header, body, data []byte) (p parsed, err error) {
	p.signer = h.Signer
	switch h.Kind {
	case seal.KindSnapshot:
		p.record = &record{name: name, signer: h.Signer}
		return p, s.openRecord(p.record, data)
	case seal.KindSeal:
		var b sealBody
		if err = decode(body, &b); err == nil {
			p.seals, err = b.Snap, checkRecordName(b.Snap)
		}
	case seal.KindTomb:
		p.tomb = &tombBody{}
		if err = decode(body, p.tomb); err == nil {
			err = checkRecordName(p.tomb.Snap)
		}
	case seal.KindCondemn:
		p.condemn = &condemnBody{}
		err = decode(body, p.condemn)
	default:
		err = fmt.Errorf("an object of kind %v where records are expected: %w", h.Kind, varve.ErrDamaged)
	}
	return p, err
}

// checkRecordName returns an error where name is not that of an object under snapshots/.
func checkRecordName(name string) error {
	if kind, _, err := backend.Parse(name); err != nil || kind != backend.Snapshots {
		return fmt.Errorf("about something that is no record: %w", varve.ErrDamaged)
	}
	return nil
}

// openRecord reads the body of a snapshot record, where the keys at hand can: a put-only key cannot.
func (s *Store) openRecord(r *record, data []byte) error {
	if s.keys.admin == nil {
		return nil
	}
	_, body, err := seal.OpenObject(s.keys.opener, data, s.keys.signers)
	if err != nil {
		return err
	}
	var b snapBody
	if err := decode(body, &b); err != nil {
		return err
	}
	return s.fill(r, &b)
}

// fill completes r from what its body says.
func (s *Store) fill(r *record, b *snapBody) error {
	if r.signer != b.Domain && s.keys.adminKey(r.signer) == nil {
		return fmt.Errorf("a record of another client's domain: %w: %w", gc.ErrForeign, seal.ErrSigner)
	}
	snap, err := manifest.DecodeRecord(b.Snapshot)
	if err != nil {
		return err
	}
	snap.Location = ""
	if fault := faultOf(&snap); fault != "" {
		return fmt.Errorf("a record with %s: %w", fault, varve.ErrDamaged)
	}
	r.snap, r.domain, r.root, r.opened = snap, b.Domain, b.Root, true
	if err := s.keys.bind(r); err != nil {
		return err
	}
	if !s.keys.believed(r.signer) { // it reads no records, and could make up what it refers to
		return nil
	}
	for _, name := range append(b.Heads, b.Previous) {
		if name == "" {
			continue
		}
		if err := checkRecordName(name); err != nil {
			return err
		}
	}
	r.previous, r.heads = b.Previous, b.Heads
	return nil
}

// maxSeq is the highest number of a snapshot in its series.
const maxSeq = 1 << 53

// faultOf says what no client would write; empty where there is nothing of that kind.
func faultOf(s *varve.Snapshot) string {
	switch {
	case s.Series == "":
		return "no series"
	case s.Seq == 0 || s.Seq > maxSeq:
		return "a number that is out of range"
	case min(s.Files, s.Dirs, s.Bytes, s.Added, s.Skipped, s.Vanished, s.Changed) < 0:
		return "a negative count"
	case s.State != varve.Complete && s.State != varve.Incomplete && s.State != varve.Suspect:
		return "an unknown state"
	}
	return ""
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %w", varve.ErrDamaged, err)
	}
	return nil
}

// signers says who may sign what.
func (k *keyring) signers(h seal.Header) (ed25519.PublicKey, bool) {
	if p := k.adminKey(h.Signer); p != nil {
		return p, true
	}
	c := k.clients[h.Signer]
	switch {
	case c == nil:
		return nil, false
	case h.Kind == seal.KindSnapshot, h.Kind == seal.KindSeal, h.Kind == seal.KindIndex:
		return c.Public, true
	}
	return nil, false
}

// base returns the newest snapshot of a series and domain by number, a good one if there is any; nil where there is none.
func (r *records) base(series string, domain seal.SignerID) *record {
	var best *record
	for _, rec := range r.valid() {
		if rec.snap.Series != series || rec.domain != domain {
			continue
		}
		if best == nil || rec.outranks(best) {
			best = rec
		}
	}
	return best
}

// outranks reports whether a save builds on r rather than on o.
func (r *record) outranks(o *record) bool {
	if good := r.snap.State.Good(); good != o.snap.State.Good() {
		return good
	}
	return r.snap.Seq >= o.snap.Seq
}
