package disk

import "time"

// Elapsed returns the time between two moments by the clock that counts on while the machine is asleep, if there is one that says more.
func Elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
