package rsync

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// cage says what rsync may touch beyond programs, libraries and a few files in /etc.
type cage struct {
	// links are the directories of older snapshots, stage is the one to be filled.
	links []string
	stage string
	// transit is a directory beside stage for files that are not complete; empty where rsync cannot be kept from writing in stage.
	transit string
	// port is the TCP port that may be connected to; 0 for none.
	port int
	// attributes says that extended attributes of all name spaces are set.
	attributes bool
}

// newCage makes the directory for files in transit. Close removes it.
func newCage(s Stage, fakes bool) (*cage, error) {
	links := s.Links()
	c := &cage{links: links[:min(len(links), maxLinks)], stage: s.Path()}
	for _, path := range append([]string{c.stage}, c.links...) {
		if !filepath.IsAbs(path) {
			return c, fmt.Errorf("stage %s: not an absolute path", path)
		}
	}
	if fakes {
		return c, nil
	}
	var err error
	c.transit, err = os.MkdirTemp(filepath.Dir(c.stage), "transit-")
	return c, err
}

// Close removes what is left in transit.
func (c *cage) Close() error {
	if c.transit == "" {
		return nil
	}
	return os.RemoveAll(c.transit)
}

// args returns the options of rsync that fit the cage. The paths are absolute.
func (c *cage) args() []string {
	var args []string
	if c.transit != "" {
		args = append(args, "--temp-dir="+c.transit)
	}
	for _, l := range c.links {
		args = append(args, "--link-dest="+l)
	}
	return args
}

// isEmpty reports whether a directory holds nothing.
func isEmpty(dir string) (empty bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if _, err = d.Readdirnames(1); errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}
