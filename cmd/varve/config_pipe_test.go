package main

import "testing"

func TestAPipeWhoseFailureNobodySeesIsFound(t *testing.T) {
	for line, want := range map[string]bool{"pg_dumpall | gzip": true, "pg_dumpall": false, "a || b": false, "a || b | c": true,
		"set -o pipefail; a | b": false, "": false, "a | grep -q ok && b": false} {
		if pipes(line) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}
