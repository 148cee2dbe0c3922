//go:build unix

package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// owned is a file of a user.
type owned struct {
	mode fs.FileMode
	uid  uint32
}

func (o owned) Name() string       { return "f" }
func (o owned) Size() int64        { return 0 }
func (o owned) Mode() fs.FileMode  { return o.mode }
func (o owned) ModTime() time.Time { return time.Time{} }
func (o owned) IsDir() bool        { return o.mode.IsDir() }
func (o owned) Sys() any           { return &syscall.Stat_t{Uid: o.uid} }

func TestAFileThatSomebodyElseCouldHaveWrittenIsRefused(t *testing.T) {
	for _, c := range []struct {
		file owned
		uid  int
		want string // how the error ends
	}{
		{owned{0o600, 1000}, 1000, ""},
		{owned{0o644, 1000}, 1000, ""},
		{owned{0o444, 0}, 1000, ""},
		{owned{0o644, 0}, 0, ""},
		{owned{0o600, 1000}, 0, ": chown root '/a b'"},
		{owned{0o644, 1001}, 1000, ": chown 1000 '/a b'"},
		{owned{0o664, 1000}, 1000, ": chmod go-w '/a b'"},
		{owned{0o620, 0}, 0, ": chmod go-w '/a b'"},
		{owned{0o602, 0}, 0, ": chmod go-w '/a b'"},
		{owned{0o666, 1000}, 0, ": chown root '/a b' && chmod go-w '/a b'"},
		{owned{0o666 | fs.ModeNamedPipe, 1000}, 0, ""},
		{owned{0o666 | fs.ModeDevice | fs.ModeCharDevice, 0}, 1000, ""},
	} {
		err := trusted("/a b", c.file, c.uid)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%v of %d, for %d: %v", c.file.mode, c.file.uid, c.uid, err)
		}
	}
}

func TestAFileOfAnotherUserIsNotLoaded(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal("not root")
		}
		t.Skip("only root can give a file away")
	}
	path := write(t, sound, 0o600)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(link, Options{}); err != nil {
		t.Errorf("a symlink to the user's own file: %v", err)
	}
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{path, link} {
		if c, err := Load(at, Options{}); err == nil || !strings.Contains(err.Error(), "chown root") {
			t.Errorf("%s: %+v, %v", at, c, err)
		}
	}
}
