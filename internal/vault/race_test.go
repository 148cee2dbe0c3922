//go:build race

package vault

// stride is from one operation that is disturbed to the next.
const stride = 5
