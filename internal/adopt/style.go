package adopt

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"varve/internal/disk"
)

// Style says how the names of snapshots are made and read. Names or Levels is required.
type Style struct {
	// Names is what a name looks like; everything but these stands for itself:
	//
	//	%Y %y  year, of four and of two digits (2000 to 2099)      %F  the same as %Y-%m-%d
	//	%m %d  month and day, of two digits                        %T  the same as %H:%M:%S
	//	%H %M %S  hour, minute, second, of two digits              %s  seconds since 1970
	//	%n  a number that counts snapshots, from 0, the newest     %*  anything
	//	%%  a percent sign
	//
	// A date needs %Y or %y, %m and %d; %H needs a date, %M needs %H, %S needs %M. Each may be there once, %* several times.
	Names string
	// Levels are the names before the dot of rsnapshot's directories, the finest first. Names is empty then.
	Levels []string
	// Series is what the snapshots may be called in a store.
	Series string
	// Zone is where names tell the time; nil stands for time.Local.
	Zone *time.Location
	// Now tells what may be written to right now, and what lies in the future; zero where that does not matter.
	Now time.Time
	// Running says that the program that makes the snapshots runs right now.
	Running bool
}

// Hactar is the style of Hactar: a directory a day.
func Hactar(series string) Style { return Style{Names: "%F", Series: series} }

// Prefixed is the style PREFIX-YYYY-MM-DD, for exactly this prefix.
func Prefixed(prefix string) Style {
	return Style{Names: strings.ReplaceAll(prefix, "%", "%%") + "-%F", Series: prefix}
}

// Named is the style with names of this form, see Style.Names; an error says what is wrong with it.
func Named(names, series string) (Style, error) {
	s := Style{Names: names, Series: series}
	_, err := s.compile()
	return s, err
}

// Daily reports whether names tell the day and not the time of day.
func (s *Style) Daily() bool {
	if s.Names == "" {
		return false
	}
	p, err := s.compile()
	if err != nil {
		return false
	}
	_, daily := p.dated()
	return daily
}

// pattern is a form of names, compiled.
type pattern struct {
	whole *regexp.Regexp
	has   map[byte]bool
}

// digits are what conversions stand for.
var digits = map[byte]string{'Y': `[0-9]{4}`, 'y': `[0-9]{2}`, 'm': `[0-9]{2}`, 'd': `[0-9]{2}`, 'H': `[0-9]{2}`, 'M': `[0-9]{2}`,
	'S': `[0-9]{2}`, 's': `[0-9]{1,12}`, 'n': `0|[1-9][0-9]{0,8}`}

// compile compiles the form of names.
func (s *Style) compile() (*pattern, error) {
	if disk.CheckName(s.Names) != nil {
		return nil, fmt.Errorf("form of names %q: not the name of a directory", s.Names)
	}
	p := &pattern{has: map[byte]bool{}}
	expr, err := p.expression(strings.NewReplacer("%%", "%%", "%F", "%Y-%m-%d", "%T", "%H:%M:%S").Replace(s.Names))
	if err == nil {
		err = p.complete()
	}
	if err == nil {
		if p.whole, err = regexp.Compile(`(?s)\A` + expr + `\z`); err != nil { // bytes that are no text
			err = errors.New("not text")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("form of names %q: %w", s.Names, err)
	}
	return p, nil
}

// expression returns the regular expression for a form of names, and takes in what conversions it has.
func (p *pattern) expression(form string) (string, error) {
	var expr strings.Builder
	for {
		literal, rest, found := strings.Cut(form, "%")
		expr.WriteString(regexp.QuoteMeta(literal))
		if !found {
			return expr.String(), nil
		}
		if rest == "" {
			return "", errors.New("it ends with a lone %")
		}
		c := rest[0]
		form = rest[1:]
		part, known := digits[c]
		switch {
		case c == '%':
			expr.WriteString("%")
		case c == '*':
			expr.WriteString(".*")
		case !known:
			return "", fmt.Errorf("%%%c is not known", c)
		case p.has[c]:
			return "", fmt.Errorf("%%%c is there twice", c)
		default:
			p.has[c] = true
			expr.WriteString("(?P<" + string(c) + ">" + part + ")")
		}
	}
}

// complete returns what the conversions lack to make sense.
func (p *pattern) complete() error {
	year := p.has['Y'] || p.has['y']
	switch {
	case p.has['Y'] && p.has['y']:
		return errors.New("it has two years")
	case year != p.has['m'] || year != p.has['d']:
		return errors.New("a date needs year, month and day")
	case p.has['s'] && year:
		return errors.New("it has two dates")
	case p.has['H'] && !year, p.has['M'] && !p.has['H'], p.has['S'] && !p.has['M']:
		return errors.New("a time of day needs what is coarser")
	}
	return nil
}

// dated reports whether names tell the time, and whether to the day alone.
func (p *pattern) dated() (dated, daily bool) {
	year := p.has['d']
	return year || p.has['s'], year && !p.has['H']
}

// reading is what a name says.
type reading struct {
	time   time.Time
	number int
}

var errOther = errors.New("another name")

// read reads a name; errOther where it is none of this form, or tells a day that no calendar has.
func (p *pattern) read(name string, zone *time.Location) (reading, error) {
	m := p.whole.FindStringSubmatch(name)
	if m == nil {
		return reading{}, errOther
	}
	n := map[byte]int{}
	for i, key := range p.whole.SubexpNames() {
		if key != "" {
			n[key[0]], _ = strconv.Atoi(m[i]) // twelve digits at most
		}
	}
	r := reading{number: n['n']}
	if p.has['s'] {
		r.time = time.Unix(int64(n['s']), 0)
		return r, nil
	}
	if !p.has['d'] {
		return r, nil
	}
	if p.has['y'] {
		n['Y'] = 2000 + n['y']
	}
	if n['H'] > 23 || n['M'] > 59 || n['S'] > 60 {
		return r, errOther
	}
	day := time.Date(n['Y'], time.Month(n['m']), n['d'], 0, 0, 0, 0, time.UTC)
	if day.Month() != time.Month(n['m']) || day.Day() != n['d'] {
		return r, errOther
	}
	r.time = time.Date(n['Y'], time.Month(n['m']), n['d'], n['H'], n['M'], n['S'], 0, zone)
	return r, nil
}
