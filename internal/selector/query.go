package selector

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// query is an expression understood: an ID prefix, a time, both (the time counts where no ID fits), or neither, and then a number
// of steps back in Order.
type query struct {
	prefix string // lower case
	timed  bool
	end    time.Time // the last time that fits, where timed is set
	back   int
	hint   string // added to the message about an unknown ID
}

// errForm says that an expression has none of the forms; other errors of parse concern an expression of a known form.
var errForm = errors.New("not understood: want latest, latest~2, 3B, an ID, now, 10D, 1h78m, 2026-11-20, 2026-11-20T10:20:30+02:00 " +
	"or @1763632800")

func until(end time.Time) query { return query{timed: true, end: end} }

// second returns the end of a second since 1970.
func second(n int64) time.Time { return time.Unix(n, 999_999_999) }

func parse(expr string, now time.Time) (query, error) {
	for _, form := range [...]func(string, time.Time) (query, error){parseBack, parseAgo, parseEpoch, parseDate, parseID} {
		if q, err := form(expr, now); !errors.Is(err, errForm) {
			return q, err
		}
	}
	return query{}, errForm
}

// parseBack reads latest, latest~N and NB.
func parseBack(expr string, _ time.Time) (query, error) {
	if expr == "latest" {
		return query{}, nil
	}
	first := 0
	number, ok := strings.CutPrefix(expr, "latest~")
	if !ok {
		first = 1
		number, ok = strings.CutSuffix(expr, "B")
	}
	if !ok || !digits(number) {
		return query{}, errForm
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return query{}, errors.New("the number is too large")
	}
	if n < first {
		return query{}, errors.New("1B is the newest")
	}
	return query{back: n - first}, nil
}

// maxSeconds bounds times given as numbers: about 30,000 years.
const maxSeconds = 1_000_000_000_000

// parseAgo reads now, and sums such as 1h78m.
func parseAgo(expr string, now time.Time) (query, error) {
	if expr == "now" {
		return until(now), nil
	}
	var sum int64
	for rest := expr; ; {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		if number == "" || number == rest {
			return query{}, errForm
		}
		unit := unitSeconds(rest[len(number)])
		if unit == 0 {
			return query{}, errForm
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > maxSeconds/unit {
			return query{}, errors.New("too long ago")
		}
		sum = min(sum+n*unit, maxSeconds)
		if rest = rest[len(number)+1:]; rest == "" {
			break
		}
	}
	return until(time.Unix(now.Unix()-sum, int64(now.Nanosecond()))), nil
}

// unitSeconds returns the length of a unit of parseAgo; 0 where there is no such unit.
func unitSeconds(letter byte) int64 {
	const day = 24 * 60 * 60
	switch letter {
	case 's':
		return 1
	case 'm':
		return 60
	case 'h':
		return 60 * 60
	case 'D':
		return day
	case 'W':
		return 7 * day
	case 'M':
		return 30 * day
	case 'Y':
		return 365 * day
	}
	return 0
}

// parseEpoch reads @ and a number of seconds.
func parseEpoch(expr string, _ time.Time) (query, error) {
	number, ok := strings.CutPrefix(expr, "@")
	if !ok || !digits(number) {
		return query{}, errForm
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > maxSeconds {
		return query{}, errors.New("the number is too large")
	}
	return until(second(n)), nil
}

// parseID reads the first digits of an ID, which may also be a number of seconds.
func parseID(expr string, _ time.Time) (query, error) {
	if expr == "" || len(expr) > 32 || strings.Trim(expr, "0123456789abcdefABCDEF") != "" {
		return query{}, errForm
	}
	q := query{prefix: strings.ToLower(expr)}
	if last := len(expr) - 1; last > 0 && digits(expr[:last]) && (expr[last] == 'd' || expr[last] == 'b') {
		q.hint = "; for a time or a count write " + strings.ToUpper(expr)
	}
	if len(expr) >= 9 && len(expr) <= 11 && digits(expr) {
		n, err := strconv.ParseInt(expr, 10, 64)
		if err != nil {
			return query{}, err
		}
		q.timed, q.end = true, second(n)
	}
	return q, nil
}

// digits reports whether s consists of decimal digits, one at least.
func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
