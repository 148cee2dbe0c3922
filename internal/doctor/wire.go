package doctor

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"

	"varve/internal/location"
	"varve/internal/sftp"
	"varve/internal/ssh"
)

// extension is one that varve uses, and what is different without it.
type extension struct {
	name    sftp.Extension
	level   Level
	without string
	mend    string
}

// extensions are those that varve uses where a server has them.
var extensions = [...]extension{
	{sftp.ExtHardlink, Warning, "a tree stores unchanged content once all the same, and its manifest says where, but only varve can read such a snapshot whole",
		"a vault is the better choice here: varve init --kind vault"},
	{sftp.ExtPosixRename, Note, "nothing is replaced in one step; varve replaces few files", ""},
	{sftp.ExtFsync, Note, "nothing is known to be durable there; what was written is read back and compared instead", ""},
	{sftp.ExtStatvfs, Note, "the room that is left is not known, and file systems cannot be told apart", ""},
	{sftp.ExtLsetstat, Note, "symlinks keep the time and owner that they are made with; the manifest has the right ones", ""},
	{sftp.ExtLimits, Note, "requests stay small, 32 KiB", ""},
	{sftp.ExtUsersGroups, Note, "owners have numbers and no names", ""},
}

// shortName is the name of an extension without its domain.
func shortName(x sftp.Extension) string {
	name, _, _ := strings.Cut(string(x), "@")
	return name
}

// extensions says what the server offers.
func (e *exam) extensions(session *sftp.Session) {
	var offered []string
	for _, x := range extensions {
		if session.Offers(x.name) {
			offered = append(offered, shortName(x.name))
		}
	}
	if len(offered) > 0 {
		e.good("extensions", "%s", strings.Join(offered, ", "))
	}
	for _, x := range extensions {
		if !session.Offers(x.name) {
			e.tell(x.level, shortName(x.name), x.mend, "the server does not offer it: %s", x.without)
		}
	}
	limits := session.Limits()
	if limits.Handles > 0 {
		e.good("limits", "%s read and %s written at a time, %d files open", size(int64(limits.Read)), size(int64(limits.Write)), limits.Handles)
	} else {
		e.good("limits", "%s read and %s written at a time", size(int64(limits.Read)), size(int64(limits.Write)))
	}
}

const (
	// trips is how many round trips are measured; the shortest counts.
	trips = 3
	// slowTrip is when a distance is worth a word.
	slowTrip = 100 * time.Millisecond
)

// roundTrip measures how long a question takes.
func (e *exam) roundTrip(session *sftp.Session) bool {
	if !e.begin("round trip") {
		return false
	}
	best := time.Duration(-1)
	for range trips {
		start := time.Now()
		if _, err := sftp.Do(e.ctx, session, sftp.Realpath(".")); err != nil {
			e.wrong("round trip", "", "the server does not say where the login leads to: %s", reason(err))
			return false
		}
		if took := time.Since(start); best < 0 || took < best {
			best = took
		}
	}
	if best > slowTrip {
		e.note("round trip", "many requests are under way at once; a vault needs fewer of them than a tree", "%v", best.Round(time.Millisecond))
	} else {
		e.good("round trip", "%v", best.Round(10*time.Microsecond))
	}
	return true
}

const (
	// defaultSessions is how many sessions varve opens with one server, unless it is told otherwise.
	defaultSessions = 4
	// boxSessions is how many connections a storage box takes at once, from all its users together.
	boxSessions = 10
)

// sessions says how many sessions the server grants at once, one being open. It stops at the first refusal.
func (e *exam) sessions(s location.Spec, c settings) {
	reach := e.o.Location.Reach
	want := cmp.Or(reach.Connections, defaultSessions)
	if c.isBox(s) && want > boxSessions {
		e.warn("sessions", "--connections 8", "%d are asked for, and a storage box grants %d to all its users together", want, boxSessions)
		want = boxSessions - 1
	}
	reach.Interactive = false // nobody is asked again
	var open []*sftp.Session
	defer func() {
		for _, one := range open {
			_ = one.Close() // it was only counted
		}
	}()
	for 1+len(open) < want {
		if !e.startSSH("sessions") {
			return
		}
		one, err := e.session(s, reach)
		if err != nil {
			e.fewer(1+len(open), want, err)
			return
		}
		open = append(open, one)
	}
	e.good("sessions", "%d at once", want)
}

// fewer says that the server grants fewer sessions than are wanted.
func (e *exam) fewer(granted, want int, err error) {
	switch {
	case e.ctx.Err() != nil:
	case errors.Is(err, ssh.ErrLogin):
		e.note("sessions", "a key in an agent lets varve open several at once", "1 at once: a further one would have to ask somebody: %s", reason(err))
	default:
		e.note("sessions", "--connections "+strconv.Itoa(granted)+" saves varve the attempts beyond", "%d at once, not %d: %s", granted, want, reason(err))
	}
}
