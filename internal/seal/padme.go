package seal

import "math/bits"

// Padme returns the length that n bytes are padded to, as section 1 of the format defines it: n itself below 2, at most 12 % more
// otherwise. n must not be negative nor above 2^62.
func Padme(n int) int {
	if n < 2 {
		return n
	}
	e := bits.Len(uint(n)) - 1
	s := bits.Len(uint(e))
	mask := 1<<(e-s) - 1
	return (n + mask) &^ mask
}
