// Package floors holds the plan of the house as a test: which package may import which. A package imports lower floors only, never
// a neighbour on its own floor. It also looks after those house rules that a program can check.
//
// Not for: anything that runs. It has no code but tests, and nothing imports it.
package floors
