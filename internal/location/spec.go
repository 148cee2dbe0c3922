package location

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// schemes are the words before a colon that never begin a local path; what is not in this list and has a colon before the first
// slash is taken for a host.
var schemes = []string{"sftp", "ssh", "s3", "rest", "rclone", "http", "https", "file", "b2", "gs", "azure", "swift", "webdav"}

// errEmpty says that no store was named at all.
var errEmpty = errors.New("the name of the store is empty")

// Path returns the absolute path of the store that spec names. A path with a colon before its first slash is taken for a host, as
// rsync and scp do: ./a:b is a directory, a:b is not. The error matches ErrScheme where spec names another kind of place.
func Path(spec string) (string, error) {
	if spec == "" {
		return "", errEmpty
	}
	if kind := remote(spec); kind != "" {
		return "", fmt.Errorf("store %q is %s: %w", spec, kind, ErrScheme)
	}
	return filepath.Abs(spec)
}

// remote says what kind of place spec names; empty for a local path.
func remote(spec string) string {
	before, after, found := strings.Cut(spec, ":")
	switch {
	case !found || strings.Contains(before, "/"):
		return ""
	case slices.Contains(schemes, strings.ToLower(before)), strings.HasPrefix(after, "//"):
		return "of the kind " + strings.ToLower(before) + ":"
	}
	return "on the host " + before
}
