package location

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"varve"
	"varve/internal/freeze"
	"varve/internal/match"
	"varve/internal/remote"
	"varve/internal/walk"
)

// CommandLine is the origin of patterns that stand on a command line.
const CommandLine = "--exclude"

// IgnoreFile is the name of the files with which owners of directories leave things out.
const IgnoreFile = ".varveignore"

// Caches returns what leaves out the content of directories that are marked as caches.
func Caches() remote.Marker {
	tag := walk.CacheTag()
	return remote.Marker{Name: tag.Name, Header: tag.Header}
}

// spare adds to w what leaves out the stores that are on the other machine that o is. An error says that a source lies in one of them.
func (o *Origin) spare(w *Wanted) error {
	for _, store := range w.Stores {
		at, ok := o.beside(store)
		if !ok {
			continue
		}
		for _, source := range o.Sources {
			if varve.Within("/"+source, at) {
				return fmt.Errorf("source /%s lies in the store %s", source, store)
			}
		}
		w.Request.Excludes = append(slices.Clip(w.Request.Excludes), remote.Exclude{Text: literally(at)})
	}
	return nil
}

// literally returns the pattern that matches an absolute path as it stands.
func literally(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// beside returns the absolute path of a store, and whether it is on the other machine that o is, as far as their names tell.
func (o *Origin) beside(store string) (string, bool) {
	s, err := Parse(store)
	if err != nil || !o.Far() || s.Scheme == Rsync || s.Target.Host != o.Spec.Target.Host || s.Target.Port != o.Spec.Target.Port {
		return "", false
	}
	if !path.IsAbs(s.Path) && o.Spec.Scheme == SFTP && s.Target.User == o.Spec.Target.User {
		s.Path = path.Join(o.site.far.Path(), s.Path)
	}
	return s.Path, path.IsAbs(s.Path)
}

// WalkOptions returns how a walk of sources, relative to the root, leaves out what r says. An error says which pattern makes no sense.
func WalkOptions(r remote.SourceRequest, sources []string) (walk.Options, error) {
	var rules []*match.Rule
	for _, e := range r.Excludes {
		if e.Name == "" {
			rule, err := match.Parse(e.Text, CommandLine)
			if err != nil {
				return walk.Options{}, err
			}
			rules = append(rules, rule)
			continue
		}
		read, err := match.ParseExcludeFile(e.Name, []byte(e.Text))
		if err != nil {
			return walk.Options{}, err
		}
		rules = append(rules, read...)
	}
	o := walk.Options{Match: match.New(rules, sources), IgnoreFile: r.IgnoreFile, SkipName: freeze.DirName, OneFileSystem: r.OneFileSystem,
		LargerThan: r.LargerThan}
	for _, m := range r.IfPresent {
		o.IfPresent = append(o.IfPresent, walk.Marker{Name: m.Name, Header: m.Header})
	}
	return o, nil
}
