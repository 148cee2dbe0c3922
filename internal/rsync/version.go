package rsync

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Version is the version of an rsync program. Pre-releases count as the release before them: Pre is true.
type Version struct {
	Major, Minor, Patch int
	Pre                 bool
}

// mended is the release in which the weaknesses that a hostile peer could use were mended.
var mended = Version{Major: 3, Minor: 5}

// oldest is the first release that tells its peer of files it could not read while it looks for files.
var oldest = Version{Major: 3, Minor: 1}

// exact is the first release that compares times to the nanosecond where it is told to.
var exact = Version{Major: 3, Minor: 1, Patch: 3}

// banner is the first line of what `rsync --version` prints.
var banner = regexp.MustCompile(`^rsync +version +v?([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?([a-z][0-9a-z]*)?(?:[ +~-]|$)`)

// ParseVersion reads what `rsync --version` prints.
func ParseVersion(text string) (Version, error) {
	line, _, _ := strings.Cut(text, "\n")
	m := banner.FindStringSubmatch(strings.TrimRight(line, "\r"))
	if m == nil {
		return Version{}, fmt.Errorf("%s is not the version of an rsync that can be used here", show(line))
	}
	v := Version{Pre: m[4] != ""}
	for i, to := range []*int{&v.Major, &v.Minor, &v.Patch} {
		if m[i+1] != "" {
			*to, _ = strconv.Atoi(m[i+1]) // four digits at most
		}
	}
	return v, nil
}

// String returns v as rsync writes it.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Pre {
		s += "pre"
	}
	return s
}

// Before reports whether v is older than w.
func (v Version) Before(w Version) bool {
	a := [...]int{v.Major, v.Minor, v.Patch}
	for i, n := range [...]int{w.Major, w.Minor, w.Patch} {
		if a[i] != n {
			return a[i] < n
		}
	}
	return v.Pre && !w.Pre
}

// warning says what is wrong with running v against peers that nobody vouches for; empty where nothing is.
func (v Version) warning() string {
	if !v.Before(mended) {
		return ""
	}
	return fmt.Sprintf("rsync %s has published weaknesses that the other side can use; %s mends them (a distribution may have mended an older one)",
		v, mended)
}

// program finds rsync and its version.
func (r *Receiver) program(ctx context.Context) (string, Version, error) {
	path := r.Program
	if path == "" {
		path = "rsync"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		return "", Version{}, fmt.Errorf("find rsync: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = environment()
	text, err := cmd.Output()
	if err != nil {
		return "", Version{}, fmt.Errorf("run %s --version: %w", path, err)
	}
	v, err := ParseVersion(string(text))
	switch {
	case err != nil:
		return "", v, fmt.Errorf("%s: %w", path, err)
	case v.Before(oldest):
		return "", v, fmt.Errorf("%s: version %s is too old: %s or newer is needed", path, v, oldest)
	}
	if w := v.warning(); w != "" {
		r.warn(w)
	}
	return path, v, nil
}

// environment is that of every rsync that is run here. Variables that change what rsync does are many, and none is taken over.
func environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
}
