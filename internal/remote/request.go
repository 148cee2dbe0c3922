package remote

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"varve"
	"varve/internal/manifest"
)

// The operations that can be asked for.
const (
	opInfo      = "info"
	opSource    = "source"
	opEntries   = "entries"
	opOpen      = "open"
	opStat      = "stat"
	opDir       = "dir"
	opSnapshots = "snapshots"
	opView      = "view"
	opSave      = "save"
	opNow       = "now"
	opJudge     = "judge"
	opForget    = "forget"
	opVerify    = "verify"
	opPut       = "put"
	opGet       = "get"
	opList      = "list"
	opDelete    = "delete"
)

// request is a message of kind msgRequest. Which fields mean something depends on Op.
type request struct {
	Op         string             `json:"op"`
	ID         uint32             `json:"id,omitempty"`   // what was opened: the number of the stream that did
	File       uint32             `json:"file,omitempty"` // the number of the stream that a file is read through
	Name       raw                `json:"name,omitempty"` // of an object, a prefix, or a directory
	Off        int64              `json:"off,omitempty"`
	Len        int64              `json:"len,omitempty"`
	IDs        []varve.SnapshotID `json:"ids,omitempty"`
	Source     *sourceRequest     `json:"source,omitempty"`
	Save       *saveRequest       `json:"save,omitempty"`
	Verify     *verifyRequest     `json:"verify,omitempty"`
	Difference *difference        `json:"difference,omitempty"` // of the snapshot that is to be judged
}

// raw is a string of arbitrary bytes, which JSON would not give back; it crosses in base64.
type raw string

// MarshalText returns r in base64.
func (r raw) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, []byte(r)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (r *raw) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	*r = raw(b)
	return err
}

func raws(list []string) []raw {
	var out []raw
	for _, s := range list {
		out = append(out, raw(s))
	}
	return out
}

func plain(list []raw) []string {
	var out []string
	for _, r := range list {
		out = append(out, string(r))
	}
	return out
}

// SourceRequest says what files of the far side are wanted.
type SourceRequest struct {
	// Sources are paths as the user wrote them; the far side knows what they are relative to.
	Sources []string
	// Excludes are what is left out, in the order of the command line.
	Excludes []Exclude
	// IgnoreFile is the name of files with a directory's own patterns; empty for none.
	IgnoreFile string
	// OneFileSystem leaves out what is mounted below a source.
	OneFileSystem bool
	// IfPresent leaves out the content of directories that hold one of these files.
	IfPresent []Marker
	// LargerThan leaves out files of more bytes; 0 for no limit.
	LargerThan int64
}

// Exclude is one pattern, or the content of one file of patterns.
type Exclude struct {
	Text string
	// Name is the file's; where it is empty Text is a single pattern.
	Name string
}

// Marker is the name of a file, and how it must begin.
type Marker struct{ Name, Header string }

// sourceRequest is a SourceRequest on the wire.
type sourceRequest struct {
	Sources       []raw    `json:"sources"`
	Excludes      [][2]raw `json:"excludes,omitempty"`
	IgnoreFile    raw      `json:"ignore_file,omitempty"`
	OneFileSystem bool     `json:"one_file_system,omitempty"`
	IfPresent     [][2]raw `json:"if_present,omitempty"`
	LargerThan    int64    `json:"larger_than,omitempty"`
}

func (r *SourceRequest) wire() *sourceRequest {
	w := &sourceRequest{Sources: raws(r.Sources), IgnoreFile: raw(r.IgnoreFile), OneFileSystem: r.OneFileSystem, LargerThan: r.LargerThan}
	for _, x := range r.Excludes {
		w.Excludes = append(w.Excludes, [2]raw{raw(x.Text), raw(x.Name)})
	}
	for _, m := range r.IfPresent {
		w.IfPresent = append(w.IfPresent, [2]raw{raw(m.Name), raw(m.Header)})
	}
	return w
}

