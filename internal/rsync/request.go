package rsync

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

const (
	maxCommand = 1 << 16 // bytes of a command line
	maxWords   = 500
)

// request is what a client wants, as far as it may have it.
type request struct {
	shorts  string   // the letters of short options that are handed on
	caps    string   // what the client's rsync says it can do: the argument of its -e
	longs   []string // long options that are handed on
	leftOut []string // options that are heeded by doing nothing
	timeout time.Duration
	dry     bool
	// secluded says that the rest of the arguments comes over the wire.
	secluded bool
	dot      bool // the "." that stands before the paths was seen
}

// parseCommand reads the command line of an rsync client that wants to push, as its remote shell would get it. The error matches
// ErrRefused.
func parseCommand(line string) (*request, error) {
	switch {
	case strings.TrimSpace(line) == "":
		return nil, fmt.Errorf("interactive login %w: this key is for pushing with rsync", ErrRefused)
	case len(line) > maxCommand:
		return nil, fmt.Errorf("command line %w: longer than %d bytes", ErrRefused, maxCommand)
	}
	words, err := splitWords(line)
	if err != nil {
		return nil, fmt.Errorf("command line %w: %w", ErrRefused, err)
	}
	switch {
	case len(words) == 0 || path.Base(words[0]) != "rsync":
		return nil, fmt.Errorf("command %s %w: this key is for pushing with rsync", show(line), ErrRefused)
	case len(words) < 2 || words[1] != "--server":
		return nil, fmt.Errorf("command %s %w: not what an rsync client sends", show(line), ErrRefused)
	}
	r := &request{}
	if err := r.read(words[2:]); err != nil {
		return nil, err
	}
	if r.secluded {
		return r, nil
	}
	return r, r.check()
}

// read takes in arguments. Those that are not options are paths, and not heeded.
func (r *request) read(words []string) error {
	if len(words) > maxWords {
		return fmt.Errorf("command line %w: more than %d words", ErrRefused, maxWords)
	}
	for _, w := range words {
		if err := r.word(w); err != nil {
			return err
		}
	}
	return nil
}

func (r *request) word(w string) error {
	switch {
	case w == ".":
		r.dot = true
		return nil
	case len(w) < 2 || w[0] != '-':
		if !r.dot {
			return fmt.Errorf("argument %s %w: it stands where an option belongs", show(w), ErrRefused)
		}
		return nil
	case strings.HasPrefix(w, "--"):
		return r.long(w)
	case strings.HasPrefix(w, "-B"):
		return r.number(w, "-B", &r.longs)
	case strings.HasPrefix(w, "-@"):
		return r.number(w, "-@", &r.leftOut)
	}
	return r.bundle(w)
}

// number reads a short option whose value is a number.
func (r *request) number(w, option string, to *[]string) error {
	if !isNumber(w[len(option):]) {
		return refusal(w, "its value is not a number")
	}
	*to = append(*to, w)
	return nil
}

// bundle reads short options in one word. "e" is the last, the rest of the word its value.
func (r *request) bundle(w string) error {
	for i := 1; i < len(w); i++ {
		c := w[i]
		if c == 'e' && i+1 < len(w) {
			return r.capabilities(w[i+1:])
		}
		l := letters[c]
		if l.ruling == refuse {
			return refusal("-"+string(rune(c)), l.why)
		}
		if l.ruling == leaveOut {
			r.secluded = r.secluded || c == 's'
			r.leftOut = append(r.leftOut, "-"+string(rune(c)))
			continue
		}
		if strings.Count(r.shorts, string(rune(c))) >= max(l.most, 1) {
			return refusal("-"+string(rune(c)), "given too often")
		}
		r.dry = r.dry || c == 'n'
		r.shorts += string(rune(c))
	}
	return nil
}

// capabilities reads the value of -e: a version of the protocol, which is empty in releases, a point, and a letter for every ability.
func (r *request) capabilities(s string) error {
	version, abilities, found := strings.Cut(s, ".")
	sub := strings.TrimLeft(abilities, "0123456789")
	if !found || version != "" && !digits(version, 3) || !all(sub, "", 40) || len(abilities)-len(sub) > 3 || r.caps != "" {
		return refusal("-e"+s, letters['e'].why)
	}
	r.caps = s
	return nil
}

func (r *request) long(w string) error {
	name, value, hasValue := strings.Cut(w, "=")
	l, known := longs[name]
	switch {
	case !known || l.ruling == refuse:
		return refusal(name, l.why)
	case hasValue && l.valid == nil:
		return refusal(w, "it takes no value")
	case l.valid != nil && !(hasValue && l.valid(value)):
		return refusal(w, "its value is none that may be handed on")
	}
	if name == "--timeout" {
		r.heed(value)
		return nil
	}
	if l.ruling == leaveOut {
		r.leftOut = append(r.leftOut, w)
		return nil
	}
	r.longs = append(r.longs, w)
	return nil
}

// heed takes over the client's own idea of how long silence may last.
func (r *request) heed(seconds string) {
	if n, err := strconv.Atoi(seconds); err == nil && n > 0 {
		r.timeout = min(time.Duration(n)*time.Second, 365*24*time.Hour)
	}
}

// check looks at the whole once all arguments are known.
func (r *request) check() error {
	switch {
	case !r.dot:
		return fmt.Errorf("command line %w: not what an rsync client sends", ErrRefused)
	case !strings.Contains(r.caps, "f"):
		return fmt.Errorf("client %w: rsync 3.1 or newer is needed, with protocol 30 or newer: older ones do not tell of files that they cannot read",
			ErrRefused)
	}
	return nil
}

// numeric reports whether owners go by number.
func (r *request) numeric() bool {
	for _, l := range r.longs {
		if l == "--numeric-ids" {
			return true
		}
	}
	return false
}

// args returns the options as they are handed on.
func (r *request) args() []string {
	return append([]string{"-" + r.shorts + "e" + r.caps}, r.longs...)
}
