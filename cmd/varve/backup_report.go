package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"varve"
	"varve/internal/location"
)

// backupReport tells what a backup notices.
type backupReport struct {
	app     *app
	meter   *meter
	skipped *limited
	damage  *limited
	unkept  unkept
}

func newBackupReport(a *app, m *meter) *backupReport {
	return &backupReport{app: a, meter: m, skipped: a.newLimited(), damage: a.newLimited(), unkept: unkept{}}
}

// event takes what Save reports.
func (r *backupReport) event(e varve.Event) {
	switch e.Kind {
	case varve.Done:
		r.meter.add(1, e.Bytes)
	case varve.Partly:
		r.meter.add(0, e.Bytes)
	case varve.Skipped:
		r.tell(r.skipped, "skipped", e)
	case varve.Damage:
		r.damaged(e)
	case varve.Vanished:
		r.mention("vanished", e)
	case varve.Changed:
		r.mention("changed", e)
	case varve.Unkept:
		if e.Aspect != 0 {
			r.unkept.add(e.Aspect, e.Path)
		} else if e.Err != nil {
			r.app.warn("%s", describe(e.Err))
		}
	}
}

// tell prints what somebody must act on.
func (r *backupReport) tell(l *limited, kind string, e varve.Event) {
	if r.app.json {
		r.app.event(kind, e.Path, e.Err)
		return
	}
	l.warn(kind, slashed(e.Path), describe(cause(e.Err)))
}

// damaged prints what an earlier snapshot does not hold any more; not every damage has a path.
func (r *backupReport) damaged(e varve.Event) {
	switch {
	case e.Path != "":
		r.tell(r.damage, "damage", e)
	case r.app.json:
		r.app.emitEvent(jsonEvent{Event: "damage", Error: errorText(e.Err)})
	default:
		r.damage.warn("damage", describe(e.Err))
	}
}

// mention prints what is in the nature of sources in use.
func (r *backupReport) mention(kind string, e varve.Event) {
	switch {
	case r.app.json:
		r.app.event(kind, e.Path, e.Err)
	case r.app.verbose > 0:
		r.app.screen.line("varve: " + kind + " while being read: " + slashed(e.Path))
	}
}

// complaints tells what of the sources' own rules could not be used.
func (r *backupReport) complaints(errs []error) {
	l := r.app.newLimited()
	for _, err := range errs {
		l.warn(describe(err))
	}
	l.close("rules could not be used")
}

// volatile reports whether what lies at path is made anew whenever the machine starts, so that nobody misses it.
func volatile(path string) bool { return varve.Within(path, "dev") || varve.Within(path, "run") }

// leftOut tells the file systems that were left out and may be missed.
func (r *backupReport) leftOut(paths []string) {
	paths = slices.DeleteFunc(slices.Sorted(slices.Values(paths)), volatile)
	for _, path := range paths {
		if r.app.json {
			r.app.event("left_out", path, nil)
			continue
		}
		r.app.warn("left out file system: %s (name it as a source to save it, or exclude it to silence this)", slashed(path))
	}
}

// untold tells what the machine that the sources are on does not tell of its files.
func (r *backupReport) untold(o *location.Origin) {
	words := o.Untold()
	switch {
	case len(words) == 0:
	case r.app.json:
		r.app.emitEvent(jsonEvent{Event: "untold", Aspects: words})
	case r.app.verbose > 0:
		r.app.screen.line("varve: " + quote(o.Spec.Target.String()) + " does not tell over SFTP: " + strings.Join(words, ", "))
	}
}

// close tells what was counted rather than told.
func (r *backupReport) close() {
	r.skipped.close("could not be read")
	r.damage.close("are damaged")
	for _, u := range r.unkept.sorted() {
		switch {
		case r.app.json:
			r.app.emitEvent(u.json("/" + u.example))
		case r.app.verbose > 0:
			r.app.screen.line("varve: kept in the manifest alone: " + u.text("/"+u.example))
		}
	}
}

// summary tells what the snapshot holds; witness are its words, if any.
func (r *backupReport) summary(s varve.Snapshot, witness string) {
	elapsed := r.meter.elapsed()
	if r.app.json {
		r.app.emitEvent(struct {
			Event string `json:"event"`
			varve.Snapshot
			Witness string  `json:"witness,omitempty"`
			Seconds float64 `json:"seconds"`
		}{"summary", lists(s), witness, elapsed.Seconds()})
		return
	}
	if !r.app.talks() {
		return
	}
	r.app.printf("snapshot %s (%s): %s, %s, %s; %s added, in %s (%s/s)\n", s.ID.Short(), s.State,
		count(s.Files, "file", "files"), count(s.Dirs, "directory", "directories"), sizeText(s.Bytes), sizeText(s.Added),
		durationText(elapsed), sizeText(rate(s.Bytes, elapsed)))
	if r.app.verbose > 0 && s.Skipped+s.Vanished+s.Changed > 0 {
		r.app.printf("%d skipped, %d vanished, %d changed while being read\n", s.Skipped, s.Vanished, s.Changed)
	}
	if r.app.verbose > 0 && witness != "" {
		r.app.printf("witness: %s\n", witness)
	}
}

// unkept counts what could not be kept, by the set of aspects.
type unkept map[varve.Aspect]*unkeptCount

// unkeptCount is how often one set of aspects could not be kept, and where first.
type unkeptCount struct {
	aspect  varve.Aspect
	count   int64
	example string
}

func (u unkept) add(aspect varve.Aspect, path string) {
	if u[aspect] == nil {
		u[aspect] = &unkeptCount{aspect: aspect, example: path}
	}
	u[aspect].count++
}

// sorted returns the counts in the order of the aspects.
func (u unkept) sorted() []*unkeptCount {
	var all []*unkeptCount
	for _, c := range u {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *unkeptCount) int { return int(a.aspect) - int(b.aspect) })
	return all
}

// text returns what is told of c, whose example lies at path.
func (c *unkeptCount) text(path string) string {
	text := c.aspect.String() + " of " + quote(path)
	if c.count > 1 {
		text += " and " + count(c.count-1, "other", "others")
	}
	return text
}

// json is text in JSON.
func (c *unkeptCount) json(path string) jsonEvent {
	p := rawPath(path)
	return jsonEvent{Event: "unkept", jsonPath: &p, Aspects: aspectWords(c.aspect), Count: c.count}
}

// cause returns err without the operation and path around it where those are told anyway.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
