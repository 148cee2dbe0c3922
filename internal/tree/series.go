package tree

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"varve/internal/digest"
)

// maxSeriesName is the length in bytes up to which the name of a series stands unshortened in the name of its directory.
const maxSeriesName = 180

// seriesDir returns the name of a series' directory: the series with "/" written as "_"; "_", "%", control characters and a leading
// dot as "%" and two hexadecimal digits. A long one is cut and ends in "~" and 16 digits of its digest. So no two series share one.
func seriesDir(series string) string {
	var b strings.Builder
	for i := range len(series) {
		switch c := series[i]; {
		case c == '/':
			b.WriteByte('_')
		case c == '_' || c == '%' || c == '~' || c < ' ' || c == 0x7f || c == '.' && i == 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	name := b.String()
	if len(name) <= maxSeriesName {
		return name
	}
	sum := digest.Sum([]byte(series))
	return name[:maxSeriesName] + "~" + hex.EncodeToString(sum[:8])
}

// snapshotName returns the name of a snapshot's directory: the time in UTC to the second, or the day, with "-2", "-3" … appended
// where taken says that it is in use.
func (s *Store) snapshotName(t time.Time, taken func(name string) bool) string {
	layout := "2006-01-02T15-04-05Z"
	if s.opts.DayNames {
		layout = time.DateOnly
	} else {
		t = t.UTC()
	}
	name := t.Format(layout)
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s-%d", t.Format(layout), n)
	}
	return name
}
