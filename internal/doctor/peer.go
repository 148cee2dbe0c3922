package doctor

import (
	"errors"
	"fmt"
	"strings"

	"varve"
	"varve/internal/location"
	"varve/internal/remote"
	"varve/internal/ssh"
)

// peer looks at a place behind a varve on another machine.
func (e *exam) peer(s location.Spec) {
	if !e.program() {
		return
	}
	if (settings{}).isBox(s) {
		e.onBox(s)
		return
	}
	if !e.startSSH("connection") {
		return
	}
	reach := e.o.Location.Reach
	info, err := reach.Peer(e.ctx, s, "--read")
	c := e.settings(s)
	if err != nil {
		e.absent(s, c, err)
		return
	}
	e.entered(c)
	e.answers(info)
	if info.Role != remote.Read {
		e.forced(info)
		return
	}
	if !e.startSSH("store") {
		return
	}
	// Whoever may do everything without having asked for it before is asked for it now: only a forced command answers otherwise.
	full, err := reach.Peer(e.ctx, s, "--full", "--store", s.Path)
	switch {
	case errors.Is(err, varve.ErrNoStore):
		e.warn("store", "only if it is to be one: "+command("varve", "init", s.String()), "%s is no store: it can be a source", s.Path)
	case err != nil:
		e.wrong("store", "", "%s", reason(err))
	case full.Role == remote.Read:
		e.forced(full)
	default:
		e.good("rights", "this key may do everything that its user may: no forced command")
		e.good("store", "%s is %s", s.Path, storeOf(full))
	}
}

// onBox says that a storage box runs nothing.
func (e *exam) onBox(s location.Spec) {
	s.Scheme = location.SFTP
	e.wrong("varve there", s.String(), "nothing can be run on a storage box, varve neither")
}

// answers says what answers.
func (e *exam) answers(info remote.Info) {
	ours := e.o.Location.Reach.Version
	if ours != "" && info.Program != ours {
		e.note("varve there", "older and newer ones understand one another; the same version everywhere has the fewest surprises",
			"%s on %s; here it is %s", info.Program, info.Host, ours)
		return
	}
	e.good("varve there", "%s on %s", info.Program, info.Host)
}

// storeOf returns what a varve serves, in words.
func storeOf(info remote.Info) string {
	switch {
	case info.Store:
		return "a tree"
	case info.Backend:
		return "the storage of a vault"
	}
	return "no store"
}

// forced says what the forced command of a key allows.
func (e *exam) forced(info remote.Info) {
	may := []string{"role " + string(info.Role)}
	if info.Store || info.Backend {
		may = append(may, storeOf(info))
	}
	if info.Source {
		may = append(may, "files to be read")
	}
	if info.Series != "" {
		may = append(may, "series "+info.Series+" only")
	}
	if info.Quota > 0 {
		may = append(may, fmt.Sprintf("a quota of %s", size(info.Quota)))
	}
	e.good("rights", "a forced command says what this key may do: %s", strings.Join(may, ", "))
	if !info.Store && !info.Backend && !info.Source {
		e.wrong("rights", "name a store there: varve serve -s STORE", "nothing is served")
	}
}

// absent says why no varve answers.
func (e *exam) absent(s location.Spec, c settings, err error) {
	program := e.o.Location.Reach.Program
	if program == "" {
		program = "varve"
	}
	switch {
	case e.ctx.Err() != nil:
	case c.isBox(s) && errors.Is(err, ssh.ErrCommand):
		e.onBox(s)
	case errors.Is(err, varve.ErrNoStore):
		e.entered(c)
		e.wrong("store", "does the forced command there name the right directory?", "varve answers that there is no store: %s", reason(err))
	case errors.Is(err, ssh.ErrCommand):
		e.entered(c)
		over := s
		over.Scheme = location.SFTP
		e.wrong("varve there", "install it there, or name it with --remote-varve PROGRAM: sh does not find "+command(program)+
			"\nwithout it, over SFTP alone: "+over.String(), "there is none: %s", reason(err))
	case errors.Is(err, ssh.ErrHostKey), errors.Is(err, ssh.ErrLogin), errors.Is(err, ssh.ErrUnreachable):
		e.refused(s, c, err)
	default:
		e.wrong("varve there", "must print nothing: "+e.sshLine(s, nil, "true")+"\nmust print a version: "+e.sshLine(s, nil, command(program, "version")),
			"what answers is no varve: %s", reason(err))
	}
}
