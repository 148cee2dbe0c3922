package history

import (
	"testing"

	"varve/internal/disk/memfs"
)

func TestTheConfigurationFileIsRememberedAsItWasReadLast(t *testing.T) {
	d, err := Open(memfs.New(memfs.Options{}).Root(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "a = 'é\"'\n", "a = 'é\"'\n", "b = 1\n"} {
		if err := d.KeepConfig(text); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Config(); err != nil || got.Text != text {
			t.Errorf("%q is remembered as %q: %v", text, got.Text, err)
		}
	}
}