func (w *sourceRequest) plain() SourceRequest {
	r := SourceRequest{Sources: plain(w.Sources), IgnoreFile: string(w.IgnoreFile), OneFileSystem: w.OneFileSystem, LargerThan: w.LargerThan}
	for _, x := range w.Excludes {
		r.Excludes = append(r.Excludes, Exclude{Text: string(x[0]), Name: string(x[1])})
	}
	for _, m := range w.IfPresent {
		r.IfPresent = append(r.IfPresent, Marker{Name: string(m[0]), Header: string(m[1])})
	}
	return r
}

// saveRequest is varve.SaveOptions on the wire.
type saveRequest struct {
	Series  raw             `json:"series"`
	Host    raw             `json:"host"`
	Sources []raw           `json:"sources"`
	Tags    []raw           `json:"tags"`
	Pinned  bool            `json:"pinned,omitempty"`
	Program raw             `json:"program"`
	Origin  json.RawMessage `json:"origin,omitempty"` // a record
	Recheck bool            `json:"recheck,omitempty"`
	Alone   bool            `json:"alone,omitempty"`
	Clock   bool            `json:"clock,omitempty"` // the near side tells the time
	Judge   bool            `json:"judge,omitempty"` // the near side judges
}

func wireOptions(o *varve.SaveOptions) (*saveRequest, error) {
	w := &saveRequest{Series: raw(o.Series), Host: raw(o.Host), Sources: raws(o.Sources), Tags: raws(o.Tags), Pinned: o.Pinned,
		Program: raw(o.Program), Recheck: o.Recheck, Alone: o.Alone, Clock: o.Now != nil, Judge: o.Judge != nil}
	if o.Origin == nil {
		return w, nil
	}
	record, err := manifest.EncodeRecord(o.Origin)
	w.Origin = record
	return w, err
}

func (w *saveRequest) options() (o varve.SaveOptions, err error) {
	o = varve.SaveOptions{Series: string(w.Series), Host: string(w.Host), Sources: plain(w.Sources), Tags: plain(w.Tags), Pinned: w.Pinned,
		Program: string(w.Program), Recheck: w.Recheck, Alone: w.Alone}
	if len(w.Origin) > 0 {
		origin, err := manifest.DecodeRecord(w.Origin)
		if err != nil {
			return o, protocolError("%v", err)
		}
		o.Origin = &origin
	}
	return o, nil
}

// verifyRequest is varve.VerifyOptions on the wire.
type verifyRequest struct {
	Snapshots     []varve.SnapshotID `json:"snapshots,omitempty"`
	StructureOnly bool               `json:"structure_only,omitempty"`
	Subset        float64            `json:"subset,omitempty"`
}

// reply is a message of kind msgReply. Which fields mean something depends on what was asked.
type reply struct {
	Sources  []raw               `json:"sources,omitempty"`
	Snapshot json.RawMessage     `json:"snapshot,omitempty"` // a record
	Report   *varve.VerifyReport `json:"report,omitempty"`
	Time     *varve.Time         `json:"time,omitempty"`
	State    varve.State         `json:"state,omitempty"`
	Info     *Info               `json:"info,omitempty"`
}

// end is a message of kind msgEnd: what the sequence of entries consisted of, and what was left out of it.
type end struct {
	Entries    int64 `json:"entries"`
	Lost       int64 `json:"lost"` // those with Err among them
	LeftOut    []raw `json:"left_out,omitempty"`
	Complaints []raw `json:"complaints,omitempty"`
}

// Walk is an opened file tree; *walk.Source is one.
type Walk interface {
	varve.Source
	// LeftOut returns the paths of the file systems that were left out so far.
	LeftOut() []string
	// Complaints returns what was wrong so far with the files that say what is left out.
	Complaints() []error
	Close() error
}

// OpenSource opens a file tree and returns it with the absolute paths of its sources.
type OpenSource func(ctx context.Context, r SourceRequest) (Walk, []string, error)
