package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"varve/internal/retention"
	"varve/internal/schedule"
)

// Span is a span of real time, written as schedule.ParseSpan reads it: 90m, 36h, 7d.
type Span time.Duration

// UnmarshalText reads a span.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := schedule.ParseSpan(string(text))
	*s = Span(d)
	return err
}

// MarshalText returns what UnmarshalText reads.
func (s Span) MarshalText() ([]byte, error) {
	return []byte(schedule.FormatSpan(time.Duration(s))), nil
}

// minEvery is the shortest time between two things that are done regularly. Who writes 3m means months.
const minEvery = time.Hour

// Every is how much time passes between two things that are done regularly: a span of at least an hour, or 0 for "never".
type Every time.Duration

// UnmarshalText reads a span or "never".
func (e *Every) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*e = 0
		return nil
	}
	d, err := schedule.ParseSpan(string(text))
	if err == nil && d < minEvery {
		err = fmt.Errorf("span %q: is %s; want at least an hour, or never", text, d)
	}
	*e = Every(d)
	return err
}

// MarshalText returns what UnmarshalText reads.
func (e Every) MarshalText() ([]byte, error) {
	if e == 0 {
		return []byte("never"), nil
	}
	return Span(e).MarshalText()
}

// Age is a span of the calendar, written as retention.ParseDuration reads it: 1y6m, 30d. Here m is months.
type Age struct{ retention.Duration }

// UnmarshalText reads an age.
func (a *Age) UnmarshalText(text []byte) (err error) {
	a.Duration, err = retention.ParseDuration(string(text))
	return err
}

// MarshalText returns what UnmarshalText reads.
func (a Age) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Size is a number of bytes, written with K, M, G or T for powers of 1024: 500G. 0 stands for no limit and cannot be written.
type Size int64

// sizeUnits are the letters of sizes; each is 1024 times the one before.
const sizeUnits = "KMGT"

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number, shift := string(text), 0
	if len(text) > 0 {
		if i := strings.IndexByte(sizeUnits, text[len(text)-1]&^0x20); i >= 0 {
			number, shift = number[:len(number)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || n == 0 || n > (1<<63-1)>>shift {
		return fmt.Errorf("size %q: want a number from 1, with K, M, G or T for powers of 1024", text)
	}
	*s = Size(n << shift)
	return nil
}

// MarshalText returns what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) {
	n, unit := int64(s), ""
	for i := 0; n > 0 && n%1024 == 0 && i < len(sizeUnits); i++ {
		n, unit = n/1024, sizeUnits[i:i+1]
	}
	return []byte(strconv.FormatInt(n, 10) + unit), nil
}

// Percent is a share from 0 to 1, written as a percentage: 10%, 2.5%.
type Percent float64

// UnmarshalText reads a percentage. The sign must be there.
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if strings.Trim(number, "0123456789.") != "" || err != nil || !ok || !(n >= 0 && n <= 100) {
		return fmt.Errorf("share %q: want a percentage from 0%% to 100%%", text)
	}
	*p = Percent(n / 100)
	return nil
}

// MarshalText returns what UnmarshalText reads.
func (p Percent) MarshalText() ([]byte, error) {
	rounded := math.Round(float64(p)*1e8) / 1e6 // 0.07 times 100 is a little more than 7
	return []byte(strconv.FormatFloat(rounded, 'f', -1, 64) + "%"), nil
}

// Room is room on a disk, written as a size or as a percentage of the disk. The zero value is none.
type Room struct {
	Bytes Size
	Share Percent // of the disk; 0 where Bytes is set
}

// Of returns the room in bytes on a disk of total bytes.
func (r Room) Of(total int64) int64 {
	if r.Bytes > 0 {
		return int64(r.Bytes)
	}
	return int64(float64(r.Share) * float64(total))
}

// UnmarshalText reads a size or a percentage.
func (r *Room) UnmarshalText(text []byte) error {
	*r = Room{}
	if strings.HasSuffix(string(text), "%") {
		return r.Share.UnmarshalText(text)
	}
	if r.Bytes.UnmarshalText(text) != nil {
		return fmt.Errorf("room %q: want a size such as 5G, or a percentage of the disk", text)
	}
	return nil
}

// MarshalText returns what UnmarshalText reads.
func (r Room) MarshalText() ([]byte, error) {
	if r.Bytes > 0 {
		return r.Bytes.MarshalText()
	}
	return r.Share.MarshalText()
}

// Kind is a kind of store.
type Kind string

// The kinds of stores.
const (
	Tree  Kind = "tree"
	Vault Kind = "vault"
)

func (Kind) choices() []string { return words(Tree, Vault) }

// Freeze is a kind of file-system snapshot.
type Freeze string

// The kinds of file-system snapshots. The zero value does not occur in a Config.
const (
	None  Freeze = "none"
	Btrfs Freeze = "btrfs"
	LVM   Freeze = "lvm"
	ZFS   Freeze = "zfs"
)

func (Freeze) choices() []string { return words(None, Btrfs, LVM, ZFS) }

// choice is a type with few values. Their texts are those of the constants.
type choice interface{ choices() []string }

// words returns constants as texts.
func words[T ~string](constants ...T) []string {
	var texts []string
	for _, c := range constants {
		texts = append(texts, string(c))
	}
	return texts
}
