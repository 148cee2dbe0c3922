//go:build unix

package notice

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheSendmailInThePathComesFirst(t *testing.T) {
	path := file(t, "sendmail", "#!/bin/sh\n", 0o755)
	t.Setenv("PATH", filepath.Dir(path))
	if got, err := Sendmail(); got != path || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("PATH", t.TempDir()) // as cron's, which has none
	got, err := Sendmail()
	if err == nil {
		_, err = os.Stat(got)
	}
	if got == path || got != "" && err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestALogIsASocketThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	socket(t, path)
	for at, want := range map[string]bool{path: true, path + "-not": false, filepath.Dir(path): false} {
		if got := isSocket(at); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}
